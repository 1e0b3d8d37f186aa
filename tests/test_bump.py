"""Moving the pin: which release is the newest, what is written, what is said of it, and what a failure leaves."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import archives
import pytest
from archives import CATALOG
from fake_programs import fake_gh
from fake_release import FakeRelease
from github_server import github_server
from npm_server import npm_server
from programs import PINNED, ROOT, codex_release, finished
from recording import RecordedProgress, connected, direct

from codex_release.base.digests import FileDigest
from codex_release.base.errors import DiskError, LockError, SourceError
from codex_release.cli import main
from codex_release.commands import bump
from codex_release.context import Context
from codex_release.facts.lock import Lock, LockedArchive, LockedTarget
from codex_release.facts.settings import Settings
from codex_release.facts.signatures import VERIFIED, Signature
from codex_release.facts.versions import ReleaseVersion
from codex_release.pin.move import notes, with_version
from codex_release.pin.observation import hold, observed
from codex_release.pin.undo import undone_on_failure
from codex_release.protocol.schema import Schema, Side
from codex_release.sources.directory import Directory
from codex_release.sources.github import GitHub

PACKAGE = CATALOG.npm.package
INFERRED = '"modelProvider/default/set" = "ConfigWriteResponse"'
OLD, NEW = ReleaseVersion.parse("0.163.0"), ReleaseVersion.parse("0.169.0")


# --- which is the newest


def test_versions_are_ordered_as_numbers_and_a_release_comes_after_its_candidates() -> None:
    known = [ReleaseVersion.parse(text) for text in ("0.99.0", "0.170.0-alpha.10", "0.170.0-alpha.9", "0.163.0")]
    assert max(known).codex == "0.170.0-alpha.10"
    assert ReleaseVersion.parse("0.170.0") > known[1]
    assert not known[1] > known[1]


def test_github_says_which_release_is_its_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    direct(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with github_server(CATALOG.github.repository) as github, connected(RecordedProgress()) as web:
        source = GitHub(CATALOG.github, web, github.api_root)
        with pytest.raises(SourceError, match="GitHub has no release marked as the latest"):
            source.latest()
        for tag in ("rust-v0.168.0", "rust-v0.169.0", "rust-v0.170.0-alpha.2"):
            github.release(tag, {})
        assert source.latest() == NEW
        github.release("sdk-v1", {})
        with pytest.raises(SourceError, match="has the tag 'sdk-v1', which is no version"):
            source.latest()


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for gh is a script")
def test_gh_is_asked_where_the_api_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    direct(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with github_server(CATALOG.github.repository) as github, connected(RecordedProgress()) as web:
        source = GitHub(CATALOG.github, web, github.api_root)
        fake_gh(tmp_path / "bin", {"rust-v0.169.0": {}})
        assert source.latest() == NEW
        shutil.rmtree(tmp_path / "bin" / "gh-assets")
        with pytest.raises(SourceError, match="release not found"):
            source.latest()


def test_a_directory_does_not_say_what_is_new(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not tell which release is the newest"):
        Directory(tmp_path, CATALOG).latest()


# --- whether there is something to do


def test_nothing_is_done_where_the_newest_is_pinned(release: FakeRelease, monkeypatch: pytest.MonkeyPatch) -> None:
    before = release.lock_file.read_bytes()
    with npm_server() as npm:
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", npm.registry)
        for number in (archives.VERSION, "0.9.0", "0.999.0", "0.999.1-alpha.1"):
            npm.publish(PACKAGE, number, b"")
        for latest in (archives.VERSION, "0.9.0"):  # even if the latest is taken back
            npm.tags = {latest: "latest"}
            assert bumped(release)["is_new"] is False
        npm.tags = {"0.999.0": "latest"}
        assert bumped(release, "--dry-run") == {"pinned": archives.VERSION, "version": "0.999.0", "is_new": True}
        assert bumped(release, "--version", f"v{archives.VERSION}")["is_new"] is False
        assert bumped(release, "--version", "", "--dry-run")["version"] == "0.999.0"
        assert main(["bump", "--version", "0.9.0", "--repo", str(release.root), "--source", "npm"]) == 2
        assert f"0.9.0 is older than what is pinned, {archives.VERSION}; to go back," in release.capsys.readouterr().err
        npm.tags = {}
        assert main(["bump", "--repo", str(release.root), "--source", "npm"]) == 1
        said = release.capsys.readouterr().err
        assert f"no source says which release is the newest: npm: the npm registry has no {PACKAGE}@latest" in said
    assert release.lock_file.read_bytes() == before


def test_a_pin_that_another_process_moved_meanwhile_is_left_alone(
    release: FakeRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = release.lock_file.read_text("utf-8").replace(f'version = "{archives.VERSION}"', 'version = "0.998.0"')

    @contextlib.contextmanager
    def exclusive(directory: Path, *_: object) -> Iterator[None]:
        assert directory == release.root
        release.lock_file.write_text(moved, encoding="utf-8")  # by whom it waited for
        yield

    monkeypatch.setattr(bump, "exclusive", exclusive)
    line = release.refused("bump", "--version", "0.999.0")
    assert line.startswith(f"{release.lock_file} was changed by another process meanwhile; look at what is pinned now")
    assert release.lock_file.read_text("utf-8") == moved


def test_what_the_client_has_to_follow_by_hand_can_be_kept(
    release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is undone, nobody could mend: a model that the client names is called otherwise now."""
    for name in ("protocol.toml", "protocol.prose.toml"):
        shutil.copyfile(ROOT / "release" / name, release.root / "release" / name)
    script = release.root / bump._SCRIPTS[1]
    script.parent.mkdir()
    script.write_text("raise LookupError('the protocol has no model `A`')\n", encoding="utf-8")
    nothing = Schema({}, {}, {}, {})
    monkeypatch.setattr(bump, "observed", lambda version, *_: replace(Lock.read(release.lock_file), version=version))
    monkeypatch.setattr(bump, "runnable", lambda *_: contextlib.nullcontext(Path("codex")))
    monkeypatch.setattr(Side, "printed_by", lambda _: Side(nothing, nothing))
    monkeypatch.setattr(bump, "runtime_version", lambda _: "0.999.0")
    monkeypatch.setattr(bump, "files_for", lambda *_: {"registry.py": ""})
    before, notes_file = release.lock_file.read_bytes(), tmp_path / "notes.md"
    words = ("bump", "--version", "0.999.0", "--notes", notes_file)
    line = release.refused(*words)
    assert "LookupError: the protocol has no model `A`; have all that" in line
    assert line.endswith("mend it where --keep leaves what is written")
    assert release.lock_file.read_bytes() == before
    assert not notes_file.exists()
    said = release.ran(*words, "--keep").err
    assert Lock.read(release.lock_file).version.codex == "0.999.0"
    told = notes_file.read_text(encoding="utf-8")
    assert "## Worth a look\n\n- Mend what `scripts/api_reference.py` stumbles over, and run it again: `" in told
    assert "LookupError: the protocol has no model 'A'`\n" in told
    assert "no model 'A'" in said


def bumped(release: FakeRelease, *words: str) -> dict[str, object]:
    """What a bump answers, with npm as its only source."""
    release.capsys.readouterr()
    assert main(["bump", *words, "--json", "--repo", str(release.root), "--source", "npm"]) == 0
    answer: dict[str, object] = json.loads(release.capsys.readouterr().out)
    return answer


# --- what is said


def lock_of(version: ReleaseVersion, files: dict[str, int], archive: int = 100) -> Lock:
    """A lock of one target, whose files have these sizes."""
    digests = {path: FileDigest(size, f"{size:064x}") for path, size in files.items()}
    pinned = LockedTarget({"npm": LockedArchive("codex.tgz", FileDigest(archive, f"{archive:064x}"))}, digests)
    return Lock(version, {CATALOG.triples[0]: pinned})


def test_the_notes_show_sizes_of_what_is_shipped_and_what_is_out_of_the_ordinary() -> None:
    voice = "codex-resources/voice/bin/voice"
    old = lock_of(OLD, {"bin/codex": 200_000_000, "codex-path/rg": 5_000_000, "gone": 1000, voice: 1}, 90_000_000)
    new = lock_of(NEW, {"bin/codex": 250_000_000, "codex-path/rg": 500_000, "new": 2000, voice: 99}, 100_000_000)
    text = notes(old, new, "# Protocol\n\n## Can break users\n", CATALOG.layout)
    triple = CATALOG.triples[0]
    assert f"| `{triple}` | 3 | 205.0 MB | 250.5 MB | +22.2 % | 90.0 MB | 100.0 MB | - |" in text
    assert f"- `{triple}` has `new` now (2.0 kB)." in text
    assert f"- `{triple}` no longer has `gone` (1.0 kB)." in text
    assert f"- `codex-path/rg` of `{triple}` has 500.0 kB instead of 5.0 MB." in text.replace("0.5 MB", "500.0 kB")
    assert "voice" not in text
    assert text.startswith("# Codex 0.163.0 to 0.169.0\n")
    assert text.endswith("\n## Protocol\n\n### Can break users\n")


def test_an_archive_that_was_packed_anew_is_no_other_release() -> None:
    files = {"bin/codex": 1}
    remedy = f"its files are the locked ones; write the lock anew with: codex-release lock {NEW}$"
    with pytest.raises(LockError, match=rf"^npm now serves codex\.tgz with sha256 .*, the lock says .*, {remedy}"):
        hold(lock_of(NEW, files, 100), lock_of(NEW, files, 101), RecordedProgress())
    hold(lock_of(NEW, files), lock_of(NEW, files), RecordedProgress())


def test_the_notes_say_what_nobody_vouches_for_any_more() -> None:
    """Upstream's releases appear on GitHub and on npm at different times, and may be for fewer platforms."""
    (triple, other), archive = CATALOG.triples[:2], LockedArchive("codex.tgz", FileDigest(1, "0" * 64))
    before = LockedTarget({"github": archive, "npm": archive}, {}, Signature(VERIFIED))
    old, new = Lock(OLD, {triple: before, other: before}), Lock(NEW, {triple: LockedTarget({"npm": archive}, {})})
    text = notes(old, new, "", CATALOG.layout)
    assert f"- `{other}` is no platform any more.\n" in text
    assert f"- `{triple}` is not locked from github any more; compare it later: `codex-release lock --check`.\n" in text
    assert f"- The Sigstore signature of `{triple}` is unknown; it was verified.\n" in text
    assert "locked from npm" not in text
    assert "Worth a look" not in notes(old, replace(old, version=NEW), "", CATALOG.layout)


def test_what_was_inferred_comes_first_among_what_is_worth_a_look() -> None:
    old, new = lock_of(OLD, {"bin/codex": 1}), lock_of(NEW, {"bin/codex": 1, "new": 1})
    text = notes(old, new, "", CATALOG.layout, ["Look here."])
    assert "## Worth a look\n\n- Look here.\n- `" in text


def test_a_platform_that_is_new_is_said_to_be() -> None:
    new = lock_of(NEW, {"bin/codex": 1_000_000})
    assert "| 1 | - | 1.0 MB | new | - | " in notes(Lock(OLD, {}), new, "", CATALOG.layout)


@pytest.mark.parametrize("language", ["sh", "text", ""])
def test_commands_of_documents_name_the_new_version_and_what_is_told_stays(language: str) -> None:
    text = (
        "From 0.163.0 on.\n\n"
        f"```{language}\ncodex-release x --v 0.163.0 10.163.0 0.163.0.post1\nit is 0.163.0\n```\n\n"
        "codex-release 0.163.0 was the first.\n"
    )
    assert with_version(text, OLD, NEW) == text.replace("--v 0.163.0 ", "--v 0.169.0 ")


def test_no_command_of_a_document_names_a_version_that_a_bump_would_leave_behind() -> None:
    """Every version in a command is the pinned one, or the older one that something is compared with."""
    named = ReleaseVersion.parse("9.9.9")
    pinned = ReleaseVersion.parse(PINNED)
    for document in sorted({*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("sdk/docs/*.md")}):
        commands = re.findall(
            r"^(?:codex|codex-release|pip|python3?|uvx?) .*$", document.read_text("utf-8"), re.MULTILINE
        )
        for command in commands:
            versions = re.findall(r"(?<![\w.=])\d+\.\d+\.\d+(?:-[a-z]+\.\d+)?(?![\w.])", command)
            assert len(set(versions)) == len(versions), command
            if "protocol-diff" not in command:
                assert set(versions) <= {PINNED}, command
        text = document.read_text("utf-8")
        moved = with_version(text, pinned, named)
        assert with_version(moved, named, pinned) == text


# --- all of it or nothing


def test_what_a_block_wrote_is_undone_if_it_fails(tmp_path: Path) -> None:
    for name in ("changed", "deleted", "same"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    (tmp_path / "foreign").write_text("foreign", encoding="utf-8")

    def files() -> list[Path]:
        return [path for path in tmp_path.iterdir() if path.name != "foreign"]

    def work(and_then: type[Exception] | None = None) -> None:
        (tmp_path / "changed").write_text("other", encoding="utf-8")
        (tmp_path / "deleted").unlink()
        (tmp_path / "made").write_text("made", encoding="utf-8")
        (tmp_path / "foreign").write_text("changed", encoding="utf-8")
        if and_then:
            raise and_then

    with pytest.raises(KeyError), undone_on_failure(files):
        work(and_then=KeyError)
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == {
        "changed": "changed",
        "deleted": "deleted",
        "same": "same",
        "foreign": "changed",
    }
    with undone_on_failure(files):
        work()
    assert (tmp_path / "made").is_file()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_file_that_cannot_be_undone_keeps_no_other_from_it_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full: what is there stays whole, whatever it is."""
    first, second = tmp_path / "a", tmp_path / "b"

    def work() -> None:
        for path in (first, second):
            path.write_text("new", encoding="utf-8")
        (tmp_path / "made").touch()
        real = Path.write_bytes

        def write_bytes(path: Path, content: bytes) -> int:
            if path.name.startswith(".a."):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(path, content)

        monkeypatch.setattr(Path, "write_bytes", write_bytes)
        raise KeyError("why")

    for path in (first, second):
        path.write_text("old", encoding="utf-8")
    told = (
        rf"^{re.escape(str(first))} cannot be written: .*, so not everything is as it was before \('why'\); make room"
    )
    with pytest.raises(DiskError, match=told), undone_on_failure(lambda: list(tmp_path.iterdir())):
        work()
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == {"a": "new", "b": "old"}


def test_a_new_file_that_cannot_be_deleted_keeps_no_other_from_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows deletes no file that somebody has open, a virus scanner for one."""
    old, made = tmp_path / "old", tmp_path / "made"

    def work() -> None:
        old.write_text("new", encoding="utf-8")
        made.touch()

        def unlink(path: Path, missing_ok: bool = False) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

        monkeypatch.setattr(Path, "unlink", unlink)
        raise KeyError("why")

    old.write_text("old", encoding="utf-8")
    told = rf"^{re.escape(str(made))} cannot be deleted: .*, so not everything is as it was before \('why'\)"
    with pytest.raises(DiskError, match=told), undone_on_failure(lambda: list(tmp_path.iterdir())):
        work()
    assert old.read_text("utf-8") == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="no Ctrl-C can be sent to a single process there")
def test_a_second_interrupt_does_not_keep_it_from_undoing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before", encoding="utf-8")

    def files() -> list[Path]:
        if path.read_text("utf-8") != "before":  # it is being undone
            os.kill(os.getpid(), signal.SIGINT)
        return [path]

    def work() -> None:
        path.write_text("after", encoding="utf-8")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)  # it is over before

    with pytest.raises(KeyboardInterrupt), undone_on_failure(files):
        work()
    assert path.read_text("utf-8") == "before"


# --- the whole of it


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout."""
    root = tmp_path / "checkout"
    listed = finished("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    return root


def test_the_pin_moves_from_an_older_release_to_this_one_with_all_that_follows(
    checkout: Path, tmp_path: Path, context: Context
) -> None:
    """A real older release to the pinned one: afterwards the checkout is as it is here, and there is nothing to do."""
    pinned, host = context.lock.version, context.catalog.host()
    assert pinned != OLD
    # To compare the protocols, the older release need only be known for this machine.
    here = replace(context.catalog, targets=(host,))
    alone = Context(context.find_workspace, Settings.read(context.settings.environ), context.progress, context.web)
    alone.__dict__["catalog"] = here
    old = observed(OLD, alone.catalog.targets, alone)
    lock, generated = (
        checkout / "release" / "runtime.lock.toml",
        checkout / "sdk" / "src" / "codex_app_server" / "generated",
    )
    readme, reference = checkout / "release" / "README.md", checkout / "sdk" / "docs" / "api-reference.md"
    old.write(lock)
    registry = generated / "registry.py"
    registry.unlink()
    (generated / "gone.py").write_text("", encoding="utf-8")
    reference.write_text("", encoding="utf-8")
    readme.write_text(with_version(readme.read_text("utf-8"), pinned, OLD), encoding="utf-8")
    assert readme.read_bytes() != (ROOT / "release" / "README.md").read_bytes()
    # What is named for one of the newer methods is not there yet.
    rules = checkout / "release" / "protocol.toml"
    rules.write_text(rules.read_text("utf-8").replace(f"{INFERRED}\n", ""), encoding="utf-8")
    assert rules.read_bytes() != (ROOT / "release" / "protocol.toml").read_bytes()
    words = ("bump", "--version", pinned.codex, "--notes", tmp_path / "notes.md", "--repo", checkout)

    # What fails changes nothing. It is tried with this machine's platform alone: that is much less to read.
    targets = checkout / "release" / "targets.toml"
    every = targets.read_text("utf-8")

    def without(*triples: str) -> str:
        named = "|".join(map(re.escape, triples))
        return re.sub(rf"^\[(?:targets|emulators)\.(?:{named})\].*\n(?:(?!\[).*\n)*", "", every, flags=re.MULTILINE)

    targets.write_text(without(*set(context.catalog.triples) - {host.triple}), encoding="utf-8")
    before = contents(checkout)
    entries = checkout / "sdk" / "src" / "codex_app_server" / "models" / "entries.py"
    script = checkout / "scripts" / "api_reference.py"
    entries.write_text('raise ImportError("not today")\n', encoding="utf-8")  # a model that cannot be made
    said = codex_release(*words, code=1).stderr
    assert "every_model.py failed with exit code 1: " in said
    assert "not today" in said
    entries.write_bytes(before[entries])
    assert contents(checkout) == before
    # The programs that take the longest, the last run has as they are.
    slow = {
        checkout / "scripts" / "every_model.py": "",
        checkout / "sdk" / "notebooks" / "refresh.py": "open('sdk/notebooks/sdk_walkthrough.ipynb', 'w').write('{}')\n",
    }
    for path, quick in slow.items():
        path.write_text(quick, encoding="utf-8")
    real, before = before, contents(checkout)
    said = codex_release(*words[:3], "--notes", tmp_path, *words[5:], code=1).stderr
    assert f"the notes {tmp_path} cannot be written: " in said
    assert contents(checkout) == before
    if sys.platform != "win32":  # no Ctrl-C can be sent to a single process there
        script.write_text("import pathlib, time\npathlib.Path('asked').touch()\ntime.sleep(600)\n", "utf-8")
        assert interrupted(words, checkout / "asked").endswith("codex-release: interrupted\n")
        (checkout / "asked").unlink()
        script.write_bytes(before[script])
        assert contents(checkout) == before
    assert not (tmp_path / "notes.md").exists()
    for path in slow:
        path.write_bytes(real[path])

    # Then for one platform more; that the lock is right for all of them is what `lock --check` looks at.
    other = context.catalog.target("aarch64-apple-darwin")
    kept = {target.triple for target in (host, other)}
    targets.write_text(without(*set(context.catalog.triples) - kept), encoding="utf-8")
    codex_release(*words)
    for path in (
        registry,
        reference,
        readme,
        rules,
        checkout / "release" / "protocol.older.json",
        checkout / "sdk" / "notebooks" / "sdk_walkthrough.ipynb",
    ):
        assert path.read_bytes() == (ROOT / path.relative_to(checkout)).read_bytes(), path
    assert not (generated / "gone.py").exists()
    moved = Lock.read(lock)
    assert moved.version == pinned
    assert {triple: each.files for triple, each in moved.targets.items()} == {
        triple: each.files for triple, each in context.lock.targets.items() if triple in kept
    }
    text = (tmp_path / "notes.md").read_text(encoding="utf-8")
    assert text.startswith(f"# Codex {OLD} to {pinned}\n")
    assert {triple for triple in context.catalog.triples if f"| `{triple}` |" in text} == kept
    assert "### Can break users" in text
    assert '`ReviewDelivery` | `"detached"`' in text
    assert "Nothing but the names says that `modelProvider/default/set` gives a `ConfigWriteResponse`" in text

    after = lock.read_bytes()
    assert "nothing to do" in codex_release(*words).stdout
    assert lock.read_bytes() == after


def interrupted(words: Sequence[str | Path], when: Path) -> str:
    """What the program complains of that gets Ctrl-C when a file is there."""
    command = [sys.executable, "-m", "codex_release", *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    while not when.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=60)[1]


def contents(directory: Path) -> dict[Path, bytes]:
    """Every file in a directory, but for what Python compiled."""
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.suffix != ".pyc"}
