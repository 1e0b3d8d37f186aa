"""Where it is recorded what executables' own signatures prove: the lock, the wheel, the report; and who is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import archives
import executables
import pytest
import signing
from fake_release import FakeRelease

from codex_release.base.errors import LockError
from codex_release.facts.lock import Lock, Runtime
from codex_release.facts.signatures import AD_HOC, DIGEST_INTACT, UNSIGNED, VERIFIED, CodeSignature, in_words
from codex_release.facts.targets import Target
from codex_release.report.store import read_report
from codex_release.wheels.sbom import sbom_json

if TYPE_CHECKING:
    from codex_release.facts.targets import Target

pytestmark = pytest.mark.slow

MAC = archives.CATALOG.target("aarch64-apple-darwin")
WINDOWS = archives.CATALOG.target("x86_64-pc-windows-msvc")
LINUX = archives.CATALOG.target("x86_64-unknown-linux-musl")
SIGNED = CodeSignature(VERIFIED, f"Signer ({signing.TEAM})", signing.TEAM, ("runtime",))


def serve(release: FakeRelease, target: Target, path: str, data: bytes) -> None:
    """Have the release serve another executable."""
    files = {**archives.runtime(target), path: data}
    entries = [archives.tar_entry(name, content) for name, content in files.items()]
    (release.archives / f"codex-package-{target.triple}.tar.gz").write_bytes(archives.gzipped(archives.tar(*entries)))


def trusting(release: FakeRelease) -> FakeRelease:
    """The release in a checkout that knows the miniature authority, its executables signed by it and locked anew."""
    facts = release.root / "release" / "targets.toml"
    trust = archives.CATALOG.code_signing
    text = facts.read_text(encoding="utf-8").replace(trust.teams[0], signing.TEAM)
    facts.write_text(text.replace(trust.roots[0], signing.identity().root), encoding="utf-8")
    serve(release, MAC, "bin/codex", executables.macho(sign=signing.mach_signature()))
    serve(release, WINDOWS, "bin/codex.exe", executables.pe(sign=signing.authenticode()))
    release.ran("lock", archives.VERSION)
    return release


def wheel_of(release: FakeRelease, target: Target, out: Path) -> Path:
    """The wheel of a target."""
    release.ran("build", "--target", target.triple, "--out", out)
    (wheel,) = out.glob("codex_cli_bin-*.whl")
    return wheel


def test_the_lock_records_every_shipped_executable(release: FakeRelease) -> None:
    trusting(release)
    locked = Lock.read(release.lock_file).targets
    assert locked[MAC.triple].code_signatures["bin/codex"] == SIGNED
    assert locked[MAC.triple].code_signatures["codex-path/rg"].state == AD_HOC
    assert in_words(locked[WINDOWS.triple].code_signatures.values()) == "1 digest-intact, 4 unsigned"
    assert locked[LINUX.triple].code_signatures == {}
    assert all(not path.startswith("codex-resources/voice") for path in locked[MAC.triple].code_signatures)
    told = json.loads(release.ran("lock", archives.VERSION, "--json").out)["code_signatures"]
    assert told[MAC.triple]["bin/codex"]["team"] == signing.TEAM


def test_a_signature_that_does_not_hold_stops_the_lock_and_leaves_it_alone(release: FakeRelease) -> None:
    before = release.lock_file.read_bytes()
    good = executables.macho(sign=signing.mach_signature())
    serve(release, MAC, "bin/codex", good[:0x800] + b"!" + good[0x801:])
    said = release.refused("lock", archives.VERSION)
    assert said.startswith("the code signature of bin/codex is not valid: 1 of 1 pages does not have the hash")
    assert release.lock_file.read_bytes() == before


def test_a_stranger_stops_the_lock(release: FakeRelease) -> None:
    serve(release, MAC, "bin/codex", executables.macho(sign=signing.mach_signature()))
    assert "which is no root that is known here" in release.refused("lock", archives.VERSION)


def test_a_lock_of_before_is_read_and_is_not_held_against_anything(release: FakeRelease, tmp_path: Path) -> None:
    text = release.lock_file.read_text(encoding="utf-8")
    kept = [part for part in text.split("\n\n") if "code_signatures]" not in part]
    release.lock_file.write_text("\n\n".join(kept), encoding="utf-8")
    assert Lock.read(release.lock_file).targets[MAC.triple].code_signatures == {}
    said = release.ran("lock", "--check").err
    assert f"{MAC.triple}: the lock says nothing of its executables' own signatures" in said
    release.ran("check", wheel_of(release, MAC, tmp_path / "dist"))


def test_a_lock_that_says_something_else_does_not_hold(release: FakeRelease, tmp_path: Path) -> None:
    trusting(release)
    wheel = wheel_of(release, MAC, tmp_path / "dist")
    release.ran("lock", "--check")
    text = release.lock_file.read_text(encoding="utf-8")
    release.lock_file.write_text(text.replace(f"Signer ({signing.TEAM})", "Somebody"), encoding="utf-8")
    assert "the lock says verified (Somebody, team TEAM123456), runtime" in release.refused("lock", "--check")
    found = release.ran("check", wheel, code=1).out
    assert "bin/codex is verified (Signer" in found.replace("\n", " ")


@pytest.mark.parametrize(
    "words", ['{state = "trusted"}', '{state = "verified", flags = "runtime"}', '{state = "verified", by = "me"}', "{}"]
)
def test_a_code_signature_that_nobody_can_mean_is_no_lock(words: str, release: FakeRelease) -> None:
    text = release.lock_file.read_text(encoding="utf-8")
    line = '"bin/codex" = {state = "ad-hoc", flags = ["adhoc"]}'
    assert line in text
    with pytest.raises(LockError):
        Lock.loads(text.replace(line, f'"bin/codex" = {words}'), "the lock")
    with pytest.raises(LockError):
        Lock.loads(text.replace(line, line.replace("bin/codex", "bin/other")), "the lock")


def test_the_lock_reads_back_what_it_wrote(release: FakeRelease) -> None:
    trusting(release)
    lock = Lock.read(release.lock_file)
    assert Lock.loads(lock.dumps(), "the lock") == lock


def test_what_an_older_lock_knew_is_kept_where_the_files_are_the_same(release: FakeRelease) -> None:
    mac = Lock.read(release.lock_file).targets[MAC.triple]
    unasked = type(mac)(mac.archives, mac.files)
    assert unasked.merged(mac).code_signatures == mac.code_signatures
    assert type(mac)(mac.archives, {}).merged(mac).code_signatures == {}


def test_check_finds_what_is_signed_wrongly_with_a_lock_and_without(release: FakeRelease, tmp_path: Path) -> None:
    trusting(release)
    good = wheel_of(release, MAC, tmp_path / "dist")
    release.ran("check", good)
    bad = tmp_path / "bad" / good.name
    bad.parent.mkdir()
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as sink:
        for info in source.infolist():
            data = source.read(info)
            if info.filename.endswith("bin/codex"):
                data = data[:0x800] + b"!" + data[0x801:]
            sink.writestr(info, data)
    for options in ((), ("--unlocked",)):
        problems = json.loads(release.ran("check", bad, "--json", *options, code=1).out)[str(bad)]["problems"]
        assert any("1 of 1 pages does not have the hash that was signed" in each for each in problems)


def test_the_bill_of_materials_and_the_report_say_what_the_lock_says(release: FakeRelease, tmp_path: Path) -> None:
    trusting(release)
    wheel = wheel_of(release, MAC, tmp_path / "dist")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if "/sboms/" in name]
        files = {each["name"]: each for each in json.loads(archive.read(name))["components"]}
    said = {each["name"]: each["value"] for each in files["bin/codex"]["properties"]}
    assert said["codex-release:code-signature"] == VERIFIED
    assert said["codex-release:code-signature-signer"] == SIGNED.signer
    assert said["codex-release:code-signature-team"] == signing.TEAM
    assert said["codex-release:code-signature-flags"] == "runtime"
    assert not any("code-signature" in each["name"] for each in files["codex-package.json"]["properties"])
    report = read_report(tmp_path / "dist" / "release.json")
    origin = next(each for each in report.origins if each.target == MAC.triple)
    assert [(each.state, each.files) for each in origin.code] == [
        (VERIFIED, ("bin/codex",)),
        (AD_HOC, ("bin/codex-code-mode-host", "codex-path/rg")),
    ]
    page = (tmp_path / "dist" / "release.html").read_text(encoding="utf-8")
    assert "verified, every page" in page
    assert SIGNED.signer in page


def test_windows_is_never_called_verified(release: FakeRelease) -> None:
    trusting(release)
    lock = Lock.read(release.lock_file)
    locked = lock.targets[WINDOWS.triple]
    assert locked.code_signatures["bin/codex.exe"].state == DIGEST_INTACT
    assert locked.code_signatures["codex-path/rg.exe"].state == UNSIGNED
    document = sbom_json(Runtime(lock.version, WINDOWS, locked), locked.files, archives.CATALOG)
    assert VERIFIED not in document


def test_a_signer_that_changes_makes_the_wheel_anew(release: FakeRelease, tmp_path: Path) -> None:
    trusting(release)
    before = wheel_of(release, MAC, tmp_path / "dist").read_bytes()
    text = release.lock_file.read_text(encoding="utf-8")
    release.lock_file.write_text(text.replace(f"Signer ({signing.TEAM})", "Somebody"), encoding="utf-8")
    assert wheel_of(release, MAC, tmp_path / "dist").read_bytes() != before
