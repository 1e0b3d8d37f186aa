"""The cache: entries appear and vanish whole, nothing that is in work is deleted, and many may use it at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codex_release.base.digests import Digest
from codex_release.base.errors import CacheError
from codex_release.base.locking import held
from codex_release.fetching.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = b"an archive\n" * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()
KEY = "ab" * 32
DAY_S = 86_400

# A process that does one thing with a cache, says so, and stays until its standard input ends.
WORKER = """
import sys
from pathlib import Path
from codex_release.fetching.cache import Cache

cache, what = Cache(Path(sys.argv[1])), sys.argv[2]
if what == "scratch":
    with cache.scratch_tree() as scratch:
        (scratch / "file").write_bytes(b"half")
        print(scratch, flush=True)
        sys.stdin.read()
        print(cache.adopt_tree(scratch, sys.argv[3]), flush=True)
elif what == "partial":
    with cache.partial(sys.argv[3]) as path:
        path.write_bytes(b"half")
        print(path, flush=True)
        sys.stdin.read()
else:
    with cache.exclusive(sys.argv[3], on_wait=lambda: print("waiting", flush=True)):
        print("held", flush=True)
        sys.stdin.read()
"""


class Worker:
    """The process above."""

    def __init__(self, cache: Cache, *words: str) -> None:
        argv = [sys.executable, "-c", WORKER, str(cache.root), *words]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def finish(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()


@contextlib.contextmanager
def working(cache: Cache, *words: str) -> Iterator[Worker]:
    worker = Worker(cache, *words)
    with worker.process:
        try:
            yield worker
        finally:
            worker.process.kill()


def put_archive(cache: Cache, data: bytes = DATA) -> Path:
    with cache.partial("part") as part:
        part.write_bytes(data)
        return cache.adopt_archive(part, hashlib.sha256(data).hexdigest())


def put_tree(cache: Cache, key: str = KEY, data: bytes = b"program") -> Path:
    with cache.scratch_tree() as scratch:
        (scratch / "bin").mkdir()
        (scratch / "bin" / "codex").write_bytes(data)
        return cache.adopt_tree(scratch, key)


def put_part(cache: Cache, name: str = "web-archive", data: bytes = b"half") -> Path:
    with cache.partial(name) as part:
        part.write_bytes(data)
    return part


def age(path: Path, days: float) -> None:
    moment = time.time() - days * DAY_S
    os.utime(path, (moment, moment))


def contents(cache: Cache) -> set[str]:
    """Everything in the cache; of a lock that nobody holds, nothing is left."""
    return {path.relative_to(cache.root).as_posix() for path in cache.root.rglob("*") if path.is_file()}


class TestAddresses:
    def test_an_archive_lies_under_its_sha256(self, cache: Cache) -> None:
        assert cache.find_archive(SHA256) is None
        path = put_archive(cache)
        assert path == cache.root / "archives" / SHA256
        assert cache.find_archive(SHA256) == path
        assert path.read_bytes() == DATA
        assert contents(cache) == {f"archives/{SHA256}"}

    def test_an_archive_is_found_by_any_published_digest(self, cache: Cache) -> None:
        sha512 = Digest("sha512", hashlib.sha512(DATA).hexdigest())
        path = put_archive(cache)
        assert cache.find_published(Digest("sha256", SHA256)) == path
        assert cache.find_published(sha512) is None
        cache.set_alias(str(sha512), SHA256)
        assert cache.find_published(sha512) == path

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"../../../../etc/passwd", b"ab\n"])
    def test_a_damaged_alias_is_none(self, cache: Cache, content: bytes) -> None:
        put_archive(cache)
        digest = Digest("sha512", "cd" * 64)
        cache.set_alias(str(digest), SHA256)
        (alias,) = (cache.root / "aliases").iterdir()
        alias.write_bytes(content)
        assert cache.alias(str(digest)) is None
        assert cache.find_published(digest) is None

    def test_an_archive_that_is_here_already_may_come_again(self, cache: Cache) -> None:
        assert put_archive(cache) == put_archive(cache)
        assert contents(cache) == {f"archives/{SHA256}"}

    def test_a_tree_gets_its_address_when_it_is_whole(self, cache: Cache) -> None:
        with cache.scratch_tree() as scratch:
            (scratch / "file").write_bytes(b"x")
            assert cache.find_tree(KEY) is None
            assert cache.entries() == []
            path = cache.adopt_tree(scratch, KEY)
        assert cache.find_tree(KEY) == path == cache.root / "trees" / KEY
        assert (path / "file").read_bytes() == b"x"
        assert [each.name for each in (cache.root / "trees").iterdir()] == [KEY]

    def test_of_two_trees_for_one_address_the_first_stays(self, cache: Cache) -> None:
        put_tree(cache, data=b"first")
        assert (put_tree(cache, data=b"second") / "bin" / "codex").read_bytes() == b"first"
        assert [each.name for each in (cache.root / "trees").iterdir()] == [KEY]

    def test_a_tree_that_fails_leaves_nothing_not_even_a_lock(self, cache: Cache) -> None:
        with pytest.raises(FileNotFoundError), cache.scratch_tree() as scratch:
            shutil.copytree(cache.root / "nothing", scratch / "file")
        assert [path for path in cache.root.rglob("*") if path.is_file()] == []
        assert list((cache.root / "trees").iterdir()) == []

    @pytest.mark.parametrize("name", ["npm-@openai/codex:1", "a b\\c", "ü", "x" * 100])
    def test_any_name_is_a_file_name(self, cache: Cache, name: str) -> None:
        assert put_part(cache, name).parent == cache.root / "partial"
        cache.set_alias(name, SHA256)
        assert cache.alias(name) == SHA256
        with cache.exclusive(name):
            pass

    def test_looking_makes_no_directory(self, cache: Cache) -> None:
        assert (cache.find_archive(SHA256), cache.find_tree(KEY), cache.alias("x")) == (None, None, None)
        assert cache.entries() == []
        assert not cache.root.exists()


class TestUse:
    def test_finding_counts_as_use(self, cache: Cache) -> None:
        for path in (put_archive(cache), put_tree(cache)):
            age(path, 100)
        before = time.time() - 5
        assert cache.find_archive(SHA256) is not None
        assert cache.find_tree(KEY) is not None
        assert all(entry.used > before for entry in cache.entries())

    @pytest.mark.parametrize("kind", ["archives", "trees"])
    def test_an_entry_that_vanishes_while_it_is_found_is_not_found_and_not_made(
        self, cache: Cache, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        put_archive(cache)
        put_tree(cache)
        utime = os.utime

        def vanish(path: Path, *arguments: object) -> None:  # as if another process had just deleted it
            shutil.rmtree(cache.root / kind)
            (cache.root / kind).mkdir()
            utime(path)

        monkeypatch.setattr(os, "utime", vanish)
        assert (cache.find_archive(SHA256) if kind == "archives" else cache.find_tree(KEY)) is None
        assert list((cache.root / kind).iterdir()) == []

    def test_an_entry_that_may_not_be_touched_still_serves(self, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
        path = put_archive(cache)

        def refuse(path: Path) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "utime", refuse)
        assert cache.find_archive(SHA256) == path


class TestListing:
    def test_entries_tell_kind_size_and_age_the_oldest_first(self, cache: Cache) -> None:
        archive, tree, part = put_archive(cache), put_tree(cache), put_part(cache)
        cache.set_alias("sha512:x", SHA256)
        for path, days in ((archive, 2), (tree, 3), (part, 1)):
            age(path, days)
        entries = cache.entries()
        assert [(entry.kind, entry.path, entry.size) for entry in entries] == [
            ("trees", tree, 7),
            ("archives", archive, len(DATA)),
            ("partial", part, 4),
        ]
        assert [round((time.time() - entry.used) / DAY_S) for entry in entries] == [3, 2, 1]

    def test_what_is_being_made_is_not_listed(self, cache: Cache) -> None:
        with cache.scratch_tree() as scratch:
            (scratch / "file").write_bytes(b"x")
            assert cache.entries() == []

    def test_something_in_the_way_of_the_listing(self, cache: Cache) -> None:
        cache.root.mkdir()
        (cache.root / "trees").write_bytes(b"")
        assert cache.entries() == []


class TestPruningAndClearing:
    def test_prune_takes_what_was_not_used_for_so_long(self, cache: Cache) -> None:
        archive, tree, part = put_archive(cache), put_tree(cache), put_part(cache)
        other = put_archive(cache, b"other")
        for path in (archive, tree, part):
            age(path, 31)
        age(other, 29)
        gone = cache.prune(unused_for_s=30 * DAY_S)
        assert {entry.path for entry in gone} == {archive, tree, part}
        assert [entry.path for entry in cache.entries()] == [other]

    def test_clear_takes_everything_even_what_is_dated_in_the_future(self, cache: Cache) -> None:
        paths = {put_archive(cache), put_tree(cache), put_part(cache)}
        cache.set_alias("sha512:x", SHA256)
        age(cache.archive(SHA256), -400)
        assert {entry.path for entry in cache.clear()} == paths
        assert contents(cache) == set()
        assert cache.clear() == []

    def test_aliases_go_with_their_archives(self, cache: Cache) -> None:
        put_archive(cache)
        other = put_archive(cache, b"other")
        cache.set_alias("sha512:1", SHA256)
        cache.set_alias("sha512:2", other.name)
        age(other, 31)
        cache.prune(unused_for_s=30 * DAY_S)
        assert contents(cache) == {f"archives/{SHA256}", "aliases/sha512-1"}

    def test_clearing_a_cache_that_does_not_exist(self, cache: Cache) -> None:
        assert cache.clear() == []
        assert cache.prune(unused_for_s=0) == []

    def test_an_entry_used_since_it_was_listed_stays(self, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
        age(put_archive(cache), 31)
        listed = cache.entries()
        monkeypatch.setattr(Cache, "entries", lambda self: listed)
        cache.find_archive(SHA256)
        assert cache.prune(unused_for_s=30 * DAY_S) == []
        assert cache.find_archive(SHA256) is not None

    def test_a_deletion_that_is_broken_off_leaves_no_half_tree(
        self, cache: Cache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put_tree(cache)
        with monkeypatch.context() as patched:
            patched.setattr(
                "codex_release.fetching.cache.remove_tree", lambda path: None
            )  # as if killed at this moment
            cache.drop(cache.tree(KEY))
        assert cache.find_tree(KEY) is None
        assert cache.entries() == []
        cache.clear()
        assert contents(cache) == set()

    @pytest.mark.parametrize("kind", ["archives", "trees", "partial"])
    def test_an_entry_that_another_process_is_filling_is_not_deleted(self, cache: Cache, kind: str) -> None:
        entries = {"archives": put_archive(cache), "trees": put_tree(cache), "partial": put_part(cache)}
        with working(cache, "exclusive", entries[kind].name) as worker:
            assert worker.says() == "held"
            assert {entry.path for entry in cache.clear()} == set(entries.values()) - {entries[kind]}
            assert entries[kind].exists()
        assert [entry.path for entry in cache.clear()] == [entries[kind]]

    def test_a_part_that_another_process_is_writing_is_not_deleted(self, cache: Cache) -> None:
        with working(cache, "partial", "web-archive") as worker:
            path = Path(worker.says())
            assert cache.clear() == []
            assert path.read_bytes() == b"half"
            worker.kill()
            assert [entry.path for entry in cache.clear()] == [path]

    def test_a_tree_that_another_process_is_unpacking_is_not_deleted(self, cache: Cache) -> None:
        with working(cache, "scratch", KEY) as worker:
            scratch = Path(worker.says())
            assert cache.clear() == []
            assert cache.prune(unused_for_s=-5) == []
            assert (scratch / "file").exists()
            worker.finish()
            assert worker.says() == str(cache.tree(KEY))
        assert (cache.tree(KEY) / "file").read_bytes() == b"half"

    def test_what_a_killed_process_was_unpacking_goes_however_young_it_is(self, cache: Cache) -> None:
        with working(cache, "scratch", KEY) as worker:
            scratch = Path(worker.says())
            assert cache.prune(unused_for_s=DAY_S) == []
            assert scratch.exists()
            worker.kill()
        assert cache.prune(unused_for_s=DAY_S) == []  # it never was an entry
        assert not scratch.exists()
        assert contents(cache) == set()
        assert list((cache.root / "locks").iterdir()) == []

    def test_clearing_while_many_threads_fill_breaks_nothing(self, cache: Cache) -> None:
        stop = threading.Event()

        def clear() -> None:
            while not stop.is_set():
                cache.clear()

        def fill(number: int) -> None:
            for turn in range(8):
                put_tree(cache, f"{number:032x}{turn:032x}")
                with cache.partial(f"part-{number}") as part:
                    part.write_bytes(DATA + bytes([number, turn]))
                    path = cache.adopt_archive(part, hashlib.sha256(part.read_bytes()).hexdigest())
                    cache.set_alias(f"sha512:{number}-{turn}", path.name)
                    cache.find_archive(path.name)
                    cache.entries()

        clearing = threading.Thread(target=clear)
        clearing.start()
        try:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(fill, range(4)))
        finally:
            stop.set()
            clearing.join()
        cache.clear()
        assert contents(cache) == set()


class TestExclusive:
    def test_another_process_waits_and_says_so(self, cache: Cache) -> None:
        with working(cache, "exclusive", KEY) as first:
            assert first.says() == "held"
            with working(cache, "exclusive", KEY) as second:
                assert second.says() == "waiting"
                first.finish()
                assert second.says() == "held"

    def test_the_lock_of_a_killed_process_is_free(self, cache: Cache) -> None:
        with working(cache, "exclusive", KEY) as first:
            assert first.says() == "held"
            first.kill()
            waited: list[bool] = []
            with cache.exclusive(KEY, on_wait=lambda: waited.append(True)):
                assert waited == []

    def test_threads_exclude_each_other_too(self, cache: Cache) -> None:
        inside, most = 0, 0

        def work(_: int) -> None:
            nonlocal inside, most
            with cache.exclusive(KEY):
                inside += 1
                most = max(most, inside)
                time.sleep(0.002)
                inside -= 1

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(8)))
        assert most == 1

    def test_different_names_do_not_wait_for_each_other(self, cache: Cache) -> None:
        with cache.exclusive("one", on_wait=pytest.fail), cache.exclusive("other", on_wait=pytest.fail):
            pass

    def test_an_error_inside_frees_the_lock(self, cache: Cache) -> None:
        with pytest.raises(ValueError, match="oops"), cache.exclusive(KEY):
            raise ValueError("oops")
        with cache.exclusive(KEY, on_wait=pytest.fail):
            pass


class TestUnusable:
    @pytest.mark.parametrize("way", ["root", "locks", "archives", "trees", "partial", "aliases"])
    def test_something_in_the_way_is_an_error_with_a_remedy(self, cache: Cache, way: str) -> None:
        if way == "root":
            cache.root.write_bytes(b"")
        else:
            cache.root.mkdir()
            (cache.root / way).write_bytes(b"")

        def use() -> None:
            put_archive(cache)
            put_tree(cache)
            cache.set_alias("sha512:x", SHA256)

        with pytest.raises(CacheError) as caught:
            use()
        assert str(cache.root) in caught.value.what
        assert caught.value.remedy is not None
        assert "CODEX_RELEASE_CACHE" in caught.value.remedy
        assert isinstance(caught.value.__cause__, OSError)

    def test_what_is_of_another_kind_than_belongs_there_makes_way(self, cache: Cache) -> None:
        for place in (cache.archive(SHA256), cache.root / "aliases" / "name"):
            (place / "full").mkdir(parents=True)
        cache.tree(KEY).parent.mkdir()
        cache.tree(KEY).write_bytes(b"")
        assert put_archive(cache).read_bytes() == DATA
        assert (put_tree(cache) / "bin" / "codex").read_bytes() == b"program"
        cache.set_alias("name", SHA256)
        assert contents(cache) == {f"archives/{SHA256}", f"trees/{KEY}/bin/codex", "aliases/name"}

    def test_a_lock_that_is_a_directory(self, cache: Cache) -> None:
        (cache.root / "locks" / f"{KEY}.lock").mkdir(parents=True)
        with pytest.raises(CacheError, match="cannot be locked"), cache.exclusive(KEY):
            pytest.fail("it was held")

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights on directories")
    @pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may delete anything")
    def test_an_entry_that_may_not_be_deleted_is_an_error(self, cache: Cache) -> None:
        put_archive(cache).parent.chmod(0o500)
        try:
            with pytest.raises(CacheError, match="cannot be deleted"):
                cache.clear()
        finally:
            (cache.root / "archives").chmod(0o700)

    @pytest.mark.skipif(sys.platform != "win32", reason="POSIX deletes open files")
    def test_an_archive_that_is_open_stays_on_windows(self, cache: Cache) -> None:
        with put_archive(cache).open("rb"):
            assert cache.clear() == []
        assert len(cache.clear()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes are those of POSIX")
class TestOthers:
    def test_a_planted_link_is_never_written_through(self, cache: Cache, tmp_path: Path) -> None:
        canary = tmp_path / "canary"
        canary.write_bytes(b"alive")
        with cache.partial("part") as path:
            pass
        path.symlink_to(canary)
        with cache.partial("part") as path:
            path.write_bytes(b"new")
        for planted in (cache.archive("00" * 32), cache.root / "aliases" / "name"):
            planted.parent.mkdir(exist_ok=True)
            planted.symlink_to(canary)
        assert cache.find_archive("00" * 32) is None
        assert cache.adopt_archive(path, "00" * 32).read_bytes() == b"new"
        cache.set_alias("name", "11" * 32)
        assert canary.read_bytes() == b"alive"

    @pytest.mark.parametrize("leads", ["to a directory", "nowhere"])
    def test_a_link_in_place_of_an_entry_is_neither_followed_nor_kept(
        self, leads: str, cache: Cache, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        if leads == "to a directory":
            (elsewhere / "bin").mkdir(parents=True)
            (elsewhere / "bin" / "codex").write_bytes(b"planted")
        for planted in (cache.tree(KEY), cache.archive(SHA256)):
            planted.parent.mkdir(parents=True)
            planted.symlink_to(elsewhere)
        assert cache.find_tree(KEY) is None
        assert cache.find_archive(SHA256) is None
        tree, archive = put_tree(cache), put_archive(cache)
        assert not tree.is_symlink()
        assert (tree / "bin" / "codex").read_bytes() == b"program"
        assert not archive.is_symlink()
        assert archive.read_bytes() == DATA
        if leads == "to a directory":
            assert (elsewhere / "bin" / "codex").read_bytes() == b"planted"

    def test_clearing_takes_links_and_not_what_they_lead_to(self, cache: Cache, tmp_path: Path) -> None:
        (tmp_path / "elsewhere" / "kept").mkdir(parents=True)
        for place in ("trees/.0123", f"trees/{KEY}", "archives/other", "aliases/name", "locks/stray.lock"):
            (cache.root / place).parent.mkdir(parents=True, exist_ok=True)
            (cache.root / place).symlink_to(tmp_path / "elsewhere")
        (cache.root / f"trees/{SHA256}").symlink_to(tmp_path / "nowhere")
        assert len(cache.clear()) == 3
        assert [path for path in cache.root.rglob("*") if path.parent != cache.root] == []
        assert (tmp_path / "elsewhere" / "kept").exists()

    def test_a_link_in_place_of_a_lock_is_taken_away(self, cache: Cache, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").touch()
        (cache.root / "locks").mkdir(parents=True)
        for target in ("elsewhere", "nowhere"):
            (cache.root / "locks" / f"{target}.lock").symlink_to(tmp_path / target)
            with cache.exclusive(target):
                assert not (cache.root / "locks" / f"{target}.lock").is_symlink()
        assert not (tmp_path / "nowhere").exists()

    @pytest.mark.parametrize("kind", ["locks", "partial", "archives", "trees"])
    def test_a_link_in_place_of_a_directory_is_refused(self, kind: str, cache: Cache, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        cache.root.mkdir()
        (cache.root / kind).symlink_to(tmp_path / "elsewhere")

        def fill() -> None:
            with cache.partial("x") as part, cache.scratch_tree():
                part.touch()
                cache.adopt_archive(part, "00" * 32)

        with pytest.raises(CacheError, match=f"{kind} is a symbolic link; .* by you alone"):
            fill()
        assert list((tmp_path / "elsewhere").iterdir()) == []

    @pytest.mark.parametrize("where", ["", "partial"])
    def test_a_directory_that_others_may_write_is_refused_with_the_reason(self, where: str, cache: Cache) -> None:
        (cache.root / where).mkdir(parents=True)
        (cache.root / where).chmod(0o777)
        with pytest.raises(CacheError, match=r"may be written by other users \(mode 0777\)"), cache.partial("x"):
            pass

    def test_a_user_may_be_in_a_group_of_its_own(self, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
        cache.root.mkdir()
        cache.root.chmod(0o775)
        monkeypatch.setattr("codex_release.fetching.cache._is_private", lambda group: True)
        with cache.partial("x"):
            pass
        monkeypatch.setattr("codex_release.fetching.cache._is_private", lambda group: False)
        with pytest.raises(CacheError, match="mode 0775"), cache.partial("x"):
            pass


def test_pruning_takes_the_locks_and_the_scratch_that_a_kill_left(cache: Cache) -> None:
    old = time.time() - 7200
    with cache.exclusive("held"):
        for left in ("locks/gone.lock", "aliases/.x.tmp", "partial/.y.tmp"):
            (cache.root / left).parent.mkdir(exist_ok=True)
            (cache.root / left).touch()
            os.utime(cache.root / left, (old, old))
        (cache.root / "trees/.0123").mkdir(parents=True)
        os.utime(cache.root / "trees/.0123", (old, old))
        cache.prune(unused_for_s=3600)
        found = [path.relative_to(cache.root).as_posix() for path in cache.root.rglob("*") if not path.is_dir()]
        assert found == ["locks/held.lock"]
        assert list((cache.root / "trees").iterdir()) == []
        assert not acquires(cache, "held")


def acquires(cache: Cache, name: str) -> bool:
    """Whether a lock is free."""
    with held(cache.root / "locks" / f"{name}.lock", waits=False) as is_held:
        return is_held
