"""How far the reader runs ahead: little where somebody reads, more where nobody does, and never without end."""

from __future__ import annotations

from codex_app_server.protocol.allowance import READ_AHEAD, Allowance


def test_what_nobody_reads_gets_more_room_up_to_a_bound() -> None:
    allowance = Allowance()
    first = allowance.limit

    seen = []
    while not allowance.is_final:
        allowance.patience_is_over()
        seen.append(allowance.limit)

    assert seen == [2 * first, 4 * first, 8 * first]
    assert seen[-1] == READ_AHEAD
    allowance.patience_is_over()
    assert allowance.limit == READ_AHEAD


def test_what_is_read_however_slowly_gets_no_more_and_shrinks_again() -> None:
    allowance = Allowance()
    first = allowance.limit
    for _ in range(5):
        allowance.read()
        allowance.patience_is_over()
    assert allowance.limit == first

    allowance.patience_is_over()
    assert allowance.limit == 2 * first
    allowance.read()
    allowance.patience_is_over()
    assert allowance.limit == first
