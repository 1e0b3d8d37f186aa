"""Archives that a program prints: kept and verified like any, and the program never outlives the wish for them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from fake_programs import calls_of, fake_program
from recording import RecordedProgress, RecordedTransfer, connected, told

from codex_release.base.digests import Digest, FileDigest
from codex_release.base.errors import CheckError, DownloadError, SourceError
from codex_release.base.patience import RetryPolicy
from codex_release.base.programs import answer, found, on_path, run
from codex_release.fetching.cache import Cache
from codex_release.fetching.download import StoredArchive, download
from codex_release.sources import Archive, Program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codex_release.base.http import Web
    from codex_release.base.progress import Advance

pytestmark = pytest.mark.usefixtures("directly")

BODY = random.Random(1).randbytes((3 << 20) + 123)
OTHER = random.Random(2).randbytes(len(BODY))
SIZE = len(BODY)
SHA256 = hashlib.sha256(BODY).hexdigest()
PART = f"github-archive.tgz-{SHA256[:12]}"


def printed_by(code: str) -> Archive:
    """The archive, as this Python code prints it."""
    origin = Program((sys.executable, "-c", code))
    return Archive("github", "archive.tgz", origin, SIZE, (Digest("sha256", SHA256),))


def leave_part(cache: Cache, data: bytes) -> None:
    """What a killed download of the archive would have left."""
    with cache.partial(PART) as path:
        path.write_bytes(data)


def partials(cache: Cache) -> list[Path]:
    return sorted((cache.root / "partial").glob("*"))


def assert_is_kept(stored: StoredArchive, cache: Cache) -> None:
    assert stored.digest == FileDigest(SIZE, SHA256)
    assert stored.path.read_bytes() == BODY
    assert partials(cache) == []


class TestPrograms:
    @pytest.fixture
    def printing(self, tmp_path: Path) -> Archive:
        (tmp_path / "body").write_bytes(BODY)
        code = f"import sys; sys.stdout.buffer.write(open({str(tmp_path / 'body')!r}, 'rb').read())"
        return printed_by(code)

    def test_what_a_program_prints_is_kept(
        self, printing: Archive, cache: Cache, web: Web, progress: RecordedProgress
    ) -> None:
        assert_is_kept(download(printing, cache, web), cache)
        assert progress.transfers[0].done == SIZE

    def test_a_program_cannot_resume(self, printing: Archive, cache: Cache, web: Web) -> None:
        leave_part(cache, BODY[:100_000])
        assert_is_kept(download(printing, cache, web), cache)

    def test_a_program_that_prints_other_bytes_runs_once(
        self, printing: Archive, cache: Cache, web: Web, tmp_path: Path, progress: RecordedProgress
    ) -> None:
        leave_part(cache, BODY[:100_000])
        (tmp_path / "body").write_bytes(OTHER)
        with pytest.raises(DownloadError, match="github says"):
            download(printing, cache, web)
        assert len(progress.transfers) == 1
        assert partials(cache) == []

    def test_a_program_that_fails_is_quoted_without_signed_addresses(self, cache: Cache, web: Web) -> None:
        complaint = 'Get \\"https://storage/asset?sig=SIGNED\\":\\n dial tcp: timeout'
        code = f'import sys; print("half"); sys.stderr.write("{complaint}"); sys.exit(4)'
        with pytest.raises(DownloadError) as caught:
            download(printed_by(code), cache, web)
        program = Path(sys.executable).stem
        assert str(caught.value) == (
            f'{program} failed with exit code 4: Get "https://storage/asset": dial tcp: timeout'
        )
        assert "SIGNED" not in told(caught.value)
        assert partials(cache) == []

    def test_a_program_that_does_not_exist(self, cache: Cache, web: Web, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match="gh cannot be started"):
            download(replace(printed_by(""), origin=Program((str(tmp_path / "gh"), "x"))), cache, web)

    def test_a_program_that_hangs_is_ended(self, cache: Cache) -> None:
        hanging = printed_by("import time; print('half', flush=True); time.sleep(60)")
        begin, threads = time.monotonic(), set(threading.enumerate())
        policy = RetryPolicy(connect_timeout_s=0.2, read_timeout_s=0.2)
        with connected(RecordedProgress(), policy) as web, pytest.raises(DownloadError, match="was ended: it printed"):
            download(hanging, cache, web)
        assert time.monotonic() - begin < 10
        assert not set(threading.enumerate()) - threads

    def test_a_program_is_ended_when_a_person_interrupts(self, cache: Cache) -> None:
        class Interrupted(RecordedTransfer):
            def advance(self, count: int) -> None:
                raise KeyboardInterrupt

        class Display(RecordedProgress):
            @contextlib.contextmanager
            def transfer(self, what: str, total: int | None, done: int = 0) -> Iterator[Advance]:
                yield Interrupted(what, total, done).advance

        begin = time.monotonic()
        lasting = printed_by("import time; print('half', flush=True); time.sleep(60)")
        with connected(Display()) as web, pytest.raises(KeyboardInterrupt):
            download(lasting, cache, web)
        assert time.monotonic() - begin < 5


class TestAnswers:
    def test_what_a_program_says_is_text_whatever_its_bytes(self) -> None:
        code = "import sys; sys.stdout.buffer.write('grün'.encode() + b'\\xff')"
        assert answer([sys.executable, "-c", code], timeout_s=20) == "grün\ufffd"

    def test_a_program_that_asks_gets_no_answer(self) -> None:
        with pytest.raises(SourceError, match="EOFError"):
            answer([sys.executable, "-c", "input('Password: ')"], timeout_s=20)

    def test_a_program_that_fails_without_a_word(self) -> None:
        with pytest.raises(SourceError, match="failed with exit code 3: it does not say why"):
            answer([sys.executable, "-c", "raise SystemExit(3)"], timeout_s=20)

    @pytest.mark.slow
    def test_what_a_program_said_before_it_was_ended_is_told(self) -> None:
        code = "import sys, time; sys.stderr.write('waiting for a lock'); sys.stderr.flush(); time.sleep(60)"
        ran = run([sys.executable, "-c", code], timeout_s=3, name="the backend")
        assert ran.code is None
        assert ran.failure == "the backend gave no answer for 3 s: waiting for a lock"

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform == "win32", reason="it needs a program with a #! line")
    def test_a_program_is_ended_with_what_it_has_started_where_a_shell_stands_before_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As npm.cmd is on Windows: the child keeps the pipes open, and outlives the shell unless it is ended too."""
        child = tmp_path / "child"
        code = (
            "import subprocess, sys; print('half', flush=True)\n"
            "started = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            f"open({str(child)!r}, 'w').write(str(started.pid)); started.wait()"
        )
        ending = f"import os, signal; os.kill(int(open({str(child)!r}).read()), signal.SIGKILL)"
        taskkill = fake_program(tmp_path / "bin", "taskkill", ending)
        monkeypatch.setattr("codex_release.base.programs._tree_killer", lambda: str(taskkill))
        begin = time.monotonic()
        ran = run([sys.executable, "-c", code], timeout_s=2)
        assert (ran.code, ran.text) == (None, "half\n")
        assert time.monotonic() - begin < 20
        (words,) = calls_of(taskkill)
        assert words[:3] == ["/T", "/F", "/PID"]

    @pytest.mark.slow
    def test_a_child_that_keeps_the_pipes_open_does_not_keep_us(self) -> None:
        code = (
            "import subprocess, sys, time; print('half', flush=True)\n"
            "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)']); time.sleep(60)"
        )
        begin = time.monotonic()
        ran = run([sys.executable, "-c", code], timeout_s=2)
        assert (ran.code, ran.text) == (None, "half\n")
        assert time.monotonic() - begin < 15

    def test_of_a_long_complaint_the_end_is_told_and_of_none_what_was_printed(self) -> None:
        code = "import sys; sys.stderr.write('x ' * 5000 + 'no space left'); sys.exit(1)"
        said = run([sys.executable, "-c", code], timeout_s=20).failure
        assert len(said) < 500
        assert said.endswith("x no space left")
        assert run([sys.executable, "-c", "print('broken'); exit(2)"], timeout_s=20).failure.endswith("2: broken")

    def test_a_failure_is_of_the_kind_that_was_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(CheckError, match="twine failed with exit code 1: it does not say why; look"):
            answer([sys.executable, "-c", "exit(1)"], timeout_s=20, error=CheckError, name="twine", remedy="look")
        with pytest.raises(CheckError, match="twine cannot be started"):
            answer([tmp_path / "twine"], timeout_s=20, error=CheckError)
        with pytest.raises(SourceError, match="cannot be started: embedded null byte"):
            answer([sys.executable, "-c", "\0"], timeout_s=20)


class TestFinding:
    def test_a_program_is_found_by_its_name_by_its_path_and_by_a_path_object(self) -> None:
        assert found(sys.executable) == found(Path(sys.executable)) == sys.executable
        assert found(Path("no-such-program")) is None
        assert found(Path(sys.executable).name, str(Path(sys.executable).parent)) == sys.executable
        assert found(Path(sys.executable).name, os.devnull) is None

    def test_windows_starts_the_shim_and_not_the_shell_script_beside_it(self, tmp_path: Path) -> None:
        (tmp_path / "bin").mkdir()
        for name in ("npm", "npm.cmd", "npm.ps1", "gh.exe", "gh.cmd"):
            (tmp_path / "bin" / name).touch()
        directories = ["", str(tmp_path / "missing"), str(tmp_path / "bin")]
        assert on_path("npm", directories) == str(tmp_path / "bin" / "npm.cmd")
        assert on_path("gh", directories) == str(tmp_path / "bin" / "gh.exe")
        assert on_path("gh.cmd", directories) == str(tmp_path / "bin" / "gh.cmd")
        assert on_path("curl", directories) is None

    def test_windows_does_not_look_into_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "gh.exe").touch()
        monkeypatch.chdir(tmp_path)
        assert on_path("gh", ["", str(tmp_path / "bin")]) is None


def test_a_program_that_ctrl_c_ends_has_ended_before_we_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(subprocess.Popen[bytes]):
        def communicate(self, *_: object, **__: object) -> NoReturn:
            vars(self)["_sigint_wait_secs"] = 0  # as after a real one, so that leaving its block does not wait
            started.append(self)
            raise KeyboardInterrupt

    started: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=60, error=CheckError)
    assert started[0].returncode is not None
