"""Downloads by several processes and threads, some of them killed, and caches that cannot be used."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from loopback import Files, Loopback, held_at
from recording import RecordedProgress, connected
from until import until

from codex_release.base.digests import Digest, FileDigest
from codex_release.base.errors import CacheError
from codex_release.base.http import Web
from codex_release.fetching.cache import Cache
from codex_release.fetching.download import StoredArchive, download
from codex_release.sources import Archive, WebFile

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("directly")


BODY = random.Random(1).randbytes((3 << 20) + 123)
SIZE = len(BODY)
SHA256 = hashlib.sha256(BODY).hexdigest()
EXPECTED = FileDigest(SIZE, SHA256)
SIXTY = int(SIZE * 0.6)
DOWNLOADER = Path(__file__).with_name("downloader.py")
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="it needs POSIX")


@pytest.fixture
def files() -> Files:
    return Files({"/archive.tgz": BODY})


@pytest.fixture
def server(files: Files) -> Iterator[Loopback]:
    with Loopback(files) as running:
        yield running


@pytest.fixture
def archive(server: Loopback) -> Archive:
    return Archive("web", "archive.tgz", WebFile(f"{server.url}/archive.tgz"), SIZE, (Digest("sha256", SHA256),))


def partials(cache: Cache) -> list[Path]:
    return sorted((cache.root / "partial").glob("*"))


def archives(cache: Cache) -> list[str]:
    return sorted(path.name for path in (cache.root / "archives").glob("*"))


def assert_is_kept(stored: StoredArchive, cache: Cache) -> None:
    assert stored.digest == EXPECTED
    assert stored.path == cache.archive(SHA256)
    assert stored.path.read_bytes() == BODY
    assert partials(cache) == []


def run_downloader(cache: Cache, server: Loopback, **options: object) -> subprocess.Popen[str]:
    argv = [sys.executable, str(DOWNLOADER), str(cache.root), f"{server.url}/archive.tgz", str(SIZE), SHA256]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload, no-any-return]  # options of Popen


class TestManyAtOnce:
    def test_a_download_that_was_killed_is_completed_by_the_next_run(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback
    ) -> None:
        server.fail("/archive", held_at(0.6, threading.Event()))
        with run_downloader(cache, server) as process:
            # Python buffers a few kilobytes; what it has written by then is what a kill leaves.
            until(lambda: [path for path in partials(cache) if path.stat().st_size > SIXTY - (1 << 17)])
            process.kill()
        (part,) = partials(cache)
        left = part.stat().st_size
        assert 0 < left <= SIXTY
        assert archives(cache) == []
        assert_is_kept(download(replace(archive, size=None, digests=()), cache, web, expected=EXPECTED), cache)
        assert server.ranges == [None, f"bytes={left}-"]
        assert server.exchanges[1].sent == SIZE - left

    def test_two_processes_share_one_download(self, cache: Cache, server: Loopback) -> None:
        release = threading.Event()
        server.fail("/archive", held_at(0.6, release))
        with run_downloader(cache, server) as first:
            until(lambda: server.exchanges)
            with run_downloader(cache, server) as second:
                assert second.stdout is not None
                assert "another download of it is running, waiting for it" in second.stdout.readline()
                release.set()
                ends = [process.communicate(timeout=30) for process in (first, second)]
        assert [process.returncode for process in (first, second)] == [0, 0], ends
        assert all(stdout.strip() == str(cache.archive(SHA256)) for stdout, _ in ends)
        assert server.ranges == [None]
        assert server.sent == SIZE

    def test_many_threads_share_one_download(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, progress: RecordedProgress
    ) -> None:
        release = threading.Event()
        server.fail("/archive", held_at(0.6, release))
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(download, archive, cache, web) for _ in range(8)]
            until(lambda: len(progress.notes) == 7)
            release.set()
            stored = {future.result(timeout=30) for future in waiting}
        assert len(stored) == 1
        assert_is_kept(stored.pop(), cache)
        assert server.sent == SIZE

    def test_when_the_first_fails_the_one_that_waited_goes_on_from_there(
        self, archive: Archive, cache: Cache, server: Loopback, progress: RecordedProgress
    ) -> None:
        release = threading.Event()
        server.fail("/archive", held_at(0.6, release))
        with run_downloader(cache, server) as process:
            until(lambda: [path for path in partials(cache) if path.stat().st_size > SIXTY - (1 << 17)])
            with ThreadPoolExecutor(1) as pool, connected(progress) as web:
                waiting = pool.submit(download, replace(archive, digests=()), cache, web, expected=EXPECTED)
                until(lambda: progress.notes)
                process.kill()
                assert_is_kept(waiting.result(timeout=30), cache)
        assert server.ranges[1] is not None
        assert server.sent <= SIZE + (1 << 17)

    def test_clearing_the_cache_leaves_a_running_download_alone(self, cache: Cache, server: Loopback) -> None:
        release = threading.Event()
        server.fail("/archive", held_at(0.6, release))
        with run_downloader(cache, server) as process:
            until(lambda: [path for path in partials(cache) if path.stat().st_size > SIXTY - (1 << 17)])
            assert cache.clear() == []
            assert len(partials(cache)) == 1
            release.set()
            stdout, stderr = process.communicate(timeout=30)
        assert (process.returncode, stderr) == (0, "")
        assert stdout.strip() == str(cache.archive(SHA256))
        assert server.ranges == [None]


class TestCachesThatCannotBeUsed:
    def test_a_cache_that_is_no_directory(self, archive: Archive, web: Web, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(CacheError, match="cannot be made") as caught:
            download(archive, Cache(tmp_path / "file"), web)
        assert caught.value.remedy is not None
        assert "CODEX_RELEASE_CACHE" in caught.value.remedy

    @pytest.mark.parametrize("kind", ["partial", "archives", "locks"])
    def test_a_cache_with_something_in_the_way(self, archive: Archive, cache: Cache, web: Web, kind: str) -> None:
        cache.root.mkdir()
        (cache.root / kind).write_bytes(b"")
        with pytest.raises(CacheError) as caught:
            download(archive, cache, web)
        assert caught.value.remedy is not None

    def test_a_part_that_cannot_be_written(self, archive: Archive, cache: Cache, web: Web) -> None:
        (cache.root / "partial" / f"web-archive.tgz-{SHA256[:12]}").mkdir(parents=True)
        with pytest.raises(CacheError, match=r"^archive.tgz cannot be kept in the cache .*; make room there"):
            download(archive, cache, web)

    @posix_only
    def test_a_full_disk_is_one_line_and_what_was_written_stays(
        self, archive: Archive, cache: Cache, server: Loopback, web: Web
    ) -> None:
        import resource

        def limit() -> None:  # no file may grow beyond: writing fails with EFBIG, much as with ENOSPC
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        with run_downloader(cache, server, preexec_fn=limit) as process:
            stdout, stderr = process.communicate(timeout=30)
        assert (process.returncode, stdout) == (1, "")
        assert stderr.startswith("CacheError: archive.tgz cannot be kept in the cache ")
        assert stderr.count("\n") == 1
        assert "make room there" in stderr
        assert [path.stat().st_size for path in partials(cache)] == [1 << 20]
        assert_is_kept(download(archive, cache, web, expected=EXPECTED), cache)
        assert server.ranges[1:] == [f"bytes={1 << 20}-"]

    @posix_only
    @pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
    def test_a_cache_that_may_not_be_written(self, archive: Archive, cache: Cache, web: Web) -> None:
        cache.root.mkdir(mode=0o500)
        with pytest.raises(CacheError, match="Permission denied"):
            download(archive, cache, web)
