"""How many requests are on their way at a time."""

from __future__ import annotations

from codex_app_server.protocol.pacing import WINDOW, Pacing


def test_what_is_too_much_waits_for_an_answer_to_anything_sent_so_far() -> None:
    pacing = Pacing()
    sent = [pacing.admit(number, b"%d " % number) for number in range(1, WINDOW + 4)]
    assert all(sent[:WINDOW])
    assert not any(sent[WINDOW:])
    assert [pacing.probe(), pacing.probe()] == [True, False]
    assert pacing.answered(2) == b"65 66 "  # so one was taken up too
    assert pacing.answered(1) == b""
    assert pacing.probed() == b"67 "
    assert not pacing.probe()
    assert pacing.admit(68, b"68 ") == b"68 "


def test_what_is_withdrawn_is_not_sent() -> None:
    pacing = Pacing()
    for number in range(1, WINDOW + 3):
        pacing.admit(number, b"%d " % number)
    assert not pacing.withdraw(1)
    assert pacing.withdraw(WINDOW + 1)
    assert pacing.answered(WINDOW) == b"%d " % (WINDOW + 2)


def test_an_answer_that_comes_before_that_to_the_probe_leaves_it_asking() -> None:
    pacing = Pacing()
    for number in range(1, 3 * WINDOW):
        pacing.admit(number, b"%d " % number)
    assert pacing.probe()
    assert pacing.answered(WINDOW)
    assert pacing.probed() == b""  # it tells nothing new
    assert pacing.probe()  # so another one asks


def test_a_probe_that_was_lost_is_sent_again_for_who_has_waited_long() -> None:
    pacing = Pacing()
    for number in range(1, WINDOW + 2):
        pacing.admit(number, b"%d " % number)
    assert pacing.probe()
    pacing.doubt(1)  # that one is on its way
    assert not pacing.probe()
    pacing.doubt(WINDOW + 1)
    assert pacing.probe()
    assert not pacing.probe()
    assert pacing.probed() == b"%d " % (WINDOW + 1)
