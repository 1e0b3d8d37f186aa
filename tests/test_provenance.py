"""Who signed a release: what `lock` finds out about Sigstore bundles, what it refuses, and where that is recorded.

The signatures are real, made by a Sigstore instance of this test's own that the verifier is told to trust. The last
test asks the public instance's root of trust, which must not trust ours.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import archives
import pytest
from fake_release import FakeRelease
from github_server import GitHubServer, github_server
from recording import direct
from sigstore.models import TrustedRoot
from sigstore.verify import Verifier
from sigstore_instance import SigstoreInstance, legacy_bundle

from codex_release.base.digests import FileDigest
from codex_release.base.errors import LockError, SignatureError
from codex_release.facts.lock import Lock
from codex_release.facts.signatures import Signature
from codex_release.facts.versions import ReleaseVersion
from codex_release.pin import sigstore as signatures
from codex_release.pin.sigstore import verify_bundle
from codex_release.report.store import read_report
from codex_release.sources import Bundle

pytestmark = pytest.mark.slow

VERSION = ReleaseVersion.parse(archives.VERSION)
LINUX = archives.CATALOG.target("x86_64-unknown-linux-musl")
MAC = archives.CATALOG.target("aarch64-apple-darwin")


class Signer(NamedTuple):
    identity: str
    issuer: str


SIGNER = Signer(archives.CATALOG.github.signer.replace("{tag}", VERSION.tag), archives.CATALOG.github.issuer)
EXECUTABLE = archives.runtime(LINUX)["bin/codex"]
BUNDLE = "codex-x86_64-unknown-linux-musl.sigstore"


@pytest.fixture(scope="module")
def instance() -> SigstoreInstance:
    return SigstoreInstance()


@pytest.fixture
def trusted(instance: SigstoreInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the verifier trust our own instance."""
    root = tmp_path / "trusted_root.json"
    root.write_text(instance.trusted_root(), encoding="utf-8")
    verifier = Verifier(trusted_root=TrustedRoot.from_file(str(root)))
    monkeypatch.setattr(signatures, "_verifier", lambda: verifier)


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[GitHubServer]:
    """GitHub with the archives of the release; bundles are put there by the tests."""
    direct(monkeypatch, tmp_path)
    for name in ("GH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with github_server(archives.CATALOG.github.repository) as server:
        publish(server, {})
        monkeypatch.setenv("GITHUB_API_URL", server.api_root)
        yield server


def publish(server: GitHubServer, bundles: dict[str, bytes]) -> None:
    packed = [archives.package_tar(target) for target in archives.CATALOG.targets]
    server.release(VERSION.tag, {each.name: each.data for each in packed} | bundles)


def digest_of(content: bytes) -> FileDigest:
    return FileDigest(len(content), hashlib.sha256(content).hexdigest())


def signed(instance: SigstoreInstance, content: bytes = EXECUTABLE, signer: Signer = SIGNER) -> bytes:
    return instance.bundle(content, identity=signer.identity, issuer=signer.issuer)


def locked(release: FakeRelease, triple: str = LINUX.triple) -> Signature | None:
    return Lock.read(release.lock_file).targets[triple].signature


class TestLocking:
    def test_a_signature_that_holds_is_recorded_with_its_signer(
        self, release: FakeRelease, github: GitHubServer, instance: SigstoreInstance, trusted: None
    ) -> None:
        publish(github, {BUNDLE: signed(instance)})
        release.ran("lock", archives.VERSION, source=Path("github"))
        assert locked(release) == Signature("verified", BUNDLE, SIGNER.identity, SIGNER.issuer)
        assert locked(release, MAC.triple) == Signature("absent")
        assert SIGNER.identity.endswith(f"/rust-release.yml@refs/tags/{VERSION.tag}")
        release.ran("lock", "--check", source=Path("github"))

    @pytest.mark.parametrize(
        ("content", "signer", "why"),
        [
            (b"another executable", SIGNER, "digest mismatch"),
            (EXECUTABLE, Signer(SIGNER.identity.replace("release.yml", "release2.yml"), SIGNER.issuer), "SANs"),
            (EXECUTABLE, Signer(SIGNER.identity + "-alpha.1", SIGNER.issuer), "SANs"),
            (EXECUTABLE, Signer(SIGNER.identity, "https://accounts.example"), "OIDCIssuer"),
        ],
        ids=["other bytes", "another workflow", "another tag", "another issuer"],
    )
    def test_a_signature_that_does_not_hold_stops_and_leaves_the_lock_alone(
        self,
        release: FakeRelease,
        github: GitHubServer,
        instance: SigstoreInstance,
        trusted: None,
        content: bytes,
        signer: Signer,
        why: str,
    ) -> None:
        before = release.lock_file.read_bytes()
        publish(github, {BUNDLE: signed(instance, content, signer)})
        line = release.refused("lock", archives.VERSION, source=Path("github"))
        assert BUNDLE in line
        assert "bin/codex" in line
        assert why in line
        assert "do not use this release" in line
        assert release.lock_file.read_bytes() == before
        release.refused("lock", "--check", source=Path("github"))

    def test_the_format_of_before_bundles_is_recorded_as_what_it_is(
        self, release: FakeRelease, github: GitHubServer
    ) -> None:
        publish(github, {BUNDLE: legacy_bundle(EXECUTABLE)})
        release.ran("lock", archives.VERSION, source=Path("github"))
        assert locked(release) == Signature("unsupported", BUNDLE)

    def test_but_not_if_it_is_of_other_bytes(self, release: FakeRelease, github: GitHubServer) -> None:
        publish(github, {BUNDLE: legacy_bundle(b"another executable")})
        line = release.refused("lock", archives.VERSION, source=Path("github"))
        assert digest_of(b"another executable").sha256 in line
        assert digest_of(EXECUTABLE).sha256 in line

    def test_without_the_extra_it_is_recorded_and_said_that_nobody_verified(
        self, release: FakeRelease, github: GitHubServer, instance: SigstoreInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish(github, {BUNDLE: signed(instance)})
        for name in [each for each in sys.modules if each.partition(".")[0] == "sigstore"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "sigstore", None)
        said = release.ran("lock", archives.VERSION, source=Path("github"))
        assert locked(release) == Signature("unchecked", BUNDLE)
        assert "codex-release[sigstore]" in said.err

    def test_a_directory_may_hold_the_bundle_too(
        self, release: FakeRelease, instance: SigstoreInstance, trusted: None
    ) -> None:
        assert locked(release) == Signature("absent")
        (release.archives / BUNDLE).write_bytes(signed(instance))
        release.ran("lock", archives.VERSION)
        assert locked(release) == Signature("verified", BUNDLE, SIGNER.identity, SIGNER.issuer)

    def test_what_was_verified_once_stays_verified_when_another_source_answers(
        self, release: FakeRelease, github: GitHubServer, instance: SigstoreInstance, trusted: None
    ) -> None:
        publish(github, {BUNDLE: signed(instance)})
        release.ran("lock", archives.VERSION, source=Path("github"))
        release.ran("lock", archives.VERSION)
        assert locked(release) == Signature("verified", BUNDLE, SIGNER.identity, SIGNER.issuer)
        said = release.ran("lock", "--check")
        assert "was not verified now (absent)" in said.err

    def test_nor_is_it_forgotten_that_there_is_one_in_an_older_format(
        self, release: FakeRelease, github: GitHubServer
    ) -> None:
        publish(github, {BUNDLE: legacy_bundle(EXECUTABLE)})
        release.ran("lock", archives.VERSION, source=Path("github"))
        release.ran("lock", archives.VERSION)
        assert locked(release) == Signature("unsupported", BUNDLE)


class TestLocksOfBefore:
    def test_a_lock_that_says_nothing_of_signatures_holds(
        self, release: FakeRelease, github: GitHubServer, instance: SigstoreInstance, trusted: None
    ) -> None:
        text = release.lock_file.read_text(encoding="utf-8")
        lines = iter(text.splitlines(keepends=True))
        kept = ""
        for line in lines:
            if line.rstrip().endswith(".signature]"):
                assert next(lines) == 'state = "absent"\n'
                next(lines)
            else:
                kept += line
        release.lock_file.write_text(kept, encoding="utf-8")
        assert locked(release) is None
        publish(github, {BUNDLE: signed(instance)})
        release.ran("lock", "--check")
        release.ran("lock", "--check", source=Path("github"))

    def test_a_state_that_nobody_knows_is_no_lock(self, release: FakeRelease) -> None:
        text = release.lock_file.read_text(encoding="utf-8")
        with pytest.raises(LockError, match=r"signature\.state is 'probably', not one of verified"):
            Lock.loads(text.replace('state = "absent"', 'state = "probably"'), "the lock")


class TestWhereItIsRecorded:
    def test_the_wheel_and_the_report_name_the_signer_and_nobody_else(
        self, release: FakeRelease, instance: SigstoreInstance, trusted: None, tmp_path: Path
    ) -> None:
        (release.archives / BUNDLE).write_bytes(signed(instance))
        release.ran("lock", archives.VERSION)
        release.ran("build", "--target", LINUX.triple, "--target", MAC.triple, "--out", tmp_path)
        told = {each.target: each for each in read_report(tmp_path).origins}
        assert (told[LINUX.triple].signature, told[LINUX.triple].identity) == ("verified", SIGNER.identity)
        assert (told[MAC.triple].signature, told[MAC.triple].identity) == ("absent", "")
        assert SIGNER.identity in (tmp_path / "release.html").read_text(encoding="utf-8")
        properties = {path.name: entrypoint_properties(path) for path in tmp_path.glob("codex_cli_bin-*.whl")}
        (linux,) = [each for name, each in properties.items() if "linux" in name]
        (mac,) = [each for name, each in properties.items() if "macosx" in name]
        assert linux["codex-release:sigstore-identity"] == SIGNER.identity
        assert linux["codex-release:sigstore-issuer"] == SIGNER.issuer
        assert "codex-release:sigstore-identity" not in mac

    def test_the_same_lock_gives_the_same_wheel_whoever_serves_the_bytes(
        self, release: FakeRelease, github: GitHubServer, tmp_path: Path
    ) -> None:
        release.ran("lock", archives.VERSION, source=Path("github"))
        for name, source in {"one": release.archives, "two": Path("github")}.items():
            release.ran("cache", "clear")
            release.ran("build", "--target", LINUX.triple, "--out", tmp_path / name, source=source)
        one, two = (
            {path.name: path.read_bytes() for path in (tmp_path / name).glob("*.whl")} for name in ("one", "two")
        )
        assert one == two


def entrypoint_properties(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".cdx.json")]
        document = json.loads(archive.read(name))
    (entrypoint,) = [each for each in document["components"] if each["name"] == "bin/codex"]
    return {each["name"]: each["value"] for each in entrypoint["properties"]}


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}", b'{"mediaType": 3}', b"[" * 100_000])
def test_what_is_no_bundle_is_one_line(content: bytes, trusted: None) -> None:
    with pytest.raises(SignatureError) as caught:
        verify_bundle(Bundle(BUNDLE, content), "bin/codex", digest_of(EXECUTABLE), *SIGNER)
    assert BUNDLE in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_public_instance_does_not_vouch_for_anybodys_signature(instance: SigstoreInstance) -> None:
    with pytest.raises(SignatureError, match="is not valid"):
        verify_bundle(Bundle(BUNDLE, signed(instance)), "bin/codex", digest_of(EXECUTABLE), *SIGNER)
