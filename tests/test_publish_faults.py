"""Publishing to an index that breaks: whatever happens, nobody ever finds a client whose runtime is missing.

Each row of `CASES` is a fault and the files whose upload it meets; `test_how_many_faults_are_survived` says how many
there are. Killed runs are whole processes, killed with their twine; the others run here, with real twine and pip.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from faulty_index import (
    Fault,
    Upload,
    hang,
    killed_after,
    killed_before,
    killed_halfway,
    lost_acknowledgement,
    reset_halfway,
    status,
)
from publishing import SmallRelease, Window, pypi_server_window, stage_window
from until import until
from verdicts import praised_once

from codex_release.base.patience import RetryPolicy
from codex_release.publish.serving import Waiting
from codex_release.rehearse.local_index import LocalIndex

FILES = 9
"""Seven runtime wheels, the client's wheel and its sdist."""
FIRST, LAST_RUNTIME, CLIENT, SDIST = 0, 6, 7, 8
EVERY = tuple(range(FILES))
ENDS = (FIRST, LAST_RUNTIME, CLIENT, SDIST)

KILLED: dict[str, tuple[Fault, tuple[int, ...]]] = {
    "before anything of the file arrived": (killed_before, (FIRST, CLIENT)),
    "when half of the file had arrived": (killed_halfway, ENDS),
    "when the file was stored": (killed_after, EVERY),
}
"""Each is one chain of runs on one index: every run is killed at the next file, the last one finishes."""

# twine itself sends again at once after 5xx, five times in all; what it does not survive, `publish` has to.
PASSING: dict[str, tuple[list[Fault], tuple[int, ...]]] = {
    "500 twice": ([status(500)] * 2, (FIRST, CLIENT)),
    "503 until twine gives up": ([status(503)] * 5, ENDS),
    "429": ([status(429)], (FIRST, CLIENT)),
    "connection reset halfway": ([reset_halfway], ENDS),
    "acknowledgement lost": ([lost_acknowledgement], ENDS),
    "503, then acknowledgement lost": ([status(503), lost_acknowledgement], (FIRST, CLIENT)),
    "no answer": ([hang], (FIRST, CLIENT)),
}
"""Faults that one run gets over by itself."""

LASTING: dict[str, tuple[Fault, tuple[int, ...]]] = {
    "500 for ever": (status(500), (FIRST, CLIENT)),
    "connection always reset halfway": (reset_halfway, (FIRST, CLIENT)),
    "403": (status(403), (FIRST, CLIENT)),
}
"""Faults that end a run; the next one finishes."""


NUMBERS = itertools.count(1)


@pytest.fixture
def shown(devpi: LocalIndex, small_release: SmallRelease, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    """An empty index behind a proxy."""
    praised_once(monkeypatch)
    with stage_window(devpi, f"faults{next(NUMBERS)}", small_release) as made:
        yield made


def seeded(shown: Window, numbers: tuple[int, ...]) -> list[str]:
    """The runtime wheels whose upload is not looked at are there already, which saves time."""
    there = [name for number, name in enumerate(shown.release.runtime) if number not in numbers]
    for name in there:
        shown.seed(name)
    return there


@pytest.mark.slow
@pytest.mark.parametrize("moment", KILLED)
def test_a_run_killed_at_any_file_leaves_the_promise_kept_and_the_next_goes_on(shown: Window, moment: str) -> None:
    fault, numbers = KILLED[moment]
    names = shown.release.names
    there = seeded(shown, numbers)
    for number in numbers:
        shown.proxy.fail(names[number], fault)
        code, out, _ = shown.commanded("--yes")
        assert code == -signal.SIGKILL, out
        until(lambda: shown.proxy.faults_made == [fault.__name__] * (numbers.index(number) + 1))  # noqa: B023
        assert set(shown.listed()) == {*there, *names[: number + (fault is killed_after)]}
        assert shown.broken_promises == []
    code, _, err = shown.commanded("--yes")
    assert code == 0, err
    # Everything was stored once, in the order of the plan; not a file was sent that was there.
    assert shown.proxy.stored == [name for name in names if name not in there]
    assert shown.broken_promises == []


@pytest.mark.parametrize("kind", PASSING)
def test_a_passing_fault_does_not_stop_a_run(shown: Window, kind: str) -> None:
    faults, numbers = PASSING[kind]
    names = shown.release.names
    there = seeded(shown, numbers)
    for number in numbers:
        shown.proxy.fail(names[number], *faults)
    result = shown.publish(start_s=2.5 if hang in faults else 30.0)
    assert result.problem == ""
    assert sorted({*shown.proxy.stored, *there}) == sorted(names)
    assert not set(shown.proxy.stored) & set(there)
    assert shown.broken_promises == []
    outcomes = {each.name: each for each in result.files}
    assert {name for name, each in outcomes.items() if each.outcome != "uploaded"} == set(there)
    for number in numbers:
        if lost_acknowledgement in faults:
            assert "arrived although twine says" in outcomes[names[number]].detail
        elif faults != [status(500)] * 2 and len(faults) != 2:
            assert outcomes[names[number]].attempts == 2
    assert shown.plan().to_upload == ()


@pytest.mark.parametrize("kind", LASTING)
def test_a_lasting_fault_ends_a_run_and_the_next_one_finishes(shown: Window, kind: str) -> None:
    fault, numbers = LASTING[kind]
    names = shown.release.names
    there = seeded(shown, numbers)
    for number in numbers:
        shown.proxy.fail(names[number], *[fault] * 50)
        result = shown.publish(policy=RetryPolicy(attempts=2, first_delay_s=0.01))
        assert result.outcome == "failed"
        assert names[number] in result.problem
        assert [each.outcome for each in result.files][number] == "failed"
        assert set(shown.listed()) == {*there, *names[:number]}
        assert shown.broken_promises == []
        shown.proxy.forget_faults()
    shown.completes()


def test_listings_that_stay_old_for_a_while_hold_the_client_back(shown: Window) -> None:
    """The page of the runtime stays as it was before the upload for many looks."""
    seeded(shown, (FIRST, CLIENT, SDIST))
    shown.proxy.freeze(requests=12)
    result = shown.publish()
    assert result.problem == ""
    assert shown.proxy.stored == [shown.release.runtime[0], *shown.release.client]
    assert any("lists 6 of 7 files" in note for note in shown.notes)
    looks_before_the_client = [path for path, _, uploads in shown.proxy.looks if uploads <= 1]
    assert len(looks_before_the_client) > 12
    assert shown.broken_promises == []


def test_listings_that_stay_old_too_long_end_the_run_before_the_client(shown: Window) -> None:
    there = seeded(shown, (FIRST, CLIENT, SDIST))
    shown.proxy.freeze(requests=10_000)
    result = shown.publish(waiting=Waiting(wait_s=0.5, first_poll_s=0.1))
    assert "lists 6 of 7 files" in result.problem
    assert "run again" in result.problem
    assert shown.proxy.stored == shown.release.runtime[:1]
    # The next run still sees old pages: what it sends once more is there already with the same bytes.
    again = shown.publish(waiting=Waiting(wait_s=0.5, first_poll_s=0.1))
    assert again.outcome == "failed"
    assert set(shown.listed()) == {*there, shown.release.runtime[0]}
    shown.proxy.freeze(requests=0)
    shown.completes()


def test_an_index_that_fails_to_answer_looks_is_asked_again(shown: Window) -> None:
    seeded(shown, (CLIENT, SDIST))
    shown.proxy.fail_looks(503, 500, 429)
    assert shown.publish().problem == ""


def test_an_index_that_cannot_be_read_for_a_while_is_waited_for(shown: Window) -> None:
    """It breaks down right after the last runtime wheel."""
    seeded(shown, (LAST_RUNTIME, CLIENT, SDIST))

    def last_words(upload: Upload) -> int:
        answer = upload.passed_on()
        shown.proxy.fail_looks(*[503] * 10)  # more than one look is patient for
        upload.answered(answer.status_code)
        return answer.status_code

    shown.proxy.fail(shown.release.runtime[LAST_RUNTIME], last_words)
    result = shown.publish()
    assert result.problem == ""
    assert any("status 503, 4 times in a row; waiting up to" in note for note in shown.notes)


def test_an_index_that_wants_to_be_left_alone_does_not_make_the_wait_longer(shown: Window) -> None:
    busy = httpx.Response(429, headers={"Retry-After": "50"})

    def last_words(upload: Upload) -> int:
        shown.proxy.answer_looks(*[busy] * 10)
        return _passed_on(upload)

    seeded(shown, (LAST_RUNTIME, CLIENT, SDIST))
    shown.proxy.fail(shown.release.runtime[LAST_RUNTIME], last_words)
    result = shown.publish(waiting=Waiting(wait_s=5.0, first_poll_s=0.05))
    assert "rate limit reached until" in result.problem
    assert result.steps[-1].seconds < 5
    assert shown.proxy.stored == [shown.release.runtime[LAST_RUNTIME]]
    shown.proxy.forget_faults()
    shown.completes()


def test_an_index_that_cannot_be_read_gets_nothing(shown: Window) -> None:
    shown.proxy.fail_looks(*[503] * 50)
    code, _, err = shown.commanded("--yes", "--index-url", shown.index_url)
    assert code == 1
    assert "status 503" in err
    assert shown.proxy.diary == []


def test_an_index_that_cannot_be_read_after_a_failed_upload_ends_the_run(shown: Window) -> None:
    """The upload is lost, and so is the way to find out."""

    def both(upload: Upload) -> int:
        shown.proxy.fail_looks(*[503] * 1000)
        return reset_halfway(upload)

    seeded(shown, (FIRST, CLIENT, SDIST))
    shown.proxy.fail(shown.release.runtime[0], both, *[reset_halfway] * 10)
    result = shown.publish()
    assert result.outcome == "failed"
    assert "status 503" in result.problem
    shown.proxy.forget_faults()
    shown.completes()


def test_an_index_that_answers_oddly_for_a_while_is_asked_again(shown: Window) -> None:
    """After an upload whose acknowledgement was lost, and while its listing is waited for."""
    odd = httpx.Response(200, text="the cache is warming up", headers={"Content-Type": "text/plain"})

    def oddly(fault: Fault, looks: int) -> Fault:
        def both(upload: Upload) -> int:
            shown.proxy.answer_looks(*[odd] * looks)
            return fault(upload)

        return both

    seeded(shown, (FIRST, LAST_RUNTIME, CLIENT, SDIST))
    shown.proxy.fail(shown.release.runtime[FIRST], oddly(lost_acknowledgement, 1))
    shown.proxy.fail(shown.release.runtime[LAST_RUNTIME], oddly(_passed_on, 2))
    result = shown.publish()
    assert result.problem == ""
    assert any("which is no simple API; waiting up to" in note for note in shown.notes)
    assert [each.attempts for each in result.files][FIRST] == 2


def test_a_file_that_changes_after_its_check_is_not_sent(shown: Window, tmp_path: Path) -> None:
    dist = shown.release.copy(tmp_path / "dist")
    first, second = shown.release.runtime[:2]

    def meanwhile(upload: Upload) -> int:
        (dist / second).write_bytes(b"other bytes")
        return _passed_on(upload)

    shown.proxy.fail(first, meanwhile)
    result = shown.publish(dist)
    assert f"{second} has changed since it was checked, so it is not uploaded" in result.problem
    assert [each.outcome for each in result.files][:3] == ["uploaded", "failed", "planned"]
    assert shown.listed() == [first]


@pytest.mark.parametrize("number", [FIRST, LAST_RUNTIME, CLIENT])
def test_other_bytes_under_a_name_of_ours_stop_everything(shown: Window, tmp_path: Path, number: int) -> None:
    name = shown.release.names[number]
    shown.seed(_other_bytes(shown.release.dist / name, tmp_path))
    plan = shown.plan()
    assert any(name in problem and "other bytes" in problem for problem in plan.problems)
    code, out, err = shown.commanded("--yes")
    assert code == 1
    assert f"{name}: the index has other bytes under this name" in err
    assert "clash" in out
    assert shown.listed() == [name]


def test_other_bytes_that_come_in_between_are_seen(shown: Window, tmp_path: Path) -> None:
    """Somebody else uploads a file of that name while this release is on its way."""
    name = shown.release.runtime[3]
    other = _other_bytes(shown.release.dist / name, tmp_path)

    def overtaken(upload: Upload) -> int:
        shown.seed(other)
        upload.answered(409)
        return 0

    shown.proxy.fail(name, overtaken)
    result = shown.publish()
    assert "other bytes" in result.problem
    assert [each.outcome for each in result.files][3] == "clash"
    assert not set(shown.listed()) & set(shown.release.client)


def test_a_client_that_is_public_too_early_is_said_loudly_and_the_runtime_comes_first(shown: Window) -> None:
    """Somebody uploaded by hand: the promise is broken already, and every upload mends it."""
    for name in (*shown.release.runtime[:5], shown.release.client[0]):
        shown.seed(name)
    code, _, err = shown.commanded("--yes")
    assert code == 0, err
    (warning,) = [line for line in err.splitlines() if "WARNING" in line]
    assert f"{shown.release.client[0]} is public already" in warning
    assert "2 runtime wheels" in warning
    assert shown.proxy.stored == [*shown.release.runtime[5:], shown.release.client[1]]


def living_in(group: int) -> Iterator[psutil.Process]:
    """The processes of a group, without those that have ended and that nobody has asked about yet."""
    for each in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(each.pid) == group and each.status() != psutil.STATUS_ZOMBIE:
                yield each


@pytest.mark.parametrize(
    ("name", "word"), [("SIGINT", "interrupted"), ("SIGTERM", "ended by SIGTERM"), ("SIGHUP", "ended by SIGHUP")]
)
@pytest.mark.usefixtures("usual_signals")
def test_what_ends_a_run_ends_its_twine_and_says_what_is_there(
    shown: Window, name: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, or a CI job that is cancelled; it reaches the run alone, as `kill` does it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    names, number = shown.release.names, signal.Signals[name]
    for each in names[3:LAST_RUNTIME]:
        shown.seed(each)
    shown.proxy.fail(names[2], hang)
    process = shown.command("--yes")
    try:
        until(lambda: len(shown.proxy.stored) == 2 and shown.proxy.is_hanging.is_set())
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert err.splitlines()[-1] == f"codex-release: {word}"
    assert list(living_in(process.pid)) == []  # twine was in it
    assert list(tmp_path.iterdir()) == []
    said = next(line for line in err.splitlines() if line.startswith("interrupted: "))
    assert f"{names[0]}, {names[1]}, {names[3]}" in said
    assert f"and maybe {names[2]}; run again" in said
    assert set(shown.listed()) == {*names[:2], *names[3:LAST_RUNTIME]}
    shown.completes()


@pytest.mark.index
def test_a_truncated_file_that_an_index_kept_is_recognised(small_release: SmallRelease, tmp_path: Path) -> None:
    """pypiserver stores what it has when the uploader dies, and refuses the good file from then on."""
    with pypi_server_window(tmp_path, small_release) as (shown, root):
        name = small_release.runtime[1]
        there = small_release.runtime[2:]
        for each in there:
            shutil.copy(small_release.dist / each, root)
        shown.proxy.fail(name, killed_halfway)
        code, _, _ = shown.commanded("--yes")
        assert code != 0
        until((root / name).is_file)
        assert (root / name).stat().st_size < (small_release.dist / name).stat().st_size
        code, _, err = shown.commanded("--yes")
        assert code == 1
        assert f"{name}: the index has" in err
        assert "remove it from the index" in err
        assert {path.name for path in root.iterdir()} == {small_release.runtime[0], name, *there}
        (root / name).unlink()
        code, _, err = shown.commanded("--yes")
        assert code == 0, err
        assert {path.name for path in root.iterdir()} == set(small_release.names)


@pytest.mark.index
def test_a_truncated_file_in_the_same_run_is_recognised(small_release: SmallRelease, tmp_path: Path) -> None:
    with pypi_server_window(tmp_path, small_release) as (shown, root):
        name = small_release.runtime[0]
        shown.proxy.fail(name, reset_halfway)
        result = shown.publish()
        assert result.outcome == "failed"
        assert f"{name} is not what was uploaded" in result.problem
        assert [path.name for path in root.iterdir()] == [name]


def test_how_many_faults_are_survived() -> None:
    kills = sum(len(numbers) for _, numbers in KILLED.values())
    passing = sum(len(numbers) for _, numbers in PASSING.values())
    lasting = sum(len(numbers) for _, numbers in LASTING.values())
    assert (kills, passing, lasting) == (15, 20, 6)


def _passed_on(upload: Upload) -> int:
    """No fault."""
    answer = upload.passed_on()
    upload.answered(answer.status_code)
    return answer.status_code


def _other_bytes(wheel: Path, directory: Path) -> Path:
    """A wheel of the same name that holds one file more."""
    other = directory / wheel.name
    shutil.copyfile(wheel, other)
    with zipfile.ZipFile(other, "a") as archive:
        archive.writestr("other.txt", "other bytes")
    return other
