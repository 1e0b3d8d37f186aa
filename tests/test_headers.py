"""The reader of executable headers: it agrees with the maintained parsers, and no file can confuse it."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
import sysconfig
import time
import tracemalloc
from datetime import timedelta
from pathlib import Path
from struct import pack, unpack_from
from typing import TYPE_CHECKING

import executables
import header_oracles
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codex_release.base.errors import InspectError
from codex_release.facts.targets import Catalog
from codex_release.runtime.headers import HEAD_SIZE, Executable, looks_executable, read_executable
from codex_release.runtime.headers.reader import MOST

if TYPE_CHECKING:
    from collections.abc import Callable

    RuntimeTree = Callable[[str], Path]

CATALOG = Catalog.load(Path(__file__).parents[1] / "release" / "targets.toml")

DYNAMIC = executables.elf(interpreter="/lib64/ld-linux-x86-64.so.2", glibc=("2.17", "2.2.5"), needed=("libm.so.6",))
SAMPLES = {
    "static ELF": executables.elf(),
    "static ELF without sections": executables.elf("aarch64", sections=False),
    "dynamic ELF": DYNAMIC,
    "Mach-O for Apple silicon": executables.macho(),
    "Mach-O for Intel": executables.macho("x86_64", minos=(10, 12), build_version=False),
    "Mach-O, unsigned": executables.macho(signed=False, minos=None),
    "fat Mach-O": executables.fat([executables.macho("x86_64", minos=(10, 12)), executables.macho()]),
    "fat Mach-O with 64-bit offsets": executables.fat([executables.macho()], wide=True),
    "PE": executables.pe(),
    "PE, signed": executables.pe("aarch64", signed=True),
    "32-bit PE": executables.pe("i386", signed=True),
}


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], Executable]:
    """Reads a file with the given content."""
    path = tmp_path / "program"

    def read_bytes(data: bytes) -> Executable:
        path.write_bytes(data)
        return read_executable(path)

    return read_bytes


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for tests that write thousands."""
    return tmp_path_factory.mktemp("headers") / "program"


def executables_below(directory: Path) -> list[Path]:
    """Every file of a tree that begins like an executable, whatever its name or mode."""
    found = []
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                if looks_executable(file.read(HEAD_SIZE)):
                    found.append(path)
    return found


# Real executables


@pytest.mark.parametrize("triple", CATALOG.triples)
def test_a_maintained_parser_reads_the_same_from_every_executable_of_a_runtime(
    triple: str, runtime_tree: RuntimeTree
) -> None:
    for path in executables_below(runtime_tree(triple)):
        assert read_executable(path) == header_oracles.ask(path), path


@pytest.mark.parametrize("triple", CATALOG.triples)
def test_every_executable_of_a_runtime_is_for_its_target(triple: str, runtime_tree: RuntimeTree) -> None:
    target, tree = CATALOG.target(triple), runtime_tree(triple)
    found = executables_below(tree)
    assert tree / target.fill(CATALOG.layout.entrypoint) in found
    for path in found:
        executable = read_executable(path)
        assert (executable.format, executable.machines) == (target.format, (target.machine,)), path


@pytest.mark.parametrize("triple", CATALOG.triples)
def test_codex_itself_asks_little_of_its_system(triple: str, runtime_tree: RuntimeTree) -> None:
    target = CATALOG.target(triple)
    codex = read_executable(runtime_tree(triple) / target.fill(CATALOG.layout.entrypoint))
    if target.format == "elf":
        assert codex.static
        assert (codex.interpreter, codex.glibc, codex.needed) == (None, None, ())
    else:
        assert codex.signed
    assert (codex.minos is not None) == (target.format == "mach-o")


@pytest.mark.parametrize("triple", CATALOG.triples)
def test_a_whole_runtime_is_read_in_ten_milliseconds_and_little_memory(triple: str, runtime_tree: RuntimeTree) -> None:
    paths = executables_below(runtime_tree(triple))
    times = []
    for _ in range(5):
        start = time.perf_counter()
        for path in paths:
            read_executable(path)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.010

    tracemalloc.start()
    try:
        for path in paths:
            read_executable(path)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_maintained_parser_reads_the_same_from_this_python_and_its_extension_modules() -> None:
    paths = [Path(sys.executable).resolve()]
    for extensions in (Path(sysconfig.get_path("platstdlib"), "lib-dynload"), Path(sys.base_prefix, "DLLs")):
        paths += executables_below(extensions)
    for path in paths:
        assert read_executable(path) == header_oracles.ask(path), path


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux writes it into the file")
def test_this_python_asks_for_no_newer_glibc_than_the_one_it_runs_on() -> None:
    executable = read_executable(Path(sys.executable).resolve())
    library, version = platform.libc_ver()
    if library == "glibc":
        major, minor, *_ = version.split(".")
        assert executable.glibc is not None
        assert executable.glibc <= (int(major), int(minor))
    else:
        assert executable.glibc is None


# The synthetic ones


@pytest.mark.parametrize("data", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_maintained_parser_reads_the_same_from_a_synthetic_executable(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(data)
    assert read_executable(path) == header_oracles.ask(path)


@pytest.mark.skipif(sys.platform != "linux", reason="it is a Linux program")
def test_the_kernel_runs_a_synthetic_static_program(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(executables.elf(CATALOG.host().machine))
    path.chmod(0o755)
    assert subprocess.run([path]).returncode == 0


# What counts


def test_a_program_without_interpreter_and_libraries_is_static(read: Callable[[bytes], Executable]) -> None:
    assert read(executables.elf()) == Executable(format="elf", machines=("x86_64",), static=True)


def test_an_interpreter_or_a_library_makes_a_program_dynamic(read: Callable[[bytes], Executable]) -> None:
    assert read(executables.elf(interpreter="/lib/ld-musl-x86_64.so.1")) == Executable(
        format="elf", machines=("x86_64",), static=False, interpreter="/lib/ld-musl-x86_64.so.1"
    )
    assert read(executables.elf(needed=("libdl.so.2", "libc.so.6"))) == Executable(
        format="elf", machines=("x86_64",), static=False, needed=("libdl.so.2", "libc.so.6")
    )


@pytest.mark.parametrize(
    ("versions", "glibc"),
    [
        (("2.17",), (2, 17)),
        (("2.9", "2.28", "2.3.4"), (2, 28)),
        (("2.2.5",), (2, 2)),
        (("PRIVATE",), None),
        (("PRIVATE", "2.34"), (2, 34)),
        (("2.34", "ABI_DT_RELR"), (2, 36)),
    ],
)
def test_the_largest_glibc_version_counts(
    versions: tuple[str, ...], glibc: tuple[int, int] | None, read: Callable[[bytes], Executable]
) -> None:
    assert read(executables.elf(glibc=versions)).glibc == glibc


@pytest.mark.parametrize("version", ["ABI_TOMORROW", "2", "2.17x", "2.99999"])
def test_a_glibc_version_that_says_nothing_known_is_refused(version: str, read: Callable[[bytes], Executable]) -> None:
    with pytest.raises(InspectError, match=f"needs 'GLIBC_{version}'"):
        read(executables.elf(glibc=("2.17", version)))


def test_stripped_section_headers_hide_nothing(read: Callable[[bytes], Executable]) -> None:
    def make(*, sections: bool) -> bytes:
        return executables.elf(interpreter="/lib/ld.so", glibc=("2.17",), needed=("libm.so.6",), sections=sections)

    assert len(make(sections=False)) < len(make(sections=True))
    assert read(make(sections=False)) == read(make(sections=True))


@pytest.mark.parametrize("build_version", [True, False])
def test_both_ways_to_say_the_oldest_macos_are_read(build_version: bool, read: Callable[[bytes], Executable]) -> None:
    assert read(executables.macho(minos=(10, 12), build_version=build_version)).minos == (10, 12)


def test_the_build_version_of_another_platform_says_nothing_about_macos(read: Callable[[bytes], Executable]) -> None:
    data = executables.macho(minos=(17, 0))
    macos, ios = pack("<III", 0x32, 24, 1), pack("<III", 0x32, 24, 2)
    assert data.count(macos) == 1
    assert read(data.replace(macos, ios)).minos is None


def test_a_fat_file_is_for_all_its_machines_and_as_demanding_as_its_worst_slice(
    read: Callable[[bytes], Executable],
) -> None:
    intel = executables.macho("x86_64", minos=(10, 12), build_version=False)
    apple = executables.macho("aarch64", minos=(11, 0))
    unsigned = executables.macho("aarch64", minos=None, signed=False)
    assert read(executables.fat([intel, apple])) == Executable(
        format="mach-o", machines=("x86_64", "aarch64"), minos=(11, 0), signed=True
    )
    assert read(executables.fat([intel, unsigned])) == Executable(
        format="mach-o", machines=("x86_64", "aarch64"), minos=(10, 12), signed=False
    )


@pytest.mark.parametrize("signed", [True, False])
def test_a_signature_is_seen(signed: bool, read: Callable[[bytes], Executable]) -> None:
    assert read(executables.macho(signed=signed)).signed is signed
    assert read(executables.pe(signed=signed)).signed is signed


def test_machines_have_one_name_in_all_formats(read: Callable[[bytes], Executable]) -> None:
    for machine in ("x86_64", "aarch64"):
        for make in (executables.elf, executables.macho, executables.pe):
            assert read(make(machine)).machines == (machine,)
    assert read(executables.pe("i386")).machines == ("i386",)
    assert read(executables.macho("arm64e")).machines == ("arm64e",)


def test_flags_in_a_subtype_do_not_change_the_machine(read: Callable[[bytes], Executable]) -> None:
    for machine in ("x86_64", "arm64e"):
        data = executables.macho(machine)
        assert read(_with(data, 11, b"\x80")).machines == (machine,)


def test_an_unknown_machine_stays_a_number(read: Callable[[bytes], Executable]) -> None:
    assert read(_with(executables.elf(), 18, b"\x34\x12")).machines == ("unknown (0x1234)",)


@pytest.mark.parametrize("data", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_few_bytes_are_enough_to_look_executable(data: bytes) -> None:
    assert looks_executable(data[:HEAD_SIZE])


@pytest.mark.parametrize("head", [b"", b"M", b"\x7fEL", b"#!/bin/s", b"PK\x03\x04", bytes.fromhex("cafebabe0000003d")])
def test_text_archives_and_java_classes_do_not_look_executable(head: bytes) -> None:
    assert not looks_executable(head)


# What is refused


def _with(data: bytes, offset: int, patch: bytes) -> bytes:
    """`data` with other bytes at an offset."""
    return data[:offset] + patch + data[offset + len(patch) :]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "is no executable: it is empty"),
        (b"#!/bin/sh\nexec codex\n", r"is no executable: it is a text file that begins with '#!/bin/sh\nexec codex\n'"),
        (b"PK\x03\x04\xff\xff\xff\xff\xff", "is no executable: it begins with 50 4b 03 04 ff ff ff ff"),
        (bytes.fromhex("cafebabe0000003d") + bytes(99), "is no executable: it begins with ca fe ba be 00 00 00 3d"),
        (_with(executables.elf(), 4, b"\x01"), "is a 32-bit little-endian ELF file, and only 64-bit little-endian"),
        (_with(executables.elf(), 5, b"\x02"), "is a 64-bit big-endian ELF file, and only 64-bit little-endian"),
        (_with(executables.elf(), 16, b"\x01"), "is an ELF file of type 1, neither a program nor a library"),
        (_with(executables.macho(), 0, b"\xce"), "is a 32-bit little-endian Mach-O file, and only 64-bit"),
        (_with(executables.macho(), 12, b"\x01"), "is a Mach-O file of type 1, neither a program nor a library"),
        (executables.fat([b"!<arch>\n" * 8]), "slice) is no Mach-O file: it begins with 213c6172"),
        (
            _with(SAMPLES["fat Mach-O"], 8, pack(">I", 0x0100000C)),
            "(aarch64 slice) is damaged: its own header says x86",
        ),
        (_with(executables.pe(), 64, b"NE"), "has 0x0000454e in place of a PE signature"),
        (_with(executables.pe(), 86, b"\x00"), "is a PE file that its linker did not mark as executable"),
        (_with(executables.pe(), 88, b"\x07\x01"), "is damaged: its optional header has the magic number 0x107"),
    ],
)
def test_what_is_no_executable_is_refused_by_what_it_is(data: bytes, found: str, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(data)
    with pytest.raises(InspectError) as refused:
        read_executable(path)
    assert str(refused.value).startswith(f"{path} ")
    assert found in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_opened_is_refused_with_the_cause(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(InspectError, match="cannot be read") as refused:
            read_executable(path)
        assert isinstance(refused.value.__cause__, OSError)


@pytest.mark.parametrize("data", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_file_cut_short_anywhere_is_refused(data: bytes, scratch: Path) -> None:
    scratch.write_bytes(data)
    for size in range(len(data) - 1, -1, -1):
        os.truncate(scratch, size)
        with pytest.raises(InspectError):
            read_executable(scratch)


@pytest.mark.parametrize("data", SAMPLES.values(), ids=SAMPLES.keys())
def test_bytes_that_no_header_claims_may_come_and_go(data: bytes, read: Callable[[bytes], Executable]) -> None:
    assert read(data + b"appended") == read(data + b"app") == read(data)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (_with(executables.elf(), 56, b"\xff\xff"), "its program header table has 65535 entries"),
        (_with(executables.elf(), 56, b"\x00\x00"), "it has 0 program headers of 56 bytes"),
        (_with(executables.elf(), 32, b"\xff" * 8), "its program header table ends at byte 18446744073709551671"),
        (_with(executables.elf(), 60, b"\xff\xff"), "its section header table ends at byte"),
        (_with(executables.elf(), 40, b"\xff" * 8), "its section header table ends at byte"),
        (
            _with(DYNAMIC, 120 + 8, pack("<QQQQ", 0, 0, 0, 1 << 40)),
            "its segment of type 0x2 ends at byte 1099511627776",
        ),
        (_with(DYNAMIC, 64 + 16, b"\xff" * 8), "which no segment holds"),
        (_with(executables.macho(), 16, b"\xff" * 4), "it has 4294967295 load commands"),
        (_with(executables.macho(), 20, b"\xff" * 4), "its load commands ends at byte"),
        (_with(executables.macho(), 36, bytes(4)), "its load command 0x19 has 0 bytes"),
        (_with(executables.fat([executables.macho()]), 4, b"\0\0\0\0"), "its fat header has 0 slices"),
        (_with(executables.pe(), 60, b"\xff" * 4), "its PE header ends at byte"),
        (_with(executables.pe(), 70, b"\xff\xff"), "its section table has 65535 entries"),
    ],
)
def test_a_header_that_promises_too_much_is_refused(
    data: bytes, found: str, read: Callable[[bytes], Executable]
) -> None:
    with pytest.raises(InspectError) as refused:
        read(data)
    assert found in str(refused.value)


def test_what_has_no_bytes_in_the_file_may_be_anywhere(read: Callable[[bytes], Executable]) -> None:
    nowhere = pack("<QQQQ", 2**64 - 1, 0, 0, 0)
    assert read(_with(DYNAMIC, 120 + 8, nowhere)).needed == ()
    unused = pack("<IIQQQQ", 0, 0, *[2**64 - 1] * 4)
    assert read(_with(executables.elf(sections=False), 64, unused)).static
    for uninitialized in (pack("<II", 0, 2**32 - 1), pack("<II", 2**32 - 1, 0)):
        assert read(_with(executables.pe(), 64 + 24 + 240 + 16, uninitialized)).machines == ("x86_64",)


def test_the_dynamic_segment_must_make_sense(read: Callable[[bytes], Executable]) -> None:
    needed = unpack_from("<Q", DYNAMIC, 64 + 56 + 8)[0]  # the segment's first entries: two libraries
    strtab, strsz, verneed = needed + 32, needed + 48, needed + 64
    versions = unpack_from("<Q", DYNAMIC, verneed + 8)[0] - unpack_from("<Q", DYNAMIC, 64 + 16)[0]
    for offset, patch, found in [
        (needed + 8, pack("<Q", 1 << 40), "its needed library begins at byte 1099511627776 of"),
        (strtab, pack("<Q", 0x6FFFFFFF), "its dynamic segment names libraries but has no tag 5"),
        (strsz, pack("<Q", 0x6FFFFFFF), "its dynamic segment names libraries but has no tag 10"),
        (strsz + 8, pack("<Q", 1), "its needed library begins at byte 1 of 1"),
        (strsz + 8, pack("<Q", 1 << 40), "its dynamic string table ends at byte 1099511627776"),
        (versions, b"\x02", "its version table is of revision 2"),
        (versions + 12, pack("<I", 1 << 30), "its version table ends at byte"),
    ]:
        with pytest.raises(InspectError, match=found):
            read(_with(DYNAMIC, offset, patch))
    assert read(_with(DYNAMIC, needed, pack("<Q", 0))).needed == ()  # DT_NULL: what follows is not read


def test_very_many_sections_are_counted_in_the_first_one(read: Callable[[bytes], Executable]) -> None:
    data = _with(DYNAMIC, 60, b"\0\0")
    table, actual = unpack_from("<Q", DYNAMIC, 40)[0], unpack_from("<H", DYNAMIC, 60)[0]
    assert read(_with(data, table + 32, pack("<Q", actual))) == read(DYNAMIC)
    with pytest.raises(InspectError, match="its section header table ends at byte"):
        read(_with(data, table + 32, pack("<Q", actual + 1)))


def test_a_signature_must_be_there_to_count(read: Callable[[bytes], Executable]) -> None:
    data = executables.macho()
    size = data.index(pack("<II", 0x1D, 16)) + 12
    assert not read(_with(data, size, bytes(4))).signed
    with pytest.raises(InspectError, match=f"its code signature ends at byte {len(data) + 1} of {len(data)}"):
        read(_with(data, size, pack("<I", len(data) - 0x1000 + 1)))
    data = executables.pe(signed=True)
    assert not read(_with(data, 64 + 24 + 108, pack("<I", 4))).signed  # fewer data directories than its number


def test_the_longest_headers_are_read_in_reasonable_time(read: Callable[[bytes], Executable]) -> None:
    commands = pack("<II", 0x1B, 24).ljust(24, b"\0") * MOST
    thin = executables.macho(minos=None)[:16] + pack("<IIII", MOST, len(commands), 0, 0) + commands
    start = time.process_time()
    for count in (1, 44):
        data = _with(executables.fat([thin]), 4, pack(">I", count))
        entry = data[8:28]
        assert read(_with(data, 8, entry * count)).machines == ("aarch64",) * count
    assert time.process_time() - start < 2


def test_symbol_versions_without_end_are_refused(read: Callable[[bytes], Executable]) -> None:
    assert read(executables.elf(glibc=("2.17",) * MOST)).glibc == (2, 17)
    with pytest.raises(InspectError, match=f"its version table has more than {MOST} entries"):
        read(executables.elf(glibc=("2.17",) * (MOST + 1)))


def test_a_name_without_end_is_refused(read: Callable[[bytes], Executable]) -> None:
    assert len(read(executables.elf(needed=("n" * (MOST - 1),))).needed[0]) == MOST - 1
    with pytest.raises(InspectError, match="its needed library has no end"):
        read(executables.elf(needed=("n" * MOST,)))


# Any bytes

NUMBERS = st.sampled_from([0, 1, 7, 8, 56, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 1])
PATCHES = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.builds(
        lambda number, size: (number % 256**size).to_bytes(size, "little"), NUMBERS, st.sampled_from([1, 2, 4, 8])
    ),
)
MUTANTS = st.builds(
    lambda data, patches, size: functools.reduce(lambda one, patch: _with(one, *patch), patches, data)[:size],
    st.sampled_from(list(SAMPLES.values())),
    st.lists(st.tuples(st.integers(0, 1100), PATCHES), min_size=1, max_size=6),
    st.none() | st.integers(0, 20_000),
)
MAGICS = [data[:8] for data in SAMPLES.values()] + [bytes.fromhex("cafebabf00000001")]
NOISE = st.builds(bytes.__add__, st.sampled_from([b"", *MAGICS]), st.binary(max_size=600))


@pytest.mark.slow
@given(data=MUTANTS | NOISE)
@example(data=b"MZ" + bytes(62))
@settings(max_examples=500, deadline=timedelta(seconds=1))
def test_whatever_the_bytes_are_they_are_read_or_refused(data: bytes, scratch: Path) -> None:
    scratch.write_bytes(data)
    refusals: list[str] = []
    try:
        read_executable(scratch)
    except InspectError as error:
        refusals.append(str(error))
    assert all(text.startswith(f"{scratch} ") and "\n" not in text for text in refusals)
