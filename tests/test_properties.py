"""What holds for every value: versions, locks, platform tags and the rules for an archive's entries."""

from __future__ import annotations

import ntpath
import posixpath
import random
import re
import tempfile
import unicodedata
from functools import cache
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, TypeVar

import executables
import pytest
from archives import CATALOG
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from packaging.tags import mac_platforms
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from codex_release.base.digests import FileDigest
from codex_release.base.errors import ArchiveError, InspectError, LockError, UsageError
from codex_release.base.paths import unsafe_name
from codex_release.facts.lock import Lock, LockedArchive, LockedTarget, compare_files
from codex_release.facts.versions import ReleaseVersion
from codex_release.runtime.entries import EntryRules
from codex_release.runtime.headers import Executable, read_executable
from codex_release.runtime.tags import Variant, broken_promise, variants, wheel_tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_release.facts.targets import Target

pytestmark = pytest.mark.slow

Value = TypeVar("Value")

FEW = settings(max_examples=60, deadline=None)
MANY = settings(max_examples=200, deadline=None)

# --- Versions

numbers = st.one_of(st.integers(0, 200), st.integers(0, 10**18 - 1))
phases = st.sampled_from([("alpha", "a"), ("beta", "b"), ("rc", "rc")])
releases = st.lists(numbers, min_size=3, max_size=3).map(lambda parts: ".".join(map(str, parts)))


@FEW
@given(base=releases, phase=phases, number=st.none() | numbers)
def test_the_spellings_of_a_version_are_one_release(base: str, phase: tuple[str, str], number: int | None) -> None:
    codex = base if number is None else f"{base}-{phase[0]}.{number}"
    pep440 = base if number is None else f"{base}{phase[1]}{number}"
    found = {ReleaseVersion.parse(spelling) for spelling in (codex, pep440, f"rust-v{codex}", f"v{codex}")}
    assert len(found) == 1
    version = found.pop()
    assert (version.codex, version.pep440, version.tag, str(version)) == (codex, pep440, f"rust-v{codex}", codex)
    assert str(Version(version.pep440)) == version.pep440


@FEW
@given(one=releases, other=releases, phase=phases, number=numbers)
def test_versions_have_the_order_of_pep_440(one: str, other: str, phase: tuple[str, str], number: int) -> None:
    early, late = ReleaseVersion.parse(f"{one}{phase[1]}{number}"), ReleaseVersion.parse(one)
    assert early < late
    assert late > early
    assert early <= late
    assert late >= early
    assert (late <= ReleaseVersion.parse(other)) == (Version(one) <= Version(other))


near_misses = st.text(alphabet="0123456789.-+!_ abcrltphuvns\n٣²", max_size=24)


@MANY
@given(text=st.one_of(st.text(max_size=24), near_misses, near_misses.map(lambda text: f"0.1.0{text}")))
@example("1" * 5_000 + ".0.0")
@example("0.0.0-alpha." + "1" * 5_000)
@example("\u0660.\u0661.\u0662")
@example("0.169.0\n")
@example("1!0.169.0")
@example("0.169.0.post1")
@example("0.169.0+local")
@example("0.169.0-nightly.1")
@example("0.169")
@example("rust-v")
@example("")
def test_any_text_is_a_version_or_a_usage_error(text: str) -> None:
    try:
        version = ReleaseVersion.parse(text)
    except UsageError as error:
        assert repr(text[:80]) in str(error)  # noqa: PT017  # most texts are none, some are
    else:
        spellings = (version.codex, version.tag, version.pep440)
        assert {ReleaseVersion.parse(spelling) for spelling in spellings} == {version}
        assert Version(text.removeprefix("rust-")) == Version(version.pep440)


# --- Locks

odd_texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ["bin/codex", "a.b", 'say "hi"', "it's", "back\\slash", "tab\t", "new\nline", "cr\r", "\0", "\x7f"]
    ),
    st.sampled_from(["", " ", "=", "[x]", "#", "π", "\ufeff", "\u2028", "\U0001f40d", '"""', "targets", "schema"]),
)
file_digests = st.builds(FileDigest, st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32).map(bytes.hex))
odd_names = st.one_of(
    # Of these nearly all are safe: a filter that refuses much makes Hypothesis give up.
    st.text(
        st.characters(exclude_categories=["C", "Z"], include_characters=" ", exclude_characters='<>:"/|?*\\'),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(
        ["codex", "a.b", "it's", "=", "[x]", "#", "π", "\U0001f40d", "targets", "schema", "a b", "a = 'b'"]
    ),
).filter(lambda text: not unsafe_name(text))
odd_paths = st.lists(odd_names, min_size=1, max_size=3).map("/".join)
locked_targets = st.builds(
    LockedTarget,
    archives=st.dictionaries(odd_texts, st.builds(LockedArchive, odd_names, file_digests), max_size=3),
    files=st.dictionaries(odd_paths, file_digests, max_size=4),
)
versions = st.sampled_from(["0.169.0", "0.170.0-alpha.2"]).map(ReleaseVersion.parse)
locks = st.builds(Lock, versions, st.dictionaries(odd_names, locked_targets, max_size=3))


@FEW
@given(lock=locks)
@example(Lock(ReleaseVersion.parse("0.169.0"), {}))
@example(Lock(ReleaseVersion.parse("0.169.0"), {"triple": LockedTarget({}, {})}))
def test_a_lock_that_is_written_and_read_is_the_same(lock: Lock) -> None:
    assert Lock.loads(lock.dumps(), "the lock") == lock


def shuffled(mapping: Mapping[str, Value], dice: random.Random) -> dict[str, Value]:
    """The same mapping in another order."""
    return dict(dice.sample(list(mapping.items()), len(mapping)))


@FEW
@given(lock=locks, seed=st.integers())
def test_a_lock_is_written_in_one_order(lock: Lock, seed: int) -> None:
    dice = random.Random(seed)
    targets = {
        triple: LockedTarget(shuffled(locked.archives, dice), shuffled(locked.files, dice))
        for triple, locked in shuffled(lock.targets, dice).items()
    }
    assert Lock(lock.version, targets).dumps() == lock.dumps()


def test_the_lock_of_this_checkout_is_as_it_would_be_written_again() -> None:
    path = Path(__file__).parents[1] / "release" / "runtime.lock.toml"
    assert Lock.read(path).dumps() == path.read_text(encoding="utf-8")


SMALL_LOCK = Lock(
    ReleaseVersion.parse("0.169.0"),
    {
        "x86_64-unknown-linux-musl": LockedTarget(
            {"npm": LockedArchive("codex.tgz", FileDigest(7, "ab" * 32))},
            {"bin/codex": FileDigest(3, "cd" * 32), "codex-path/rg": FileDigest(0, "ef" * 32)},
        )
    },
).dumps()
LINES = SMALL_LOCK.splitlines(keepends=True)
snippets = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        ["true", "-1", "1.5", "[]", "{}", '"x"', "nan", "1979-05-27", "[targets]", "targets = 1", "\0", '"']
    ),
    st.sampled_from(["9" * 5_000, "[" * 5_000, "size", "schema = 2", '[[targets.x]]\n"a" = 1\n', '"bin/codex" = 3\n']),
)


@MANY
@given(edits=st.lists(st.tuples(st.integers(0, len(SMALL_LOCK)), st.integers(0, 90), snippets), max_size=3))
def test_an_edited_lock_is_a_lock_or_a_lock_error(edits: list[tuple[int, int, str]]) -> None:
    text = SMALL_LOCK
    for at, gone, snippet in edits:
        text = text[:at] + snippet + text[at + gone :]
    try:
        lock = Lock.loads(text, "the lock")
    except LockError as error:
        assert "the lock" in str(error)  # noqa: PT017  # some edits do no harm
    else:
        assert Lock.loads(lock.dumps(), "the lock") == lock
        digests = [digest for locked in lock.targets.values() for digest in locked.files.values()]
        assert all(digest.size >= 0 and re.fullmatch("[0-9a-f]{64}", digest.sha256) for digest in digests)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema = 1", "schema = 2"),
        ("schema = 1", "schema = " + "1" * 5_000),
        ("schema = 1", "schema = " + "[" * 5_000),
        ("schema = 1", "schema = [1"),
        ("schema = 1\n", ""),
        ('version = "0.169.0"', 'version = "latest"'),
        ('version = "0.169.0"', "version = 169"),
        ("size = 3", "size = -3"),
        ("size = 3", 'size = "3"'),
        ("size = 3", "size = 3.0"),
        ("size = 3", "size = true"),
        ("cd" * 32, "CD" * 32),
        ("cd" * 32, "cd" * 31),
        (f'"{"cd" * 32}"', "[]"),
        ('name = "codex.tgz"', "name = 1"),
        ('name = "codex.tgz", ', ""),
        ("[targets.x86_64-unknown-linux-musl.files]", "[targets.x86_64-unknown-linux-musl.file]"),
        ("[targets.", "[target."),
        ('"bin/codex"', '"/bin/codex"'),
        ('"bin/codex"', '"../bin/codex"'),
        ('"bin/codex"', '"bin/./codex"'),
        ('"bin/codex"', '"C:codex"'),
        ('"bin/codex"', '"bin\\u0000codex"'),
        ('"bin/codex"', '"bin/nul.txt"'),
        ('name = "codex.tgz"', 'name = "../codex.tgz"'),
        ('name = "codex.tgz"', 'name = "."'),
        ("targets.x86_64-unknown-linux-musl", 'targets."../x86_64"'),
    ],
)
def test_a_lock_with_a_wrong_fact_is_refused(old: str, new: str) -> None:
    assert old in SMALL_LOCK
    with pytest.raises(LockError, match=r"the lock.*, or delete it and write it anew with: codex-release lock VERSION"):
        Lock.loads(SMALL_LOCK.replace(old, new), "the lock")


@FEW
@given(one=st.dictionaries(odd_texts, file_digests), other=st.dictionaries(odd_texts, file_digests))
def test_files_compare_equal_exactly_if_they_are(one: dict[str, FileDigest], other: dict[str, FileDigest]) -> None:
    compare_files(one, dict(reversed(one.items())), expected_by="the lock", found_in="x")
    assume(one != other)
    with pytest.raises(LockError, match="the lock"):
        compare_files(one, other, expected_by="the lock", found_in="x")


# --- Tags

LOADERS = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}
MUSL = {"x86_64": "/lib/ld-musl-x86_64.so.1", "aarch64": "/lib/ld-musl-aarch64.so.1"}
ELSEWHERE = ("/system/bin/linker64", "/nix/store/x/lib/ld-linux-x86-64.so.2")


@cache
def read(data: bytes) -> Executable:
    """What the reader says of an executable."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "program")
        path.write_bytes(data)
        return read_executable(path)


def linux(machine: str, needs: str) -> Executable:
    """A Linux executable: ``static``, for a glibc version, for ``musl``, or for a loader's path."""
    if needs == "static":
        return read(executables.elf(machine))
    if needs == "musl":
        return read(executables.elf(machine, interpreter=MUSL[machine], needed=("libc.musl.so",)))
    if needs.startswith("/"):
        return read(executables.elf(machine, interpreter=needs))
    return read(executables.elf(machine, interpreter=LOADERS[machine], glibc=("2.2.5", needs)))


def program(target: Target, needs: str) -> Executable:
    """An executable for a target: for Linux see `linux`, for macOS its oldest version."""
    if target.format == "elf":
        return linux(target.machine, needs)
    if target.format == "mach-o":
        major, minor = needs.split(".")
        return read(executables.macho(target.machine, minos=(int(major), int(minor))))
    return read(executables.pe(target.machine))


NEEDS = {
    "elf": st.sampled_from(["static", "static", "2.3", "2.17", "2.18", "2.28", "2.34", "musl", *ELSEWHERE]),
    "mach-o": st.sampled_from(
        ["10.0", "10.9", "10.12", "10.15", "10.16", "11.0", "11.3", "12.0", "14.0", "15.4", "26.1"]
    ),
    "pe": st.just(""),
}
REQUIRED = ("bin/codex", "bin/codex-code-mode-host", "codex-resources/bwrap")
OPTIONAL = ("codex-path/rg", "codex-path/fd")
targets = st.sampled_from(CATALOG.targets)


@st.composite
def trees(draw: st.DrawFn) -> tuple[Target, dict[str, Executable]]:
    """A target and the executables of a tree for it."""
    target = draw(targets)
    required = draw(st.lists(st.sampled_from(REQUIRED), min_size=1, unique=True))
    optional = draw(st.lists(st.sampled_from(OPTIONAL), unique=True))
    return target, {path: program(target, draw(NEEDS[target.format])) for path in required + optional}


def derive(target: Target, tree: Mapping[str, Executable]) -> tuple[Variant, ...]:
    """The wheels of a tree, none if it fits under no tag."""
    try:
        return variants(target, tree, CATALOG.layout.is_optional)
    except InspectError:
        return ()


def shipped(variant: Variant, tree: Mapping[str, Executable]) -> dict[str, Executable]:
    return {path: each for path, each in tree.items() if path not in variant.left_out}


@MANY
@given(drawn=trees())
def test_every_executable_keeps_every_promise_of_its_wheel(drawn: tuple[Target, dict[str, Executable]]) -> None:
    target, tree = drawn
    for variant in derive(target, tree):
        for platform in variant.platforms:
            for executable in shipped(variant, tree).values():
                assert broken_promise(platform, target, executable) is None
                assert executable.static or "musllinux" not in platform


@MANY
@given(drawn=trees())
def test_the_tags_of_a_wheel_are_in_order_and_make_a_valid_name(drawn: tuple[Target, dict[str, Executable]]) -> None:
    target, tree = drawn
    for variant in derive(target, tree):
        assert variant.platforms
        assert list(variant.platforms) == sorted(variant.platforms)
        name = f"codex_cli_bin-0.169.0-{wheel_tag(variant.platforms)}.whl"
        _, version, _, tags = parse_wheel_filename(name, validate_order=True)
        assert version == Version("0.169.0")
        assert {str(tag) for tag in tags} == {f"py3-none-{platform}" for platform in variant.platforms}


@MANY
@given(drawn=trees())
def test_an_optional_executable_never_narrows_what_a_release_serves(
    drawn: tuple[Target, dict[str, Executable]],
) -> None:
    target, tree = drawn
    needed = {path: each for path, each in tree.items() if not CATALOG.layout.is_optional(path)}
    found = derive(target, tree)
    served = [platform for variant in found for platform in variant.platforms]
    assert {platform for variant in derive(target, needed) for platform in variant.platforms} <= set(served)
    assert len(served) == len(set(served)), "installers could not tell which wheel to take"
    assert all(CATALOG.layout.is_optional(path) for variant in found for path in variant.left_out)
    assert len(found) <= 2
    if len(found) == 2:
        assert not found[0].left_out
        assert found[1].left_out, "two wheels would be the same"


@FEW
@given(drawn=trees())
def test_a_tree_without_its_optional_executables_yields_one_wheel(
    drawn: tuple[Target, dict[str, Executable]],
) -> None:
    target, tree = drawn
    needed = {path: each for path, each in tree.items() if not CATALOG.layout.is_optional(path)}
    if {each.interpreter for each in needed.values()} - {None, *LOADERS.values()}:
        with pytest.raises(InspectError, match=r"fit under no wheel tag: .* needs /"):
            variants(target, needed, CATALOG.layout.is_optional)
    else:
        (variant,) = variants(target, needed, CATALOG.layout.is_optional)
        assert not variant.left_out


MACS = [target for target in CATALOG.targets if target.format == "mach-o"]
oldest_systems = st.one_of(
    st.tuples(st.just(10), st.integers(0, 16)), st.tuples(st.integers(11, 15) | st.integers(26, 40), st.integers(0, 9))
)


@FEW
@given(target=st.sampled_from(MACS), needs=st.lists(oldest_systems, min_size=1, max_size=3))
def test_a_mac_tag_is_known_to_installers_and_promises_no_older_system(
    target: Target, needs: list[tuple[int, int]]
) -> None:
    tree = {
        path: read(executables.macho(target.machine, minos=minos)) for path, minos in zip(REQUIRED, needs, strict=False)
    }
    (variant,) = variants(target, tree, CATALOG.layout.is_optional)
    (tag,) = variant.platforms
    _, major, minor, arch = tag.split("_", 3)
    promised = int(major), int(minor)
    assert arch == target.arch
    assert promised >= max(needs)
    assert tag in set(mac_platforms(promised, target.arch))


@pytest.mark.parametrize(
    ("machine", "minos", "tag"),
    [
        ("x86_64", (10, 4), "macosx_10_9_x86_64"),
        ("x86_64", (10, 12), "macosx_10_12_x86_64"),
        ("x86_64", (11, 3), "macosx_12_0_x86_64"),
        ("aarch64", (10, 15), "macosx_11_0_arm64"),
        ("aarch64", (11, 0), "macosx_11_0_arm64"),
        ("aarch64", (11, 3), "macosx_12_0_arm64"),
        ("aarch64", (15, 4), "macosx_16_0_arm64"),
    ],
)
def test_the_tag_of_a_mac_executable(machine: str, minos: tuple[int, int], tag: str) -> None:
    target = CATALOG.target(f"{machine}-apple-darwin")
    tree = {"bin/codex": read(executables.macho(machine, minos=minos))}
    assert variants(target, tree, CATALOG.layout.is_optional) == (Variant((tag,)),)


LINUX_TREES: Mapping[str, tuple[str, str, list[tuple[str, bool]]]] = {
    "all static": ("static", "static", [("manylinux2014_A.manylinux_2_17_A.musllinux_1_1_A", True)]),
    "old glibc": ("2.3", "static", [("manylinux2014_A.manylinux_2_17_A", True)]),
    "newer glibc": ("2.28", "2.17", [("manylinux_2_28_A", True)]),
    "static, but rg needs an old glibc": (
        "static",
        "2.3",
        [("manylinux2014_A.manylinux_2_17_A", True), ("musllinux_1_1_A", False)],
    ),
    "static, but rg needs a newer glibc": (
        "static",
        "2.18",
        [("manylinux_2_18_A", True), ("manylinux2014_A.manylinux_2_17_A.musllinux_1_1_A", False)],
    ),
    "old glibc, but rg needs a newer one": (
        "2.17",
        "2.34",
        [("manylinux_2_34_A", True), ("manylinux2014_A.manylinux_2_17_A", False)],
    ),
    "static, but rg needs musl's loader": (
        "static",
        "musl",
        [("manylinux2014_A.manylinux_2_17_A.musllinux_1_1_A", False)],
    ),
}


@pytest.mark.parametrize("case", LINUX_TREES)
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_wheels_of_a_linux_tree(case: str, machine: str) -> None:
    codex, rg, wheels = LINUX_TREES[case]
    target = CATALOG.target(f"{machine}-unknown-linux-musl")
    tree = {"bin/codex": linux(machine, codex), "codex-path/rg": linux(machine, rg)}
    found = variants(target, tree, CATALOG.layout.is_optional)
    assert found == tuple(
        Variant(
            tuple(tags.replace("_A", f"_{machine}").split(".")),
            frozenset() if complete else frozenset({"codex-path/rg"}),
        )
        for tags, complete in wheels
    )


@pytest.mark.parametrize("needs", ["musl", *ELSEWHERE])
def test_an_executable_for_a_loader_that_not_every_system_has_earns_no_tag(needs: str) -> None:
    target = CATALOG.targets[0]
    with pytest.raises(InspectError, match="fit under no wheel tag: bin/codex needs /"):
        variants(target, {"bin/codex": linux(target.machine, needs)}, CATALOG.layout.is_optional)


@pytest.mark.parametrize("target", CATALOG.targets, ids=lambda target: target.triple)
def test_a_tree_without_required_executables_is_refused(target: Target) -> None:
    for tree in ({}, {"codex-path/rg": program(target, {"elf": "static", "mach-o": "11.0", "pe": ""}[target.format])}):
        with pytest.raises(InspectError, match=f"the runtime for {target.triple} has no executable"):
            variants(target, tree, CATALOG.layout.is_optional)


ALIENS = {
    "another machine": executables.elf("aarch64"),
    "Mach-O": executables.macho("x86_64"),
    "PE": executables.pe("x86_64"),
}


@pytest.mark.parametrize("path", ["bin/codex-code-mode-host", "codex-path/rg"])
@pytest.mark.parametrize("alien", ALIENS)
def test_an_executable_of_another_platform_earns_no_tag(alien: str, path: str) -> None:
    tree = {"bin/codex": read(executables.elf()), path: read(ALIENS[alien])}
    with pytest.raises(InspectError, match=f"{path} fits under no wheel tag"):
        variants(CATALOG.target("x86_64-unknown-linux-musl"), tree, CATALOG.layout.is_optional)


@pytest.mark.parametrize(
    "platform",
    [
        "",
        "any",
        "linux_x86_64",
        "manylinux1_x86_64",
        "manylinux_2_x86_64",
        "manylinux_02_17_x86_64",
        "manylinux_2_017_x86_64",
        "manylinux_2_17_x86_64\n",
        "manylinux_\u0662_\u0661_x86_64",
        f"manylinux_2_{'1' * 5_000}_x86_64",
        "macosx_11_0_universal2",
        "win32",
    ],
)
def test_a_tag_that_is_not_known_is_no_promise_that_is_kept(platform: str) -> None:
    target = CATALOG.target("x86_64-unknown-linux-musl")
    assert broken_promise(platform, target, read(executables.elf())) == "that tag is not known"


# --- Rules for entries

parts = st.one_of(
    st.sampled_from(
        ["..", ".", "", "a", "A", "b", "con", "NUL.txt", "aux .x", "com1", "lpt0", "c:", "C:x", "x:y", " ", "..."]
    ),
    st.sampled_from(
        [
            "é",
            "e\u0301",
            "É",
            "ﬁ",
            "fi",
            "\u017f",
            "s",
            "S",
            "K",
            "ß",
            "ss",
            "\u1fb3",
            "\u03b1\u03b9",
            "x.",
            " x",
            "x ",
            "\\",
            "a\\b",
        ]
    ),
    st.text(st.characters(), max_size=4),
)
names = st.builds(
    lambda parts, slashes: "".join(part + slash for part, slash in zip(parts, slashes, strict=True)).removesuffix("#"),
    st.lists(parts, min_size=3, max_size=3),
    st.tuples(st.sampled_from("///\\"), st.sampled_from("///\\"), st.sampled_from(["", "", "/"])),
) | st.lists(parts, min_size=1, max_size=3).map("/".join)
kinds = st.sampled_from(["file", "file", "file", "directory", "a symbolic link"])
claims = st.none() | st.integers(-2, 2**40)
entries = st.tuples(names, kinds, claims)


def reserved_on_windows(path: str) -> bool:
    if hasattr(ntpath, "isreserved"):  # Python 3.13
        return bool(ntpath.isreserved(path))
    return PureWindowsPath(path).is_reserved()


@MANY
@given(drawn=st.lists(entries, max_size=8))
def test_what_is_admitted_lies_below_its_root_on_every_system(drawn: list[tuple[str, str, int | None]]) -> None:
    rules = EntryRules("x.tar", 1)
    for name, kind, size in drawn:
        try:
            path = rules.admit(name, kind, size)
        except ArchiveError as error:
            message = str(error)
            assert message.startswith("x.tar: the entry ")
            assert message.isprintable()
            continue
        assert kind in ("file", "directory")
        assert size is None or 0 <= size <= 2 << 30
        assert not path.startswith("/")
        if not path:
            assert kind == "directory"
            continue
        assert posixpath.normpath(posixpath.join("/top", path)) == f"/top/{path}"
        assert ntpath.normpath(ntpath.join("C:\\root", path)) == "C:\\root\\" + path.replace("/", "\\")
        on_windows = PureWindowsPath(path)
        assert (on_windows.drive, on_windows.root, on_windows.parts) == ("", "", tuple(path.split("/")))
        assert not reserved_on_windows(path)


@MANY
@given(drawn=st.lists(names, max_size=10))
@example(["\u03b1\u0345\u0301", "\u03b1\u03b9\u0301"])
@example(["\u017f", "S"])
@example(["a/b", "A/c"])
def test_no_two_admitted_files_are_one_where_case_or_unicode_form_do_not_count(drawn: list[str]) -> None:
    rules = EntryRules("x.tar", 1)
    admitted = []
    for name in drawn:
        try:
            admitted.append(rules.admit(name, "file", 0))
        except ArchiveError:
            continue
    paths = {"/".join(path.split("/")[:depth]) for path in admitted for depth in range(1, path.count("/") + 2)}
    for fold in (
        str.casefold,
        str.upper,
        str.lower,
        lambda path: unicodedata.normalize("NFC", path),
        lambda path: unicodedata.normalize("NFD", path),
        lambda path: unicodedata.normalize("NFKC", path),
        lambda path: unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold()),
    ):
        assert len({fold(path) for path in paths}) == len(paths)
    assert len(set(admitted)) == len(admitted)
    assert not any(one != other and other.startswith(f"{one}/") for one in admitted for other in admitted)
