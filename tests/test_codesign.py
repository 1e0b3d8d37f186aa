"""Code signatures prove themselves: on the pinned executables of every platform, and no change to one goes unseen."""

from __future__ import annotations

import io
import os
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from struct import pack, unpack_from
from typing import TYPE_CHECKING, BinaryIO

import executables
import pytest
import signing
from archives import CATALOG
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codex_release.base.errors import InspectError, ReleaseError, SignatureError
from codex_release.facts.signatures import AD_HOC, DIGEST_INTACT, UNSIGNED, VERIFIED, CodeSignature
from codex_release.facts.targets import CodeSigning
from codex_release.runtime.codesign import examine
from codex_release.runtime.headers import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codex_release.context import Context

MACOS = [target.triple for target in CATALOG.targets if target.format == "mach-o"]
WINDOWS = [target.triple for target in CATALOG.targets if target.format == "pe"]
OTHERS = [target.triple for target in CATALOG.targets if target.format == "elf"]


def judged(data: bytes, trust: CodeSigning | None = None) -> CodeSignature | None:
    """What is said of an executable in memory, by default with the miniature authority as the only one."""
    trust = trust or CodeSigning((signing.TEAM,), (signing.identity().root,))
    return examine(Span(io.BytesIO(data), "program", 0, len(data)), trust)


def refusal(data: bytes, trust: CodeSigning | None = None) -> str:
    """Why one is refused."""
    with pytest.raises(SignatureError) as raised:
        judged(data, trust)
    return str(raised.value)


def with_bytes(data: bytes, at: int, new: bytes) -> bytes:
    """The data with other bytes at a place."""
    return data[:at] + new + data[at + len(new) :]


def flipped(data: bytes, at: int) -> bytes:
    """The data with one bit changed."""
    return with_bytes(data, at, bytes([data[at] ^ 1]))


MACHO = executables.macho(sign=signing.mach_signature(), text=os.urandom(9_000))
CODE = 0x1000 + 9_000
PE = executables.pe(sign=signing.authenticode())
GOOD = CodeSignature(VERIFIED, f"Signer ({signing.TEAM})", signing.TEAM, ("runtime",))
INTACT = CodeSignature(DIGEST_INTACT, f"Signer ({signing.TEAM})")


# --- The pinned executables


@dataclass
class Changed:
    """A file on disk with some bytes changed, seen through a window: the file itself is left alone."""

    file: BinaryIO
    changes: Mapping[int, int]
    at: int = 0

    def seek(self, offset: int, /) -> object:
        """Read from there on."""
        self.at = offset
        return self.file.seek(offset)

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, changed."""
        data = bytearray(self.file.read(size))
        for place, byte in self.changes.items():
            if self.at <= place < self.at + len(data):
                data[place - self.at] ^= byte
        self.at += len(data)
        return bytes(data)


def judged_file(path: Path, changes: Mapping[int, int] | None = None) -> CodeSignature | None:
    """What is said of a file of a pinned runtime with some bytes changed, each by a mask."""
    with path.open("rb") as file:
        image = Span(Changed(file, changes or {}), path.name, 0, path.stat().st_size)
        return examine(image, CATALOG.code_signing)


def executables_of(triple: str, tree: Path) -> dict[str, Path]:
    """The executables of a runtime, by their place in it."""
    paths = {path.relative_to(tree).as_posix(): path for path in tree.rglob("*") if path.is_file()}
    return {name: path for name, path in paths.items() if CATALOG.layout.is_executable(name)}


def signature_of(path: Path) -> tuple[int, bytes]:
    """Where the code signature of a thin macOS program begins, and its bytes."""
    data = path.read_bytes()
    at = 32
    while unpack_from("<I", data, at)[0] != 0x1D:
        at += unpack_from("<I", data, at + 4)[0]
    offset, size = unpack_from("<II", data, at + 8)
    return offset, data[offset : offset + size]


@pytest.mark.parametrize("triple", MACOS)
def test_every_executable_for_macos_is_whole_and_signed_by_its_team(
    triple: str, runtime_tree: Callable[[str], Path]
) -> None:
    found = {name: judged_file(path) for name, path in executables_of(triple, runtime_tree(triple)).items()}
    team = CATALOG.code_signing.teams[0]
    assert found
    for name, signature in found.items():
        assert signature, name
        assert (signature.state, signature.team, signature.flags) == (VERIFIED, team, ("runtime",)), name
        assert signature.signer.startswith("Developer ID Application: ")


@pytest.mark.parametrize("triple", WINDOWS)
def test_every_executable_for_windows_has_the_digest_that_was_signed_but_ripgrep_which_nobody_signed(
    triple: str, runtime_tree: Callable[[str], Path]
) -> None:
    found = {name: judged_file(path) for name, path in executables_of(triple, runtime_tree(triple)).items()}
    assert found.pop("codex-path/rg.exe") == CodeSignature(UNSIGNED)
    assert {each and each.state for each in found.values()} == {DIGEST_INTACT}


@pytest.mark.parametrize("triple", OTHERS)
def test_linux_has_no_signatures_to_judge(triple: str, runtime_tree: Callable[[str], Path]) -> None:
    assert {judged_file(path) for path in executables_of(triple, runtime_tree(triple)).values()} == {None}


def test_the_lock_says_what_is_found(context: Context, runtime_tree: Callable[[str], Path]) -> None:
    for triple, locked in context.lock.targets.items():
        found = {name: judged_file(path) for name, path in executables_of(triple, runtime_tree(triple)).items()}
        assert locked.code_signatures == {name: each for name, each in found.items() if each}


@pytest.mark.parametrize("triple", MACOS)
def test_a_changed_byte_is_one_bad_page_while_the_message_still_verifies(
    triple: str, runtime_tree: Callable[[str], Path]
) -> None:
    path = runtime_tree(triple) / "bin" / "codex"
    place = path.stat().st_size // 2
    with pytest.raises(SignatureError) as raised:
        judged_file(path, {place: 0x10})
    assert "is not valid: 1 of " in str(raised.value)
    assert f"the first at byte {place // 4096 * 4096}" in str(raised.value)
    assert "CMS" not in str(raised.value)


@pytest.mark.parametrize("triple", MACOS)
def test_what_was_not_signed_is_told_from_what_nobody_signed(triple: str, runtime_tree: Callable[[str], Path]) -> None:
    path = runtime_tree(triple) / "bin" / "codex-code-mode-host"
    start, signature = signature_of(path)
    index = dict(unpack_from(">II", signature, 12 + 8 * each) for each in range(unpack_from(">I", signature, 8)[0]))
    directory = index[0]
    hashes = unpack_from(">I", signature, directory + 16)[0]
    places = {
        "a byte of the requirements": (index[2] + 20, "special slot 2 does not"),
        "the hash of a page": (directory + hashes, "1 of "),
        "the hash of a special slot": (directory + hashes - 2 * 32, "special slot 2 does not"),
        "the team": (directory + unpack_from(">I", signature, directory + 48)[0], "CMS"),
    }
    # Behind the signed attributes is the name of the algorithm (sha256WithRSAEncryption), then the signature.
    own = signature.index(bytes.fromhex("2a864886f70d01010b"), signature.index(b"cdhashes")) + 20
    places["a byte of the signature"] = (own, "its CMS signature is not valid: its certificate did not sign this")
    for what, (place, expected) in places.items():
        with pytest.raises(SignatureError) as raised:
            judged_file(path, {start + place: 1})
        assert expected in str(raised.value), what


@pytest.mark.parametrize("triple", WINDOWS)
def test_a_changed_byte_breaks_the_digest_and_a_changed_message_its_signature(
    triple: str, runtime_tree: Callable[[str], Path]
) -> None:
    path = runtime_tree(triple) / "codex-resources" / "codex-command-runner.exe"
    data = path.read_bytes()
    headers = unpack_from("<I", data, 60)[0] + 24
    start = unpack_from("<I", data, headers + 112 + 32)[0]
    for place in (2, headers + 2, len(data) // 2, start - 1):
        with pytest.raises(SignatureError, match="the file's sha256 is not the one that was signed"):
            judged_file(path, {place: 1})
    assert judged_file(path, {headers + 64: 0xFF}) == judged_file(path), "signing writes the checksum itself"
    stated = data.index(b"\x04\x20", start)
    with pytest.raises(SignatureError, match="what was signed has another sha256"):
        judged_file(path, {stated + 2: 1})


def test_a_large_executable_is_judged_in_little_time_and_memory(runtime_tree: Callable[[str], Path]) -> None:
    path = runtime_tree(MACOS[0]) / "bin" / "codex"
    judged(MACHO)  # what is loaded the first time counts for nobody
    begun = time.process_time()
    judged_file(path)
    assert time.process_time() - begun < 8
    tracemalloc.start()
    judged_file(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size / 10


# --- macOS: small ones


def test_a_signed_program_is_verified_and_says_by_whom() -> None:
    assert judged(MACHO) == GOOD
    assert str(GOOD) == f"verified (Signer ({signing.TEAM})), runtime"


def test_a_program_that_nobody_signed_is_not_called_verified() -> None:
    assert judged(executables.macho()) == CodeSignature(AD_HOC, flags=("adhoc",))
    assert judged(executables.macho(signed=False)) == CodeSignature(UNSIGNED)
    assert judged(executables.elf()) is None
    assert judged(b"") is None


def test_flags_have_their_names_and_an_unknown_one_its_number() -> None:
    found = judged(executables.macho(sign=signing.mach_signature(flags=0x80012A00)))
    assert found
    assert found.flags == ("kill", "restrict", "library-validation", "runtime", "0x80000000")


@given(st.integers(8, len(MACHO) - 1))  # before, it is no macOS program any more
@settings(max_examples=300, deadline=None)
@example(0x1000)
@example(CODE - 1)
@example(MACHO.index(pack("<II", 0x1D, 16)))
def test_a_changed_bit_of_the_code_is_never_verified_and_one_of_the_signature_says_nothing_else(place: int) -> None:
    try:
        found = judged(flipped(MACHO, place))
    except ReleaseError:
        return
    # Without the load command that names it there is no signature: that is said, and the lock knows that there was one.
    assert found == (GOOD if place >= CODE else CodeSignature(UNSIGNED))


@given(st.integers(0, len(MACHO) - 1))
@settings(max_examples=100, deadline=None)
def test_no_cut_goes_unseen(end: int) -> None:
    if end >= 8:
        with pytest.raises(ReleaseError):
            judged(MACHO[:end])


def test_nothing_may_follow_the_signature() -> None:
    with pytest.raises(InspectError, match="something follows its code signature"):
        judged(MACHO + b"\0")
    with pytest.raises(InspectError, match="something is behind the end of its code signature"):
        judged(executables.macho(sign=lambda code: signing.mach_signature()(code) + b"behind.."))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 0xFADE0CC1),  # magic number
        (4, 0xFFFFFFFF),  # length
        (4, 0),
        (8, 0xFFFFFFFF),  # number of blobs
        (8, 0x10000),
        (16, 0xFFFFFFF0),  # offset of the first blob
        (16, 0),
    ],
)
def test_a_superblob_with_hostile_sizes_is_damaged(place: int, value: int) -> None:
    hostile = with_bytes(MACHO, CODE + place, pack(">I", value))
    begun = time.monotonic()
    with pytest.raises(InspectError):
        judged(hostile)
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("place", [0, 4, 16, 24, 28, 32])
@pytest.mark.parametrize("value", [0xFFFFFFFF, 0x7FFFFFFF, 0])
def test_a_code_directory_with_hostile_sizes_is_refused(place: int, value: int) -> None:
    directory = CODE + unpack_from(">I", MACHO, CODE + 16)[0]
    begun = time.monotonic()
    with pytest.raises(ReleaseError):
        judged(with_bytes(MACHO, directory + place, pack(">I", value)))
    assert time.monotonic() - begun < 1


def test_a_code_directory_that_leaves_pages_out_is_refused() -> None:
    def short(code: bytes) -> bytes:
        return executables.superblob({0: executables.code_directory(code[:0x1000])})

    with pytest.raises(InspectError, match="1 hashes up to byte 4096, its signature begins at 13096"):
        judged(executables.macho(sign=short, text=bytes(9_000)))


def test_a_signature_that_lacks_its_message_is_not_taken_for_an_ad_hoc_one() -> None:
    def stripped(code: bytes) -> bytes:
        return executables.superblob({0: executables.code_directory(code, flags=0x10000, team=signing.TEAM)})

    assert "nobody signed it, though it is not marked as ad-hoc" in refusal(executables.macho(sign=stripped))


def test_a_blob_that_nothing_binds_and_a_hash_without_its_blob_are_refused() -> None:
    extra = pack(">II4s", 0xFADE7171, 12, b"<x/>")

    def unbound(code: bytes) -> bytes:
        return executables.superblob({0: executables.code_directory(code), 5: extra})

    def missing(code: bytes) -> bytes:
        return executables.superblob({0: executables.code_directory(code, special={5: extra})})

    def unknown(code: bytes) -> bytes:
        return executables.superblob({0: executables.code_directory(code), 0x20000: extra})

    assert "special slot 5 does not have the hash that was signed" in refusal(executables.macho(sign=unbound))
    assert "what special slot 5 stands for is not in it" in refusal(executables.macho(sign=missing))
    assert "slot 0x20000 is not known here" in refusal(executables.macho(sign=unknown))


def test_an_alternate_code_directory_counts_as_the_first() -> None:
    assert judged(executables.macho(sign=signing.mach_signature(alternate=True))) == GOOD
    forgotten = signing.mach_signature(alternate=True, forgets_alternate=True)
    assert "is of another alternate CodeDirectory" in refusal(executables.macho(sign=forgotten))
    data = executables.macho(sign=signing.mach_signature(alternate=True), text=bytes(9_000))
    assert refusal(flipped(data, 5_000)).count("1 of 4 pages") == 2


@pytest.mark.parametrize(
    ("signer", "problem"),
    [
        (lambda: signing.identity(expired=True), "was not valid on 2026-11-13"),
        (lambda: signing.identity(marked=False), "which is no Developer ID certificate"),
        (lambda: signing.identity(codes=False), "which is no Developer ID certificate"),
        (lambda: signing.identity(authority=False), "Authority is no certificate authority"),
        (lambda: signing.identity("OTHER12345"), "is of team OTHER12345"),
    ],
)
def test_a_certificate_that_may_not_sign_is_refused(signer: Callable[[], signing.Identity], problem: str) -> None:
    who = signer()
    trust = CodeSigning((signing.TEAM,), (who.root,))
    assert problem in refusal(executables.macho(sign=signing.mach_signature(who)), trust)


def test_an_unknown_root_and_an_unknown_team_are_refused_and_named() -> None:
    own = signing.identity()
    elsewhere = refusal(MACHO, CodeSigning((signing.TEAM,), ("0" * 64,)))
    assert f"its certificates end with Root (sha256 {own.root}), which is no root that is known here" in elsewhere
    stranger = refusal(MACHO, CodeSigning(("SOMEONE", "ELSE"), (own.root,)))
    assert f"is of team {signing.TEAM}" in stranger
    assert "code_signing.teams in targets.toml" in stranger


def test_a_message_without_its_certificates_proves_nothing() -> None:
    def alone(*arguments: object, **options: object) -> bytes:
        return signing.message(*arguments, **options, certificates=signing.identity().certificates[:1])  # type: ignore[arg-type]

    def nobody(*arguments: object, **options: object) -> bytes:
        return signing.message(*arguments, **options, certificates=())  # type: ignore[arg-type]

    assert "which is no root" in refusal(executables.macho(sign=signing.mach_signature(make=alone)))
    assert "the signer's certificate is not in it" in refusal(
        executables.macho(sign=signing.mach_signature(make=nobody))
    )


def test_a_message_that_rests_on_sha1_is_refused() -> None:
    def weak(*arguments: object, **options: object) -> bytes:
        return signing.message(*arguments, **options, algorithm="sha1")  # type: ignore[arg-type]

    assert "it rests on sha1" in refusal(executables.macho(sign=signing.mach_signature(make=weak)))
    assert "it rests on sha1" in refusal(executables.pe(sign=signing.authenticode(algorithm="sha1")))


def test_every_slice_of_a_fat_program_counts() -> None:
    other = executables.macho("x86_64", sign=signing.mach_signature())
    assert judged(executables.fat([MACHO, other])) == GOOD
    assert "(x86_64 slice) is not valid: 1 of 1 pages" in refusal(executables.fat([MACHO, flipped(other, 0xFF0)]))
    assert "are signed differently: ad-hoc, adhoc; verified" in refusal(
        executables.fat([MACHO, executables.macho("x86_64")])
    )


# --- Windows: small ones


def test_a_signed_windows_program_has_its_digest_intact_and_is_never_called_verified() -> None:
    assert judged(PE) == INTACT
    assert judged(executables.pe("i386", sign=signing.authenticode())) == INTACT
    assert judged(executables.pe()) == CodeSignature(UNSIGNED)


def test_a_certificate_that_is_long_over_says_nothing_against_a_windows_program() -> None:
    assert judged(executables.pe(sign=signing.authenticode(signing.identity(expired=True)))) == INTACT


@given(st.integers(2, len(PE) - 1))  # before, it is no Windows program any more
@settings(max_examples=300, deadline=None)
def test_a_changed_bit_of_a_windows_program_is_never_another_answer(place: int) -> None:
    try:
        found = judged(flipped(PE, place))
    except ReleaseError:
        return
    if place < 0x400:
        assert 64 + 24 + 64 <= place < 64 + 24 + 68, "only the checksum is not hashed"
    assert found == INTACT


def test_a_windows_program_with_something_around_its_certificates_is_damaged() -> None:
    with pytest.raises(InspectError, match="its certificate table is not its end"):
        judged(PE + bytes(8))
    with pytest.raises(InspectError, match="does not hold one signature"):
        judged(with_bytes(PE, 0x400, pack("<I", 8)))
    with pytest.raises(InspectError):
        judged(PE[:-1])


def test_a_message_that_is_of_no_windows_program_is_refused() -> None:
    other = "1.3.6.1.4.1.311.2.1.99"
    assert f"it is of {other}" in refusal(executables.pe(sign=signing.authenticode(kind=other)))
    assert "cannot be understood" in refusal(executables.pe(signed=True))
