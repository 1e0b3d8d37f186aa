"""Downloads: resumed rather than repeated, and never found under their digest unverified."""

from __future__ import annotations

import hashlib
import random
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from loopback import Files, Loopback, Reply, cut_at, held_at, instead, status, trickling, well
from recording import IMPATIENT, RecordedClock, RecordedProgress, connected, told

from codex_release.base.digests import Digest, FileDigest
from codex_release.base.errors import DownloadError
from codex_release.base.http import HttpError, Web
from codex_release.base.patience import RetryPolicy
from codex_release.fetching.cache import Cache
from codex_release.fetching.download import StoredArchive, download
from codex_release.sources import Archive, LocalFile, WebFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loopback import Fault

pytestmark = pytest.mark.usefixtures("directly")

BODY = random.Random(1).randbytes((3 << 20) + 123)
OTHER = random.Random(2).randbytes(len(BODY))
SIZE = len(BODY)
SHA256 = hashlib.sha256(BODY).hexdigest()
SHA512 = hashlib.sha512(BODY).hexdigest()
EXPECTED = FileDigest(SIZE, SHA256)
SIXTY = int(SIZE * 0.6)


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


def leave_part(cache: Cache, data: bytes, archive: Archive) -> None:
    """What a killed download of the archive would have left."""
    digest = archive.digests[0].hex[:12] if archive.digests else "any"
    with cache.partial(f"{archive.source}-{archive.name}-{digest}") as path:
        path.write_bytes(data)


def assert_is_kept(stored: StoredArchive, cache: Cache) -> None:
    assert stored.digest == EXPECTED
    assert stored.path == cache.archive(SHA256)
    assert stored.path.read_bytes() == BODY
    assert partials(cache) == []


class TestOneDownload:
    def test_the_bytes_lie_under_their_digest_and_are_not_asked_for_again(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, progress: RecordedProgress
    ) -> None:
        stored = download(archive, cache, web)
        assert_is_kept(stored, cache)
        assert (stored.name, stored.source) == ("archive.tgz", "web")
        assert download(archive, cache, web) == stored
        assert server.ranges == [None]
        assert [(each.what, each.total, each.done) for each in progress.transfers] == [
            ("archive.tgz from web", SIZE, SIZE)
        ]
        assert progress.notes == []

    def test_a_connection_cut_at_sixty_percent_is_resumed_and_no_byte_sent_twice(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, progress: RecordedProgress
    ) -> None:
        server.fail("/archive", cut_at(0.6))
        assert_is_kept(download(archive, cache, web), cache)
        assert server.ranges == [None, f"bytes={SIXTY}-"]
        assert [exchange.sent for exchange in server.exchanges] == [SIXTY, SIZE - SIXTY]
        assert progress.transfers[0].done == SIZE
        assert len(progress.notes) == 1

    def test_a_connection_that_brings_something_may_break_more_often_than_one_that_does_not(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, clock: RecordedClock
    ) -> None:
        server.fail("/archive", cut_at(0.5), status(500), cut_at(0.75), status(500))
        with connected(RecordedProgress(), RetryPolicy(attempts=3), clock) as web:
            assert_is_kept(download(archive, cache, web), cache)
        assert clock.slept == [0.5, 1.0, 0.5, 1.0]
        assert server.sent == SIZE

    def test_errors_for_longer_than_patience_are_one_error_and_the_part_stays(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback
    ) -> None:
        server.fail("/archive", cut_at(0.6), *[status(503)] * 9)
        with pytest.raises(HttpError, match=r"/archive.tgz: status 503, 3 times in a row$"):
            download(archive, cache, web)
        assert len(server.exchanges) == 3
        assert [path.stat().st_size for path in partials(cache)] == [SIXTY]
        assert archives(cache) == []

    def test_the_next_run_completes_what_a_failed_one_left(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, progress: RecordedProgress
    ) -> None:
        leave_part(cache, BODY[:SIXTY], archive)
        assert_is_kept(download(archive, cache, web), cache)
        assert server.ranges == [f"bytes={SIXTY}-"]
        assert server.sent == SIZE - SIXTY
        assert progress.transfers[0].done == SIZE

    @pytest.mark.parametrize("size", [SIZE, None])
    def test_a_part_that_is_whole_needs_no_request(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, size: int | None
    ) -> None:
        leave_part(cache, BODY, archive)
        assert_is_kept(download(replace(archive, size=size), cache, web), cache)
        assert server.exchanges == []

    def test_a_missing_archive_is_an_error_at_once(self, server: Loopback, cache: Cache, web: Web) -> None:
        with pytest.raises(HttpError, match=r"/nothing\.tgz answered 404"):
            download(Archive("web", "nothing.tgz", WebFile(f"{server.url}/nothing.tgz")), cache, web)
        assert len(server.exchanges) == 1


class TestResuming:
    def test_a_part_of_other_bytes_is_discarded_and_begun_anew(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, progress: RecordedProgress
    ) -> None:
        leave_part(cache, OTHER[:SIXTY], archive)
        assert_is_kept(download(archive, cache, web), cache)
        assert server.ranges == [f"bytes={SIXTY}-", None]
        assert progress.notes == ["archive.tgz: the resumed download is damaged, starting anew"]

    def test_a_whole_part_of_other_bytes_is_begun_anew(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback
    ) -> None:
        leave_part(cache, OTHER, archive)
        assert_is_kept(download(archive, cache, web), cache)
        assert server.ranges == [None]

    @pytest.mark.parametrize(("size", "ranges"), [(SIZE, [None]), (None, [f"bytes={SIZE + 4}-", None])])
    def test_a_part_longer_than_the_archive_is_begun_anew(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, size: int | None, ranges: list[str | None]
    ) -> None:
        leave_part(cache, BODY + b"more", archive)
        assert_is_kept(download(replace(archive, size=size), cache, web), cache)
        assert server.ranges == ranges

    def test_a_server_without_ranges_sends_everything_again(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, files: Files, progress: RecordedProgress
    ) -> None:
        files.ranges = False
        leave_part(cache, BODY[:SIXTY], archive)
        assert_is_kept(download(archive, cache, web), cache)
        assert [exchange.status for exchange in server.exchanges] == [200]
        assert progress.transfers[0].done == SIZE

    def test_a_server_that_answers_another_range_is_asked_for_everything(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, progress: RecordedProgress
    ) -> None:
        leave_part(cache, BODY[:SIXTY], archive)
        early = Reply(206, BODY[SIXTY - 7 :], {"Content-Range": f"bytes {SIXTY - 7}-{SIZE - 1}/{SIZE}"})
        server.fail("/archive", instead(early))
        assert_is_kept(download(archive, cache, web), cache)
        assert server.ranges == [f"bytes={SIXTY}-", None]
        assert "the server does not serve the missing range, starting anew" in progress.notes[0]

    def test_a_file_that_has_another_length_by_now_is_asked_for_from_its_start(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback
    ) -> None:
        leave_part(cache, BODY[:SIXTY], archive)
        longer = Reply(206, BODY[SIXTY:], {"Content-Range": f"bytes {SIXTY}-{SIZE + 9}/{SIZE + 10}"}, announced=SIZE)
        server.fail("/archive", instead(longer))
        assert_is_kept(download(archive, cache, web), cache)
        assert server.ranges == [f"bytes={SIXTY}-", None]

    def test_all_bytes_but_no_end_are_recognised_as_whole(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback
    ) -> None:
        # No size is known; the server announces more than there is and breaks off: 416 then says that this was all.
        server.fail("/archive", instead(Reply(200, BODY, announced=SIZE + 10)))
        assert_is_kept(download(replace(archive, size=None), cache, web), cache)
        assert [exchange.status for exchange in server.exchanges] == [200, 416]

    def test_a_416_that_makes_no_sense_begins_anew(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback
    ) -> None:
        leave_part(cache, BODY[:SIXTY], archive)
        server.fail("/archive", status(416))
        assert_is_kept(download(archive, cache, web), cache)
        assert server.ranges == [f"bytes={SIXTY}-", None]

    def test_a_server_that_always_breaks_off_at_the_same_place_is_given_up(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, files: Files
    ) -> None:
        files.ranges = False
        server.fail("/archive", *[cut_at(0.6)] * 50)
        with pytest.raises(HttpError, match="3 times in a row"):
            download(archive, cache, web)
        assert len(server.exchanges) <= 4

    def test_a_file_shorter_than_its_source_says_is_given_up(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, files: Files
    ) -> None:
        files.files["/archive.tgz"] = BODY[:SIXTY]
        with pytest.raises(DownloadError):
            download(archive, cache, web)
        assert len(server.exchanges) <= 7
        assert archives(cache) == []

    def test_without_a_digest_a_part_of_an_earlier_run_is_not_trusted(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback
    ) -> None:
        unvouched = replace(archive, digests=())
        leave_part(cache, OTHER[:SIXTY], unvouched)  # the same name, perhaps of another release
        assert_is_kept(download(unvouched, cache, web), cache)
        assert server.ranges == [None]

    def test_without_a_digest_a_broken_connection_is_still_resumed(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback
    ) -> None:
        server.fail("/archive", cut_at(0.6))
        assert_is_kept(download(replace(archive, digests=(), size=None), cache, web), cache)
        assert server.ranges == [None, f"bytes={SIXTY}-"]


class TestVerifying:
    @pytest.mark.parametrize("digest", [Digest("sha256", "ab" * 32), Digest("sha512", "cd" * 64)], ids=str)
    def test_a_wrong_digest_is_refused_and_nothing_stays(
        self, archive: Archive, cache: Cache, web: Web, digest: Digest, server: Loopback
    ) -> None:
        with pytest.raises(DownloadError, match=f"web says {digest.hex}") as caught:
            download(replace(archive, digests=(digest,)), cache, web)
        assert "--source" in str(caught.value)
        assert archives(cache) == []
        assert partials(cache) == []
        assert len(server.exchanges) == 1  # a second time would bring the same

    def test_bytes_other_than_the_locks_are_refused(self, archive: Archive, cache: Cache, web: Web) -> None:
        with pytest.raises(DownloadError, match=f"has sha256 {SHA256}, the lock says {'ab' * 32}"):
            download(replace(archive, digests=()), cache, web, expected=FileDigest(SIZE, "ab" * 32))
        assert archives(cache) == []
        assert partials(cache) == []

    @pytest.mark.parametrize("expected", [FileDigest(SIZE, "ab" * 32), FileDigest(SIZE + 1, SHA256)], ids=str)
    def test_a_source_that_contradicts_the_lock_is_not_even_asked(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, expected: FileDigest
    ) -> None:
        with pytest.raises(DownloadError, match=r"archive\.tgz has \w+ \w+ says web, the lock says"):
            download(archive, cache, web, expected=expected)
        assert server.exchanges == []

    def test_the_cache_is_no_way_around_the_lock(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, files: Files
    ) -> None:
        by_sha512 = replace(archive, digests=(Digest("sha512", SHA512),))
        download(by_sha512, cache, web)
        files.files["/archive.tgz"] = OTHER
        with pytest.raises(DownloadError, match=f"web says {SHA512}"):
            download(by_sha512, cache, web, expected=FileDigest(SIZE, hashlib.sha256(OTHER).hexdigest()))

    def test_more_than_there_should_be_is_cut_short(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback
    ) -> None:
        server.fail("/archive", instead(Reply(200, BODY * 4, announced=-1)))
        with pytest.raises(DownloadError, match=f"serves more than the {SIZE} bytes"):
            download(archive, cache, web)
        assert server.sent < 4 * SIZE
        assert partials(cache) == []

    def test_a_source_that_says_no_size_may_not_serve_without_end(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("codex_release.fetching.download.MOST_FILE", SIZE - 1)
        server.fail("/archive", instead(Reply(200, BODY * 4, announced=-1)))
        with pytest.raises(DownloadError, match=f"web serves more than {SIZE - 1} bytes of archive.tgz"):
            download(replace(archive, size=None), cache, web)
        assert server.sent < 4 * SIZE
        assert partials(cache) == []

    def test_the_locks_size_shows_a_file_that_ended_too_early(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback
    ) -> None:
        server.fail("/archive", instead(Reply(200, BODY[:SIXTY], announced=-1)))
        assert_is_kept(download(replace(archive, size=None), cache, web, expected=EXPECTED), cache)
        assert server.ranges == [None, f"bytes={SIXTY}-"]

    def test_an_archive_by_its_sha512_is_found_again_by_either_digest(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback
    ) -> None:
        by_sha512 = replace(archive, source="npm", size=None, digests=(Digest("sha512", SHA512),))
        assert_is_kept(download(by_sha512, cache, web), cache)
        for known in (by_sha512, archive):
            assert download(known, cache, web).path == cache.archive(SHA256)
        assert download(replace(archive, digests=()), cache, web, expected=EXPECTED).path == cache.archive(SHA256)
        assert len(server.exchanges) == 1

    @pytest.mark.parametrize("damaged", [b"", BODY[:SIXTY], OTHER], ids=["empty", "truncated", "other"])
    def test_a_cache_entry_that_was_damaged_since_is_fetched_anew(
        self, archive: Archive, cache: Cache, web: Web, progress: RecordedProgress, damaged: bytes
    ) -> None:
        download(archive, cache, web).path.write_bytes(damaged)
        assert_is_kept(download(archive, cache, web), cache)
        assert any("damaged cache entry" in note for note in progress.notes)

    def test_an_alias_that_lies_is_not_believed(
        self, archive: Archive, cache: Cache, web: Web, server: Loopback, files: Files
    ) -> None:
        other = hashlib.sha256(OTHER).hexdigest()
        cache.archive(other).parent.mkdir(parents=True)
        cache.archive(other).write_bytes(OTHER)
        cache.set_alias(f"sha512:{SHA512}", other)
        assert_is_kept(download(replace(archive, digests=(Digest("sha512", SHA512),)), cache, web), cache)


class TestSlowness:
    def test_a_trickle_is_ended_by_the_stall_rule_and_resumed(
        self, archive: Archive, cache: Cache, server: Loopback, progress: RecordedProgress
    ) -> None:
        server.fail("/archive", trickling(100, 0.02))
        policy = RetryPolicy(attempts=2, stall_window_s=0.2, stall_rate=100_000)
        with connected(progress, policy) as web:
            assert_is_kept(download(archive, cache, web), cache)
        assert server.ranges[0] is None
        assert server.ranges[1] is not None
        assert re.search(r"only \d+ bytes in \d s; trying again", progress.notes[0])

    def test_trickles_only_are_one_error(self, archive: Archive, cache: Cache, server: Loopback) -> None:
        server.fail("/archive", *[trickling(100, 0.02)] * 9)
        policy = RetryPolicy(attempts=2, stall_window_s=0.1, stall_rate=100_000)
        with connected(RecordedProgress(), policy) as web, pytest.raises(HttpError, match="2 times in a row"):
            download(archive, cache, web)
        assert len(server.exchanges) == 2

    def test_a_server_that_falls_silent_is_left_and_asked_for_the_rest(
        self, archive: Archive, cache: Cache, server: Loopback
    ) -> None:
        server.fail("/archive", held_at(0.6, threading.Event()))
        with connected(RecordedProgress(), replace(IMPATIENT, read_timeout_s=0.2)) as web:
            assert_is_kept(download(archive, cache, web), cache)
        assert server.ranges == [None, f"bytes={SIXTY}-"]

    def test_a_slow_transfer_that_keeps_the_rate_is_left_alone(
        self, archive: Archive, cache: Cache, server: Loopback
    ) -> None:
        server.fail("/archive", trickling(1 << 18, 0.03))
        with connected(RecordedProgress(), RetryPolicy(stall_window_s=0.05, stall_rate=100_000)) as web:
            download(archive, cache, web)
        assert len(server.exchanges) == 1


class TestLocalFiles:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "archive.tgz"
        path.write_bytes(BODY)
        return path

    def test_a_local_file_stays_where_it_is(self, path: Path, cache: Cache, web: Web) -> None:
        stored = download(Archive("directory", path.name, LocalFile(path), SIZE), cache, web, expected=EXPECTED)
        assert (stored.path, stored.digest) == (path, EXPECTED)
        assert not cache.root.exists()

    def test_a_local_file_of_other_bytes_is_refused_and_not_deleted(self, path: Path, cache: Cache, web: Web) -> None:
        with pytest.raises(DownloadError, match="the lock says"):
            download(Archive("directory", path.name, LocalFile(path)), cache, web, expected=FileDigest(SIZE, "ab" * 32))
        assert path.read_bytes() == BODY

    def test_a_local_file_that_is_gone(self, path: Path, cache: Cache, web: Web) -> None:
        path.unlink()
        with pytest.raises(DownloadError, match=r"archive\.tgz cannot be read"):
            download(Archive("directory", path.name, LocalFile(path)), cache, web)


@pytest.mark.parametrize("fault", [status(500), cut_at(0.3), well])
def test_tokens_and_signatures_show_nowhere(
    archive: Archive, cache: Cache, server: Loopback, progress: RecordedProgress, fault: Fault
) -> None:
    secret = "ghp_SecretSecret"
    origin = WebFile(f"{server.url}/archive.tgz?sig={secret}", {"Authorization": f"Bearer {secret}"})
    wrong = replace(archive, origin=origin, digests=(Digest("sha512", "ab" * 64),))
    server.fail("/archive", *[fault] * 9)
    with connected(progress) as web, pytest.raises(DownloadError) as caught:
        download(wrong, cache, web)
    assert server.requests[0].headers["authorization"] == f"Bearer {secret}"
    assert secret not in told(caught.value, progress)
