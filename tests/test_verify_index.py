"""Verifying a published release from outside, on a real index and on one that serves what a real one should not."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import archives
import pytest
from fake_release import FakeRelease
from loopback import Loopback, Reply
from programs import finished
from publishing import attestation
from recording import Silent
from static_index import Entry, StaticIndex, listed_entry

from codex_release.base.digests import FileDigest
from codex_release.base.http import Web
from codex_release.facts.targets import Catalog
from codex_release.index.attestations import attested_by
from codex_release.index.client import PackageIndex
from codex_release.rehearse.local_index import IndexStage, LocalIndex
from codex_release.verify import trial
from codex_release.verify.files import OurFile, file_findings
from codex_release.verify.findings import Finding
from codex_release.verify.resolution import accepted, resolution_findings, right_wheel

WINDOWS = "codex_cli_bin-0.169.0-py3-none-win_amd64.whl"
CLIENT = "codex_app_server_sdk-0.169.0-py3-none-any.whl"


NUMBERS = itertools.count(1)


@pytest.fixture
def stage(devpi: LocalIndex) -> IndexStage:
    """An empty index."""
    return devpi.stage(f"verified{next(NUMBERS)}")


@pytest.fixture(scope="module")
def complete(devpi: LocalIndex, made: FakeRelease) -> IndexStage:
    """An index with the whole release; nobody uploads anything to it."""
    # A name of its own each time: where tests of other files run between these, it is made again.
    stage = devpi.stage(f"complete{next(NUMBERS)}")
    upload(stage, *files_of(made.root / "dist"))
    return stage


@pytest.fixture
def more(devpi: LocalIndex, complete: IndexStage) -> IndexStage:
    """An index that has all of it, and takes more."""
    return devpi.stage(f"verified{next(NUMBERS)}", bases=[complete.simple_url.split("/")[-3]])


@pytest.fixture
def release(made: FakeRelease, capsys: pytest.CaptureFixture[str]) -> FakeRelease:
    return replace(made, capsys=capsys)


@pytest.fixture
def dist(made: FakeRelease) -> Path:
    """The files of the release; they are not to be changed."""
    return made.root / "dist"


def upload(stage: IndexStage, *files: Path) -> None:
    words = ("--non-interactive", "--disable-progress-bar", "-u", "", "-p", "", "--repository-url", stage.upload_url)
    finished(sys.executable, "-m", "twine", "upload", *words, *files)


def files_of(dist: Path) -> list[Path]:
    return sorted(dist.glob("codex_*"))


def verified(release: FakeRelease, url: str, *words: str | Path, code: int = 0) -> Any:
    """What ``verify-index`` answers, for machines."""
    ran = release.ran("verify-index", "0.169.0", "--index-url", url, "--no-install", "--json", *words, code=code)
    return json.loads(ran.out)


def problems(release: FakeRelease, url: str, *words: str | Path) -> list[str]:
    """What ``verify-index`` complains of."""
    found: list[str] = verified(release, url, *words, code=1)["problems"]
    return found


def test_a_whole_release_passes_with_and_without_the_published_files(
    release: FakeRelease, dist: Path, complete: IndexStage
) -> None:
    for words in (("--dist", dist), ()):
        found = verified(release, complete.simple_url, *words)
        assert found["ok"]
        assert found["problems"] == []
        asked = {(each["subject"], each["question"]) for each in found["findings"]}
        for path in files_of(dist):
            assert {(path.name, each) for each in ("content", "listed", "digest", "not yanked", "metadata")} <= asked
        assert ("macosx_26_0_arm64", "resolves") in asked
        assert ("win32", "resolves to nothing") in asked
        # The older and the newer glibc get their own wheel.
        taken = {each["subject"]: each["note"] for each in found["findings"] if each["question"] == "resolves"}
        assert "musllinux" in taken["manylinux_2_17_aarch64"]
        assert "manylinux_2_18" in taken["manylinux_2_41_aarch64"]


def test_an_index_that_has_nothing_is_told_of_file_by_file(release: FakeRelease, dist: Path, stage: IndexStage) -> None:
    found = problems(release, stage.simple_url, "--dist", dist)
    for path in files_of(dist):
        assert f"{path.name}: {stage.simple_url} does not have it" in found
    without = problems(release, stage.simple_url)
    for triple in ("x86_64-unknown-linux-musl", "aarch64-pc-windows-msvc"):
        assert any(triple in each for each in without)
    assert "Codex 0.169.0: there are 0 pinned wheels of the client, not one" in without


def test_every_missing_file_is_listed_and_who_gets_nothing(release: FakeRelease, dist: Path, stage: IndexStage) -> None:
    missing = {WINDOWS, "codex_app_server_sdk-0.169.0.tar.gz"}
    upload(stage, *(path for path in files_of(dist) if path.name not in missing))
    found = problems(release, stage.simple_url, "--dist", dist)
    assert {each for each in found if "does not have it" in each} == {
        f"{name}: {stage.simple_url} does not have it" for name in missing
    }
    assert any(each.startswith("win_amd64: pip takes nothing: No matching distribution") for each in found)
    assert len(found) == 3


def test_without_the_published_files_a_missing_platform_is_noticed(
    release: FakeRelease, dist: Path, stage: IndexStage
) -> None:
    upload(stage, *(path for path in files_of(dist) if path.name != WINDOWS))
    found = problems(release, stage.simple_url)
    assert "win_amd64: x86_64-pc-windows-msvc has no wheel for it" in found
    assert any(each.startswith("Codex 0.169.0: ") and "x86_64-pc-windows-msvc" in each for each in found)


def test_other_bytes_under_the_same_name_are_noticed(
    release: FakeRelease, complete: IndexStage, tmp_path: Path
) -> None:
    release.ran("build", "--all", "--store", "--out", tmp_path / "other")
    found = problems(release, complete.simple_url, "--dist", tmp_path / "other")
    assert any(each.startswith(f"{WINDOWS}: the index has it with sha256 ") for each in found)
    assert any(each.startswith(f"win_amd64: pip takes {WINDOWS} with sha256 ") for each in found)
    assert not any(each.startswith(CLIENT) for each in found)


def test_a_file_too_many_is_noticed(release: FakeRelease, dist: Path, more: IndexStage, tmp_path: Path) -> None:
    extra = "codex_app_server_sdk-0.169.0-py2-none-any.whl"
    shutil.copyfile(dist / CLIENT, tmp_path / extra)
    upload(more, tmp_path / extra)
    found = problems(release, more.simple_url, "--dist", dist)
    assert found == [f"{extra}: the index has it, but it is none of the published files"]


def test_a_client_of_a_version_of_its_own_is_found(
    release: FakeRelease, dist: Path, stage: IndexStage, tmp_path: Path
) -> None:
    shutil.copytree(dist, tmp_path / "dist")
    dist = tmp_path / "dist"
    release.ran("build", "--all", "--out", dist, "--sdk-version", f"{archives.VERSION}.post7")
    upload(stage, *files_of(dist))
    assert verified(release, stage.simple_url, "--dist", dist)["ok"]
    assert verified(release, stage.simple_url, "--sdk-version", f"{archives.VERSION}.post7")["ok"]


def test_a_client_alone_is_verified_with_the_runtime_wheels_that_the_index_has(
    release: FakeRelease, dist: Path, more: IndexStage, tmp_path: Path
) -> None:
    release.ran("build", "--client-only", "--out", tmp_path / "dist", "--sdk-version", f"{archives.VERSION}.post1")
    upload(more, *files_of(tmp_path / "dist"))
    assert verified(release, more.simple_url, "--dist", dist)["ok"]  # files of other versions are nobody's business
    found = verified(release, more.simple_url, "--dist", tmp_path / "dist")
    assert found["ok"]
    content = {each["subject"] for each in found["findings"] if each["question"] == "content"}
    runtimes = {path.name for path in dist.glob("codex_cli_bin*")}
    assert content == runtimes | {path.name for path in files_of(tmp_path / "dist")}


def changed(name: str, **facts: object) -> Callable[[Entry], Entry]:
    """Serve one file with other facts."""
    return lambda entry: {**entry, **facts} if entry["filename"] == name else entry


def looked(dist: Path, app: StaticIndex, *, required: bool = False, name: str = CLIENT) -> dict[str, Finding]:
    """What is found out about one file on an index, by question."""
    web = Web(Silent())
    with Loopback(app) as server:
        index = PackageIndex(f"{server.url}/simple/", web)
        listed = index.listing("codex-app-server-sdk").get(name)
        found = file_findings(OurFile.of(dist / name), listed, index, attestations_required=required)
    web.close()
    return {each.question: each for each in found}


@pytest.mark.parametrize(
    ("facts", "question", "problem"),
    [
        ({"yanked": True}, "not yanked", "it is yanked: no reason is given"),
        ({"yanked": "it crashes"}, "not yanked", "it is yanked: it crashes"),
        ({"requires-python": ">=3.99"}, "Python", "the index says it needs Python >=3.99, its METADATA >=3.10"),
        ({"requires-python": "nonsense"}, "Python", "the index says it needs Python nonsense, its METADATA >=3.10"),
        ({"size": 5}, "digest", "the index says it has 5 bytes, ours has "),
    ],
    ids=lambda each: str(each)[:24],
)
def test_what_an_index_says_of_a_file_must_be_so(facts: Entry, question: str, problem: str, dist: Path) -> None:
    found = looked(dist, StaticIndex(dist, changed(CLIENT, **facts)))
    assert found[question].problem.startswith(problem)
    assert [each.question for each in found.values() if each.problem] == [question]


def test_a_yanked_file_fails_the_verification(release: FakeRelease, dist: Path) -> None:
    with Loopback(StaticIndex(dist, changed(CLIENT, yanked="it crashes"))) as server:
        found = problems(release, f"{server.url}/simple/", "--dist", dist)
    assert f"{CLIENT}: it is yanked: it crashes" in found


def test_metadata_beside_a_wheel_must_be_the_one_in_it(dist: Path) -> None:
    app = StaticIndex(dist, changed(CLIENT, **{"core-metadata": True}))
    app.served[f"/files/{CLIENT}.metadata"] = b"Metadata-Version: 2.1\nName: codex-app-server-sdk\nVersion: 0.169.0\n"
    assert looked(dist, app)["metadata"].problem == (
        "the metadata that the index serves beside it is not the METADATA in it"
    )


def test_an_index_that_says_as_little_as_it_may_is_read_byte_by_byte(release: FakeRelease, dist: Path) -> None:
    with Loopback(StaticIndex(dist, bare=True)) as server:
        found = verified(release, f"{server.url}/simple/", "--dist", dist)
    notes = {(each["question"], each["note"]) for each in found["findings"] if each["subject"] == CLIENT}
    assert ("digest", "the index states no digest, so it was downloaded") in notes
    assert ("metadata", "no metadata beside it") in notes


def test_an_index_that_serves_other_bytes_than_it_lists_is_noticed(release: FakeRelease, dist: Path) -> None:
    app = StaticIndex(dist)
    app.served[f"/files/{WINDOWS}"] = b"truncated"
    with Loopback(app) as server:
        found = problems(release, f"{server.url}/simple/")
    assert any(
        each.startswith(f"{WINDOWS}: the index lists {WINDOWS} with sha256 ") and "but serves" in each for each in found
    )


def provenance(name: str, sha256: str) -> bytes:
    """An index's provenance object (PEP 740), without a signature that anybody could verify."""
    publisher = {"kind": "GitHub", "repository": "owner/name", "workflow": "release.yml"}
    bundle = {"publisher": publisher, "attestations": [attestation(name, sha256)]}
    return json.dumps({"version": 1, "attestation_bundles": [bundle]}).encode()


def test_attestations_are_reported_where_they_are(dist: Path) -> None:
    app = StaticIndex(dist, changed(CLIENT, provenance="/provenance"))
    app.served["/provenance"] = provenance(CLIENT, listed_entry(dist / CLIENT)["hashes"]["sha256"])
    assert looked(dist, app, required=True)["attestations"].note == "attested by GitHub owner/name release.yml"
    app.served["/provenance"] = provenance(CLIENT, "a" * 64)
    assert "not about these bytes" in looked(dist, app)["attestations"].problem
    assert looked(dist, StaticIndex(dist))["attestations"] == Finding(CLIENT, "attestations", "no attestations")


def test_nothing_is_installed_of_what_does_not_hold(release: FakeRelease, dist: Path) -> None:
    with Loopback(StaticIndex(dist)) as server:
        url = f"{server.url}/simple/"
        words = ("--index-url", url, "--dist", dist, "--require-attestations")
        ran = release.ran("verify-index", "0.169.0", *words, code=1)
    assert "this machine  not asked" in ran.out
    assert "nothing is installed, because of the problems above" in ran.out


def test_what_is_tried_gets_no_secrets() -> None:
    given = ("PATH", "GH_TOKEN", "TWINE_PASSWORD", "ACTIONS_ID_TOKEN_REQUEST_URL", "A_SECRET", "NPM_CONFIG__AUTH")
    assert trial._fit(dict.fromkeys(given, "x")).keys() == {"PATH", "NO_PROXY", "no_proxy"}


def test_attestations_can_be_required(release: FakeRelease, dist: Path) -> None:
    with Loopback(StaticIndex(dist)) as server:
        found = problems(release, f"{server.url}/simple/", "--dist", dist, "--require-attestations")
    assert found == [f"{path.name}: the index has no attestations of it" for path in files_of(dist)]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (provenance("other.whl", "a" * 64), "is about other.whl"),
        (provenance("a.whl", "b" * 64), "with sha256 bbbb"),
        (b'{"attestation_bundles": []}', "holds no attestation"),
        (b"<html>", "^its provenance is no JSON: "),
        (b"[]", "^its provenance: the whole of it is .*, not a table$"),
        (b"{}", "^its provenance: attestation_bundles is missing$"),
        (
            provenance("a.whl", "a" * 64).replace(b"envelope", b"letter"),
            r"^its provenance: attestation_bundles\[0\]\.attestations\[0\]\.envelope is missing$",
        ),
    ],
)
def test_attestations_of_something_else_are_none(document: bytes, problem: str) -> None:
    with pytest.raises(Exception, match=problem):
        attested_by(document, "a.whl", "a" * 64)


def test_what_cannot_be_installed_is_a_problem_with_pips_reason(
    release: FakeRelease, dist: Path, complete: IndexStage
) -> None:
    """The index has none of the client's dependencies."""
    ran = release.ran("verify-index", "0.169.0", "--index-url", complete.simple_url, "--dist", dist, code=1)
    (line,) = [line for line in ran.out.splitlines() if "FAILED" in line]
    told = (
        r"^codex-release: 1 of \d+ checks of Codex 0\.169\.0 on http\S+ fails: this machine: pip install .*; caches may"
    )
    assert re.search(told, ran.err, re.MULTILINE)
    assert line.startswith("this machine  FAILED: installs  pip install in a fresh environment failed with exit code 1")
    assert "(from codex-app-server-sdk)" in line


def test_a_version_that_the_lock_does_not_know_is_refused(release: FakeRelease) -> None:
    line = release.refused("verify-index", "0.168.0", "--index-url", "http://127.0.0.1:9/")
    assert line.startswith("the lock knows 0.169.0, not 0.168.0")


def test_an_index_that_cannot_be_reached_is_one_line_without_its_password(release: FakeRelease, dist: Path) -> None:
    with Loopback(StaticIndex(dist)) as server:
        port = server.url.rpartition(":")[2]
        server.app = lambda request: Reply(403)
        line = release.refused("verify-index", "0.169.0", "--index-url", f"http://me:secret@127.0.0.1:{port}/simple/")
    assert "answered 403" in line
    assert "secret" not in line


def test_a_system_accepts_older_tags_and_prefers_newer_ones() -> None:
    assert accepted("manylinux_2_18_x86_64") == (
        "manylinux_2_18_x86_64",
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
    )
    assert accepted("manylinux_2_5_i686") == ("manylinux_2_5_i686",)
    assert accepted("musllinux_1_2_aarch64")[-1] == "musllinux_1_0_aarch64"
    assert accepted("macosx_12_0_arm64")[:2] == ("macosx_12_0_arm64", "macosx_12_0_universal2")
    assert accepted("win_arm64") == ("win_arm64",)


def test_the_right_wheel_is_the_one_with_the_newest_tag_that_a_system_accepts() -> None:
    wheels = {"old": frozenset({"manylinux_2_17_x86_64"}), "new": frozenset({"manylinux_2_18_x86_64"})}
    assert right_wheel("manylinux_2_41_x86_64", wheels) == "new"
    assert right_wheel("manylinux_2_17_x86_64", wheels) == "old"
    assert right_wheel("win32", wheels) is None


def test_every_target_has_systems_to_ask_about(catalog: Catalog) -> None:
    assert all(target.systems for target in catalog.targets)


def test_a_catalog_without_systems_is_a_finding_for_each_target() -> None:
    targets = tuple(replace(each, systems=()) for each in archives.CATALOG.targets)
    facts = replace(archives.CATALOG.resolution, unsupported=())
    catalog = replace(archives.CATALOG, targets=targets, resolution=facts)
    client = OurFile(Path(CLIENT), FileDigest(1, "ab" * 32), b"")
    with contextlib.closing(Web(Silent())) as web:
        index = PackageIndex("https://index.example/simple/", web)
        found = resolution_findings([client], ("runtime", "client"), catalog, index)
    assert [each.problem for each in found] == ["release/targets.toml names none of its systems"] * len(targets)
