"""A release rehearsed on this machine: the real one for this platform, and in miniature all that may go wrong."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import archives
import psutil
import pytest
from archives import VERSION
from fake_programs import fake_program
from fake_release import FakeRelease
from programs import PINNED, ROOT, codex_release
from until import until

from codex_release.facts.targets import Catalog
from codex_release.rehearse import rehearsal
from codex_release.rehearse.local_index import local_index

pytestmark = pytest.mark.index

STEPS = [
    "check the lock",
    "build",
    "check",
    "start an index",
    "bring the client's dependencies",
    "publish",
    "verify the index",
    "install",
    "codex --version",
    "initialize",
    "turn",
]
ELSEWHERE = [each for each in STEPS if each != "bring the client's dependencies"]
"""The steps where this machine is none of the platforms."""


@pytest.fixture
def release(release: FakeRelease) -> FakeRelease:
    """A release in miniature; pip is asked about it for one Python only."""
    return release.asked_for_one_python()


@pytest.fixture
def others(catalog: Catalog) -> list[str]:
    """Words that name all targets but this machine's."""
    host = catalog.host().triple
    return [word for triple in catalog.triples if triple != host for word in ("--target", triple)]


def rehearsed(release: FakeRelease, *words: str | Path, code: int = 0) -> tuple[Any, str]:
    """What ``rehearse`` answers for machines, and what it says on standard error."""
    ran = release.ran("rehearse", "--json", "--out", release.root / "dist", *words, code=code)
    return json.loads(ran.out), ran.err


def outcomes(result: Any) -> dict[str, str]:
    return {each["name"]: each["outcome"] for each in result["steps"]}


def leftovers(release: FakeRelease) -> list[Path]:
    return list((release.root / "dist").glob(".codex-release-????????"))


def test_this_machines_release_passes_from_the_lock_to_a_turn(dist: Path, catalog: Catalog) -> None:
    """The real thing: pinned runtime, devpi, twine, pip, an installation from that index alone, a turn."""
    ran = codex_release("rehearse", "--json", "--out", dist)
    result = json.loads(ran.stdout)
    run = f"run {catalog.host().triple}"
    assert list(outcomes(result).items()) == [(name, "passed") for name in [*STEPS[:3], run, *STEPS[3:]]]
    said = {each["name"]: each["detail"] for each in result["steps"]}
    assert said[run] == "--version and initialize, run by this machine"
    assert said["codex --version"] == f"codex-cli {PINNED}"
    assert said["initialize"].startswith(f"codex_app_server_sdk {PINNED}")
    assert said["turn"].startswith("Hello from Codex itself, with a scripted model. (8 deltas")
    assert [each["outcome"] for each in result["publish"]["files"]] == ["uploaded"] * 3
    assert [each["name"].partition("-")[0] for each in result["publish"]["files"]] == [
        "codex_cli_bin",
        "codex_app_server_sdk",
        "codex_app_server_sdk",
    ]
    assert result["verification"]["ok"]
    assert result["files"].keys() < {path.name for path in dist.glob("codex_*")}
    assert not list(dist.glob(".codex-release-????????"))


def test_other_machines_platforms_are_rehearsed_whatever_this_machine_is_set_to(
    release: FakeRelease, others: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, catalog: Catalog
) -> None:
    """Proxies, twine's and pip's settings would lead elsewhere, where nobody answers; the steps do not follow.

    What emulators run is told apart from what is only read.
    """
    nowhere = "http://127.0.0.1:9/"
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "PIP_PROXY", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, nowhere)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".pypirc").write_text(f"[pypi]\nrepository = {nowhere}\npassword = secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TWINE_REPOSITORY_URL", nowhere)
    monkeypatch.setenv("TWINE_USERNAME", "somebody")
    emulated = {triple: target.emulator for triple in others[1::2] if (target := catalog.target(triple)).emulator}
    for each in emulated.values():
        code = f"print('{each.programs[0]} 10.1' if sys.argv[1] == '--version' else 'codex-cli {VERSION}')"
        fake_program(tmp_path / "emulators", each.programs[0], code)
    monkeypatch.setenv("PATH", f"{tmp_path / 'emulators'}{os.pathsep}{os.environ['PATH']}")
    release.asked("--version")
    result, _ = rehearsed(release, *others, "--sdk-version", f"{archives.VERSION}.post1")
    runs = {each["name"].removeprefix("run "): each for each in result["steps"] if each["name"].startswith("run ")}
    assert sorted(runs) == sorted(others[1::2])
    for triple, step in runs.items():
        by = emulated.get(triple)
        told = f"--version, run by {by.programs[0]} 10.1" if by else "only read: no emulator runs it"
        assert (step["outcome"], step["detail"]) == ("passed" if by else "skipped", told)
    reported = json.loads((release.root / "dist" / "release.json").read_text(encoding="utf-8"))["rehearse"]["steps"]
    assert [each for each in reported if each["name"].startswith("run ")] == list(runs.values())
    rest = {name: outcome for name, outcome in outcomes(result).items() if not name.startswith("run ")}
    assert list(rest) == ELSEWHERE
    assert {name for name, outcome in rest.items() if outcome == "skipped"} == set(STEPS[-4:])
    assert result["outcome"] == "passed"
    assert result["targets"] == others[1::2]
    uploaded = [each["name"] for each in result["publish"]["files"]]
    assert [name.startswith("codex_cli_bin") for name in uploaded] == [True] * (len(uploaded) - 2) + [False, False]
    assert [f"-{archives.VERSION}.post1" in name for name in uploaded[-2:]] == [True, True]
    assert not leftovers(release)


def test_a_second_rehearsal_builds_nothing_and_its_set_for_one_platform_cannot_be_published(
    release: FakeRelease, others: list[str], tmp_path: Path
) -> None:
    first, _ = rehearsed(release, *others[:2])
    again = release.ran("rehearse", "--out", release.root / "dist", *others[:2]).out.splitlines()
    assert [line.partition("  ")[0] for line in again] == [*ELSEWHERE, "all of it"]
    assert all(line.split("  ")[1] in {"passed", "skipped"} and float(line.split("  ")[2]) >= 0 for line in again)
    assert again[1].endswith(f"{len(first['files'])} of them unchanged")
    with local_index(tmp_path / "index") as server:
        url = server.stage("public").upload_url
        ran = release.ran("publish", release.root / "dist", "--yes", "--repository-url", url, code=1)
    assert "nothing is uploaded to http" in ran.err


def test_the_step_that_fails_is_the_last_and_says_why(release: FakeRelease, others: list[str]) -> None:
    archive = next(release.archives.glob(f"*{others[1]}*"))
    archive.write_bytes(b"something else")
    result, said = rehearsed(release, *others, code=1)
    assert outcomes(result) == {"check the lock": "failed"}
    assert result["problem"] in said
    assert others[1] in result["problem"]
    assert said.splitlines()[-1].startswith("codex-release: ")


def test_without_devpi_the_remedy_is_told_and_what_was_built_stays(
    release: FakeRelease, others: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result, said = rehearsed(release, *others, code=1)
    assert outcomes(result) == {**dict.fromkeys(STEPS[:3], "passed"), "start an index": "failed"}
    assert "pip install codex-release[rehearse]" in said
    assert (release.root / "dist" / next(iter(result["files"]))).is_file()
    assert not leftovers(release)


def test_a_full_disk_is_the_end_of_a_step_like_any_other(
    release: FakeRelease, others: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(rehearsal, "local_index", refuse)
    result, said = rehearsed(release, *others, code=1)
    assert outcomes(result) == {**dict.fromkeys(STEPS[:3], "passed"), "start an index": "failed"}
    what = f"the rehearsal in {release.root / 'dist'} broke off at the step 'start an index': "
    assert f"codex-release: {what}{os.strerror(errno.ENOSPC)}; make room there" in said
    assert not leftovers(release)


@pytest.mark.parametrize("refused", [errno.ECONNREFUSED, errno.ENOENT])
def test_no_room_is_asked_for_where_a_step_writes_nothing(
    refused: int, release: FakeRelease, others: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Any:
        raise OSError(refused, os.strerror(refused))

    monkeypatch.setattr(rehearsal, "observed", refuse)
    result, said = rehearsed(release, *others, code=1)
    assert outcomes(result) == {"check the lock": "failed"}
    what = f"the rehearsal in {release.root / 'dist'} broke off at the step 'check the lock': "
    assert said.splitlines()[-1] == f"codex-release: {what}{os.strerror(refused)}"


@pytest.mark.skipif(sys.platform == "win32", reason="it needs POSIX")
def test_breaking_it_off_leaves_no_server_and_no_scratch(release: FakeRelease, others: list[str]) -> None:
    words = ["rehearse", "--repo", release.root, "--source", release.archives, "--out", release.root / "dist", *others]
    with subprocess.Popen(
        [sys.executable, "-m", "codex_release", *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("uploading"):
                break
        below = psutil.Process(process.pid).children(recursive=True)
        assert any("index_server" in " ".join(each.cmdline()) for each in below)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the program and all it started
        assert process.wait(timeout=60) == 130
        assert process.stderr.read().splitlines()[-1] == "codex-release: interrupted"
    until(lambda: not any(each.is_running() for each in below))
    assert not leftovers(release)
