"""Bootstrap when things go wrong: killed, out of space, in the way of another, fed wrong bytes. In miniature.

Whatever happens, an environment holds the old version or the new one, whole; or what the next run completes, even one
that has neither a network nor a cache.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import archives
import pytest
from fake_release import FakeRelease
from installations import MODULE, Place
from programs import ROOT

from codex_release.base import switch
from codex_release.base.switch import exclusive, finish_broken_off, staged
from codex_release.facts.lock import Lock, LockedTarget
from codex_release.runtime.tree import tree_key

pytestmark = pytest.mark.slow

OLD, NEW = archives.OLDER, archives.VERSION
HOST = archives.CATALOG.host()
KILLED_AT = Path(__file__).with_name("killed_at.py")
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="it needs POSIX")


def words(release: FakeRelease, place: Place) -> list[str]:
    """A bootstrap of the new version, for a process of its own."""
    return [
        "bootstrap",
        *("--python", str(place.python)),
        *("--repo", str(release.root)),
        *("--source", str(release.archives)),
    ]


def run_killed(number: int, release: FakeRelease, place: Place) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(KILLED_AT), str(number), str(place.root), *words(release, place)]
    return subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, timeout=120)


def restore(place: Place, saved: Path) -> None:
    for directory in (place.site, place.scripts):
        shutil.rmtree(directory)
        shutil.copytree(saved / directory.name, directory, symlinks=True)


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize("before", [None, OLD])
def test_a_kill_at_any_stage_leaves_the_old_version_or_the_new(
    before: str | None,
    release: FakeRelease,
    place: Place,
    older: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if before:
        release.ran("bootstrap", "--python", place.python, "--lock-file", older, source=older.parent)
    saved = tmp_path / "saved"
    for directory in (place.site, place.scripts):
        shutil.copytree(directory, saved / directory.name, symlinks=True)
    whole = run_killed(0, release, place)
    assert (whole.returncode, place.version()) == (0, NEW), whole.stderr
    changes = json.loads(whole.stdout.splitlines()[-1])
    ends = set()
    strays = tmp_path / "temporary"
    strays.mkdir()
    monkeypatch.setenv("TMPDIR", str(strays))
    for number in _stages(changes):
        restore(place, saved)
        assert run_killed(number, release, place).returncode == -signal.SIGKILL
        # With nothing to install from: only what the killed one left.
        shutil.move(release.archives, tmp_path / "away")
        shutil.move(tmp_path / "cache", tmp_path / "cache-away")
        code = subprocess.run(
            [sys.executable, "-m", "codex_release", *words(release, place)[:-2]],
            env={**os.environ, "CODEX_RELEASE_SOURCES": str(tmp_path / "saved")},
            cwd=ROOT,
            capture_output=True,
            timeout=120,
        ).returncode
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        shutil.move(tmp_path / "away", release.archives)
        shutil.move(tmp_path / "cache-away", tmp_path / "cache")
        after = place.version()
        assert after == (NEW if code == 0 else before), number
        ends.add(after)
        release.ran("bootstrap", "--python", place.python)
        assert place.version() == NEW
    assert ends == {before, NEW}
    assert not list(strays.iterdir())  # what a killed one leaves lies where the next one finds it


def _stages(changes: list[str]) -> list[int]:
    """Every rename, and of whatever else is done many times over, the first, the last, and some in between."""
    numbers = {number for number, change in enumerate(changes, 1) if change == "os.rename"}
    assert len(numbers) >= 4  # the note, the package, the script, the metadata
    for kind in set(changes):
        alike = [number for number, change in enumerate(changes, 1) if change == kind]
        numbers |= {alike[0], alike[len(alike) // 2], alike[-1]}
    return sorted(numbers)


@posix_only
def test_a_kill_in_the_middle_of_copying_is_swept_up(release: FakeRelease, place: Place) -> None:
    stray = place.site / f".{MODULE}-0123456789abcdef" / "new" / MODULE
    stray.mkdir(parents=True)
    (stray / "half").write_bytes(b"half")
    other = place.scripts / f".{MODULE}-0123456789abcdef" / "old"
    other.mkdir(parents=True)
    for part in (stray.parent.parent, other.parent):
        (part / switch._STAMP).write_bytes(switch._STAMPED)
    release.ran("bootstrap", "--python", place.python)
    assert place.version() == NEW
    assert not stray.parent.parent.exists()
    assert not other.parent.exists()


@posix_only
@pytest.mark.parametrize("before", [None, OLD])
def test_a_full_disk_is_one_line_and_changes_nothing(
    before: str | None, release: FakeRelease, place: Place, older: Path
) -> None:
    import resource

    if before:
        release.ran("bootstrap", "--python", place.python, "--lock-file", older, source=older.parent)
    release.ran("fetch")  # so it is the environment that is full, not the cache
    largest = max(len(data) for path, data in archives.runtime(HOST).items() if "voice" not in path)

    def limit() -> None:  # no file may grow beyond: writing fails with EFBIG, much as with ENOSPC
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, largest - 1))

    ran = subprocess.run(
        [sys.executable, "-m", "codex_release", *words(release, place)],
        cwd=ROOT,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 1
    *_, line = ran.stderr.splitlines()
    assert line.startswith(f"codex-release: codex-cli-bin {NEW} cannot be installed into {place.site}: ")
    assert "make room for" in line
    assert place.version() == before


@pytest.fixture
def closed(place: Place) -> Place:
    """An environment that may not be written: for root by a read-only mount, for others by its modes."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        pytest.skip("root may write anywhere; see the mounted one")
    place.site.chmod(0o555)
    return place


@posix_only
def test_an_environment_that_may_not_be_written(release: FakeRelease, closed: Place) -> None:
    said = release.refused("bootstrap", "--python", closed.python)
    closed.site.chmod(0o755)
    assert "Permission denied" in said
    assert "let it be written, or name another environment with --python" in said
    assert closed.version() is None


@pytest.mark.skipif(
    not (sys.platform == "linux" and os.geteuid() == 0 and shutil.which("unshare")), reason="only root may mount"
)
@pytest.mark.parametrize(("options", "remedy"), [("ro", "let it be written"), ("size=4k", "make room for")])
def test_real_disks_that_take_nothing(
    options: str, remedy: str, release: FakeRelease, place: Place, older: Path
) -> None:
    """A disk of its own for the target, in a mount namespace of its own, which ends with the process."""
    target = place.root / "target"
    target.mkdir()
    release.ran("fetch")
    command = [sys.executable, "-m", "codex_release", *words(release, place), "--install-target", str(target)]
    script = 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && "$@"; code=$?; ls -A "$0"; exit $code'
    ran = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(target), options, str(target), *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    *_, line = ran.stderr.splitlines()
    assert ran.returncode == 1
    assert f"cannot be installed into {target}: " in line
    assert remedy in line
    assert set(ran.stdout.split()) <= {"bin"}


def test_wrong_bytes_in_the_cache_are_fetched_anew(release: FakeRelease, place: Place, tmp_path: Path) -> None:
    release.ran("fetch")
    tree = tree_key({path: each for path, each in _locked(release).files.items() if "voice" not in path})
    binary = tmp_path / "cache" / "trees" / tree / "bin" / "codex"
    for damage in (b"wrong", archives.runtime(HOST)["bin/codex"][:-1] + b"\0"):
        binary.write_bytes(damage)
        said = release.ran("bootstrap", "--python", place.python)
        assert "a damaged cache entry is dropped" in said.err
        assert place.version() == NEW
        assert binary.read_bytes() == archives.runtime(HOST)["bin/codex"]
        shutil.rmtree(place.site / MODULE)
    binary.unlink()
    release.ran("bootstrap", "--python", place.python)
    assert place.version() == NEW


def _locked(release: FakeRelease) -> LockedTarget:
    return Lock.read(release.lock_file).targets[HOST.triple]


def test_wrong_bytes_everywhere_are_refused(release: FakeRelease, place: Place, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    packed = archives.package_tar(HOST, OLD)
    (other / packed.name).write_bytes(packed.data)
    release.ran("cache", "clear")
    said = release.refused("bootstrap", "--python", place.python, source=other)
    assert "is of version '0.168.0', not '0.169.0'" in said
    assert place.version() is None


def test_bytes_that_are_not_the_locked_ones_are_refused(release: FakeRelease, place: Place) -> None:
    text = release.lock_file.read_text()
    locked = archives.runtime(HOST)["bin/codex"]
    assert f"size = {len(locked)}" in text
    release.ran("bootstrap", "--python", place.python)
    table, section = text.split(f"[targets.{HOST.triple}.files]\n", 1)
    changed = section.replace('"bin/codex" = {size = ', '"bin/codex" = {size = 1', 1)
    release.lock_file.write_text(f"{table}[targets.{HOST.triple}.files]\n{changed}")
    said = release.refused("bootstrap", "--python", place.python)
    assert "but the lock says" in said
    assert place.version() == NEW  # whatever it is worth now, it is still there


def test_many_at_once_install_once(release: FakeRelease, place: Place) -> None:
    def run(_: int) -> dict[str, object]:
        ran = subprocess.run(
            [sys.executable, "-m", "codex_release", *words(release, place), "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        answer: dict[str, object] = json.loads(ran.stdout)
        return answer

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(run, range(4)))
    assert sorted(bool(answer["installed"]) for answer in answers) == [False, False, False, True]
    assert place.version() == NEW


def test_two_versions_at_once_leave_one_of_them(release: FakeRelease, place: Place, older: Path) -> None:
    new = words(release, place)
    old = [*new[:-1], str(older.parent), "--lock-file", str(older)]
    processes = [
        subprocess.Popen([sys.executable, "-m", "codex_release", *argv], cwd=ROOT, stderr=subprocess.DEVNULL)
        for argv in (new, old, new, old)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    assert place.version() in {OLD, NEW}


@posix_only
def test_who_waits_for_a_killed_one_goes_on(release: FakeRelease, place: Place) -> None:
    code = (
        "import sys, time; from pathlib import Path; from codex_release.base.switch import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 'codex_cli_bin'): print('held', flush=True); time.sleep(60)"
    )
    argv = [sys.executable, "-c", code, str(place.site)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waiting = subprocess.Popen(
            [sys.executable, "-m", "codex_release", *words(release, place)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        with waiting:
            assert waiting.stderr is not None
            assert waiting.stderr.readline() == f"{place.site}: another process is installing there, waiting for it\n"
            assert waiting.poll() is None
            holder.kill()
            assert waiting.wait(timeout=60) == 0
    assert place.version() == NEW
    with exclusive(place.site, MODULE):
        pass
    assert place.version() == NEW


def test_a_lock_is_held_by_one_at_a_time_and_leaves_nothing(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work(_: int) -> None:
        for _ in range(10):
            with exclusive(tmp_path / "site", "package"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.001)
                inside[0] -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert most == [1]
    assert not list((tmp_path / "site").iterdir())


class TestSwitching:
    """A switch that fails in the middle, by a rename that the system refuses."""

    @pytest.mark.parametrize("failing", range(6))
    @pytest.mark.parametrize("failure", [PermissionError, KeyboardInterrupt])
    def test_a_rename_that_fails_is_undone_with_all_before_it(
        self, failure: type[BaseException], failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        places = (tmp_path / "one", tmp_path / "two")
        for name in ("one/package", "two/script", "one/package-1"):
            (tmp_path / name).mkdir(parents=True)
            (tmp_path / name / "old").touch()
        before = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
        rename, count = Path.replace, [0]

        def refuse(self: Path, target: Path) -> Path:
            if "note" not in self.name and not self.name.startswith("."):
                count[0] += 1
                if count[0] == failing + 1:
                    raise failure(13, "in use")
            return rename(self, target)

        monkeypatch.setattr(Path, "replace", refuse)

        def switch() -> None:
            with staged("package", places) as stage:
                for item in ((0, "package"), (1, "script"), (0, "package-2")):
                    stage.new(item).mkdir()
                    (stage.new(item) / "new").touch()
                stage.commit([(0, "package"), (1, "script"), (0, "package-2")], [(0, "package-1")])

        with pytest.raises(failure):
            switch()
        assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*")} == before
        finish_broken_off("package", places)
        assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*")} == before

    def test_what_came_after_a_finished_switch_is_not_taken_away(self, tmp_path: Path) -> None:
        (tmp_path / "package-1").mkdir()
        with staged("package", [tmp_path]) as stage:
            for name in ("package", "package-2"):
                stage.new((0, name)).mkdir()
            stage.commit([(0, "package"), (0, "package-2")], [(0, "package-1")])
            # As if it had died right here, its note still there, and somebody had installed the old one again.
            (tmp_path / stage.name / "note.json").write_text(
                json.dumps({"comes": [[0, "package"], [0, "package-2"]], "goes": [[0, "package-1"]]})
            )
            (tmp_path / "package-1").mkdir()
        finish_broken_off("package", [tmp_path])
        assert {path.name for path in tmp_path.iterdir()} == {"package", "package-1", "package-2"}


def test_a_copy_that_goes_wrong_twice_is_an_error(
    release: FakeRelease, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not give back what it was given; there is none to be had here."""

    def wrong(reading: IO[bytes], writing: IO[bytes]) -> int:
        chunk = reading.read().swapcase()
        writing.write(chunk)
        writing.flush()
        return len(chunk)

    monkeypatch.setattr("codex_release.runtime.tree._copy_piece", wrong)
    said = release.refused("bootstrap", "--python", place.python)
    assert "is not what was unpacked; check the disks" in said
    assert place.version() is None
