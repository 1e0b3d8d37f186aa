"""The source ``github``: which asset it picks, who gets to see the token, and what happens when GitHub is away."""

from __future__ import annotations

import hashlib
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_programs import calls_of, fake_gh, fake_program
from github_server import SIGNATURE, GitHubServer, github_server
from loopback import Loopback, Reply, cut_at, instead, json_reply, silent, status
from recording import RecordedClock, RecordedProgress, connected, direct, told

from codex_release.base.digests import Digest
from codex_release.base.errors import DownloadError, ReleaseError, SourceError
from codex_release.base.patience import RetryPolicy
from codex_release.facts.targets import Catalog
from codex_release.facts.versions import ReleaseVersion
from codex_release.fetching.cache import Cache
from codex_release.fetching.download import download
from codex_release.sources import Program, WebFile
from codex_release.sources.github import GitHub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codex_release.base.http import Web

CATALOG = Catalog.load(Path(__file__).parents[1] / "release" / "targets.toml")
FACTS = CATALOG.github
TARGET = CATALOG.target("x86_64-unknown-linux-musl")
WINDOWS = CATALOG.target("x86_64-pc-windows-msvc")
VERSION = ReleaseVersion.parse("0.155.1")
TAG = "rust-v0.155.1"
PACKAGE = "codex-package-x86_64-unknown-linux-musl.tar.gz"
BODY = random.Random(3).randbytes(200_000)
SHA256 = Digest("sha256", hashlib.sha256(BODY).hexdigest())
TOKEN = "ghp_S3cretS3cretS3cret"
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for gh is a script")


@pytest.fixture(autouse=True)
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on PATH, so that no real ``gh`` answers."""
    direct(monkeypatch, tmp_path)
    directory = tmp_path / "bin"
    monkeypatch.setenv("PATH", str(directory))
    return directory


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    with github_server(FACTS.repository) as server:
        server.release(TAG, {PACKAGE: BODY})
        yield server


def source(github: GitHubServer, web: Web, token: str | None = None) -> GitHub:
    return GitHub(FACTS, web, github.api_root, token)


def asset_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(asset for asset in document["assets"] if asset["name"] == name)


class TestFinding:
    def test_without_a_token_the_public_address_is_used(self, github: GitHubServer, web: Web, cache: Cache) -> None:
        archive = source(github, web).find(VERSION, TARGET)
        assert (archive.source, archive.name, archive.size) == ("github", PACKAGE, len(BODY))
        assert archive.digests == (SHA256,)
        assert archive.origin == WebFile(github.api.url + github.public_path(TAG, PACKAGE))
        assert download(archive, cache, web).path.read_bytes() == BODY
        assert [request.path for request in github.api.requests] == [
            f"/repos/openai/codex/releases/tags/{TAG}",
            github.public_path(TAG, PACKAGE),
        ]
        assert [request.path for request in github.storage.requests] == [github.storage_path(TAG, PACKAGE)]
        assert not any("authorization" in request.headers for request in github.api.requests)
        assert github.api.requests[0].headers["accept"] == "application/vnd.github+json"

    def test_with_a_token_the_api_address_is_used_and_storage_never_sees_the_token(
        self, github: GitHubServer, web: Web, cache: Cache
    ) -> None:
        github.token, github.private = TOKEN, True
        archive = source(github, web, TOKEN).find(VERSION, TARGET)
        assert download(archive, cache, web).path.read_bytes() == BODY
        lookup, asset = github.api.requests
        assert asset.path == github.asset_path(TAG, PACKAGE)
        assert asset.headers["accept"] == "application/octet-stream"
        assert [each.headers["authorization"] for each in (lookup, asset)] == [f"Bearer {TOKEN}"] * 2
        (stored,) = github.storage.requests
        assert stored.query == SIGNATURE
        assert TOKEN not in str(stored.headers)

    def test_a_resumed_download_asks_the_api_again_and_storage_for_the_rest(
        self, github: GitHubServer, web: Web, cache: Cache, progress: RecordedProgress
    ) -> None:
        github.token = TOKEN
        github.storage.fail("/", cut_at(0.6), status(503))
        archive = source(github, web, TOKEN).find(VERSION, TARGET)
        assert download(archive, cache, web).path.read_bytes() == BODY
        assert github.storage.ranges == [None, "bytes=120000-", "bytes=120000-"]
        assert github.storage.sent == len(BODY)
        assert len(github.api.asked(github.asset_path(TAG, PACKAGE))) == 3
        assert TOKEN not in told(progress)
        assert "sig=" not in told(progress)

    def test_a_private_repository_without_a_token_names_the_remedy(self, github: GitHubServer, web: Web) -> None:
        github.token, github.private = TOKEN, True
        with pytest.raises(
            SourceError, match=r"no release rust-v0\.155\.1 of openai/codex; if it is private, set GH_TOKEN"
        ):
            source(github, web).find(VERSION, TARGET)

    def test_an_api_below_a_path(self, web: Web, cache: Cache) -> None:
        with github_server(FACTS.repository, prefix="/api/v3", token=TOKEN) as enterprise:
            enterprise.release(TAG, {PACKAGE: BODY})
            archive = source(enterprise, web, TOKEN).find(VERSION, TARGET)
            download(archive, cache, web)
            assert all(request.path.startswith("/api/v3/repos/") for request in enterprise.api.requests)
            assert len(enterprise.api.requests) == 2

    def test_a_prerelease_is_found_by_its_tag(self, github: GitHubServer, web: Web) -> None:
        github.release("rust-v0.156.0-alpha.2", {PACKAGE: BODY})
        assert source(github, web).find(ReleaseVersion.parse("0.156.0a2"), TARGET).name == PACKAGE

    def test_a_release_is_asked_for_once_for_all_targets_and_threads(self, github: GitHubServer, web: Web) -> None:
        github.release(TAG, {f"codex-package-{target.triple}.tar.gz": BODY for target in CATALOG.targets})
        found = source(github, web)
        with ThreadPoolExecutor(6) as pool:
            names = list(pool.map(lambda target: found.find(VERSION, target).name, CATALOG.targets))
        assert names == [f"codex-package-{target.triple}.tar.gz" for target in CATALOG.targets]
        assert len(github.api.requests) == 1

    @pytest.mark.parametrize("target", [TARGET, WINDOWS], ids=lambda target: target.triple)
    def test_the_package_comes_first_then_the_order_of_the_data_file(
        self, github: GitHubServer, web: Web, target: Any
    ) -> None:
        names = list(dict.fromkeys(target.fill(pattern) for pattern in FACTS.archives))
        assert names[0] == f"codex-package-{target.triple}.tar.gz"
        assert f"codex-{target.triple}{target.exe}.zip" in names
        while names:
            github.release(TAG, dict.fromkeys(reversed(names), BODY))
            assert source(github, web).find(VERSION, target).name == names.pop(0)
        github.release(TAG, {"codex-package-riscv64-unknown-linux-musl.tar.gz": BODY})
        with pytest.raises(SourceError, match=f"{TAG} of openai/codex has no archive for {target.triple}"):
            source(github, web).find(VERSION, target)

    def test_an_asset_whose_upload_broke_off_is_none(self, github: GitHubServer, web: Web) -> None:
        document = github.document(TAG)
        asset_of(document, PACKAGE)["state"] = "starter"
        github.api.fail("/tags/", instead(json_reply(document)))
        with pytest.raises(SourceError, match="has no archive"):
            source(github, web).find(VERSION, TARGET)

    def test_an_asset_on_another_host_does_not_get_the_token(self, github: GitHubServer, web: Web) -> None:
        document = github.document(TAG)
        asset_of(document, PACKAGE)["url"] = f"{github.storage.url}/repos/openai/codex/releases/assets/1"
        github.token = TOKEN
        github.api.fail("/tags/", instead(json_reply(document)))
        origin = source(github, web, TOKEN).find(VERSION, TARGET).origin
        assert isinstance(origin, WebFile)
        assert TOKEN not in str(origin.headers)


class TestDigests:
    def test_an_asset_without_a_digest_gets_it_from_the_checksum_file(self, github: GitHubServer, web: Web) -> None:
        github.digests = False
        github.release(TAG, {"codex-other.tar.gz": b"other", PACKAGE: BODY}, checksums=FACTS.checksums)
        assert source(github, web).find(VERSION, TARGET).digests == (SHA256,)
        assert len(github.storage.asked(github.storage_path(TAG, FACTS.checksums))) == 1

    def test_the_checksum_file_is_read_with_the_token_too(self, github: GitHubServer, web: Web) -> None:
        github.digests, github.token, github.private = False, TOKEN, True
        github.release(TAG, {PACKAGE: BODY}, checksums=FACTS.checksums)
        assert source(github, web, TOKEN).find(VERSION, TARGET).digests == (SHA256,)

    def test_a_digest_of_its_own_needs_no_checksum_file(self, github: GitHubServer, web: Web) -> None:
        github.release(TAG, {PACKAGE: BODY}, checksums=FACTS.checksums)
        assert source(github, web).find(VERSION, TARGET).digests == (SHA256,)
        assert github.storage.requests == []

    def test_neither_digest_nor_checksum_file_is_no_digest(self, github: GitHubServer, web: Web) -> None:
        github.digests = False
        assert source(github, web).find(VERSION, TARGET).digests == ()

    def test_a_checksum_file_that_does_not_come_is_an_error(self, github: GitHubServer, web: Web) -> None:
        github.digests = False
        github.release(TAG, {PACKAGE: BODY}, checksums=FACTS.checksums)
        github.storage.fail("/", status(404))
        with pytest.raises(SourceError, match=f"{FACTS.checksums} cannot be read: .* answered 404") as caught:
            source(github, web).find(VERSION, TARGET)
        assert "sig=" not in told(caught.value)

    def test_bytes_that_are_not_the_published_ones_are_refused(
        self, github: GitHubServer, web: Web, cache: Cache
    ) -> None:
        github.storage.fail("/", instead(Reply(200, bytes(len(BODY)))))
        with pytest.raises(DownloadError, match=f"github says {SHA256.hex}"):
            download(source(github, web).find(VERSION, TARGET), cache, web)
        assert not list(cache.root.glob("archives/*"))


class TestGitHubNotAnswering:
    def test_a_rate_limit_is_waited_for(
        self, github: GitHubServer, web: Web, clock: RecordedClock, progress: RecordedProgress
    ) -> None:
        reset = str(int(clock.now_s) + 60)
        github.api.fail("/tags/", status(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}))
        assert source(github, web).find(VERSION, TARGET).name == PACKAGE
        assert clock.slept == [61.0]
        assert progress.notes == [
            f"{github.api.url}/repos/openai/codex/releases/tags/{TAG}: rate limit reached; trying again in 61.0 s"
        ]

    def test_a_rate_limit_that_ends_too_late_names_its_end(
        self, github: GitHubServer, web: Web, clock: RecordedClock
    ) -> None:
        reset = str(int(clock.now_s) + 3000)
        github.api.fail("/tags/", status(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}))
        with pytest.raises(
            SourceError, match=r"rate limit reached until 2027-01-15 08:50:01 UTC; .*GH_TOKEN"
        ) as caught:
            source(github, web).find(VERSION, TARGET)
        assert "\n" not in str(caught.value)
        assert clock.slept == []

    def test_a_missing_release_is_named(self, github: GitHubServer, web: Web) -> None:
        with pytest.raises(SourceError, match=r"^GitHub has no release rust-v9\.9\.9 of openai/codex") as caught:
            source(github, web).find(ReleaseVersion.parse("9.9.9"), TARGET)
        assert caught.value.__cause__ is not None

    def test_a_failure_is_remembered(self, github: GitHubServer, web: Web) -> None:
        found = source(github, web)
        for target in (TARGET, WINDOWS):
            with pytest.raises(SourceError, match="no release"):
                found.find(ReleaseVersion.parse("9.9.9"), target)
        assert len(github.api.requests) == 1

    def test_a_token_that_is_not_good_is_said_to_be_refused(self, github: GitHubServer, web: Web) -> None:
        github.token = "another"
        with pytest.raises(SourceError, match=r"GitHub refuses the token: .* answered 401"):
            source(github, web, TOKEN).find(VERSION, TARGET)

    def test_server_errors_to_the_end(self, github: GitHubServer, web: Web) -> None:
        github.api.fail("/tags/", *[status(502)] * 9)
        with pytest.raises(SourceError, match=r"^GitHub cannot be asked: .*/tags/rust-v0.155.1: status 502, 3 times"):
            source(github, web).find(VERSION, TARGET)

    def test_a_silent_server(self, github: GitHubServer, progress: RecordedProgress, clock: RecordedClock) -> None:
        github.api.fail("/tags/", silent, silent)
        policy = RetryPolicy(attempts=2, read_timeout_s=0.1)
        with (
            connected(progress, policy, clock) as web,
            pytest.raises(SourceError, match=r"cannot be asked: .* timed out"),
        ):
            source(github, web).find(VERSION, TARGET)

    def test_what_is_not_json(self, github: GitHubServer, web: Web) -> None:
        github.api.fail("/tags/", instead(Reply(200, b"<html>Log in to the wireless network")))
        with pytest.raises(SourceError, match=r"GitHub cannot be asked: .* did not answer JSON"):
            source(github, web).find(VERSION, TARGET)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda document: [],
            lambda document: None,
            lambda document: "release",
            lambda document: {},
            lambda document: {**document, "tag_name": "rust-v0.1.0"},
            lambda document: {**document, "tag_name": None},
            lambda document: {**document, "assets": None},
            lambda document: {**document, "assets": {"name": "x"}},
            lambda document: {**document, "assets": ["x"]},
            lambda document: {**document, "assets": [{"name": PACKAGE}]},
            lambda document: {**document, "assets": [{**document["assets"][0], "name": None}]},
            lambda document: {**document, "assets": [{**document["assets"][0], "url": 7, "browser_download_url": 7}]},
            lambda document: {**document, "assets": [{**document["assets"][0], "size": "many"}]},
        ],
    )
    @pytest.mark.parametrize("token", [None, TOKEN], ids=["without", "with"])
    def test_json_of_another_shape(
        self, github: GitHubServer, web: Web, spoil: Callable[[dict[str, Any]], Any], token: str | None
    ) -> None:
        github.token = TOKEN
        github.api.fail("/tags/", instead(json_reply(spoil(github.document(TAG)))))
        with pytest.raises(SourceError, match=f"GitHub's answer about {TAG}: .*; look whether GITHUB_API_URL"):
            source(github, web, token).find(VERSION, TARGET)

    def test_an_asset_address_that_is_no_url(self, github: GitHubServer, web: Web) -> None:
        document = github.document(TAG)
        asset_of(document, PACKAGE)["url"] = "http://[::1"
        github.token = TOKEN
        github.api.fail("/tags/", instead(json_reply(document)))
        with pytest.raises(SourceError, match=f"GitHub's answer about {TAG}: .*; look whether GITHUB_API_URL"):
            source(github, web, TOKEN).find(VERSION, TARGET)


@posix_only
class TestTheGhProgram:
    @pytest.fixture(autouse=True)
    def _down(self, github: GitHubServer) -> None:
        github.api.fail("/tags/", *[status(503)] * 99)

    def test_it_is_the_last_resort(
        self, github: GitHubServer, web: Web, cache: Cache, bin_dir: Path, progress: RecordedProgress
    ) -> None:
        gh = fake_gh(bin_dir, {TAG: {"codex-other.tar.gz": b"other", PACKAGE: BODY}})
        archive = source(github, web).find(VERSION, TARGET)
        assert (archive.name, archive.size, archive.digests) == (PACKAGE, len(BODY), (SHA256,))
        assert isinstance(archive.origin, Program)
        assert download(archive, cache, web).path.read_bytes() == BODY
        at = [TAG, "--repo", "openai/codex"]
        assert calls_of(gh) == [
            ["release", "view", *at, "--json", "assets"],
            ["release", "download", *at, "--pattern", PACKAGE, "--output", "-"],
        ]
        assert progress.transfers[-1].done == len(BODY)

    def test_it_is_not_asked_while_github_answers(self, web: Web, bin_dir: Path) -> None:
        gh = fake_gh(bin_dir, {})
        with github_server(FACTS.repository) as well:
            well.release(TAG, {PACKAGE: BODY})
            source(well, web).find(VERSION, TARGET)
        assert calls_of(gh) == []

    def test_its_bytes_are_verified_like_any(self, github: GitHubServer, web: Web, cache: Cache, bin_dir: Path) -> None:
        fake_gh(bin_dir, {TAG: {PACKAGE: BODY}})
        archive = source(github, web).find(VERSION, TARGET)
        (bin_dir / "gh-assets" / TAG / PACKAGE).write_bytes(bytes(len(BODY)))
        with pytest.raises(DownloadError, match=f"github says {SHA256.hex}"):
            download(archive, cache, web)
        assert not list(cache.root.glob("archives/*"))

    def test_both_failing_both_reasons_are_shown(self, github: GitHubServer, web: Web, bin_dir: Path) -> None:
        fake_gh(bin_dir, {})
        with pytest.raises(SourceError) as caught:
            source(github, web).find(VERSION, TARGET)
        assert str(caught.value) == (
            f"GitHub cannot be asked: {github.api.url}/repos/openai/codex/releases/tags/{TAG}: status 503, "
            "3 times in a row; and gh failed with exit code 1: release not found"
        )

    def test_the_signed_address_in_its_complaint_is_not_shown(
        self, github: GitHubServer, web: Web, cache: Cache, bin_dir: Path
    ) -> None:
        fake_gh(bin_dir, {TAG: {PACKAGE: BODY}})
        archive = source(github, web).find(VERSION, TARGET)
        fake_program(bin_dir, "gh", f"sys.exit('Get \"https://storage.example/asset?{SIGNATURE}\": EOF')")
        with pytest.raises(DownloadError, match=r'Get "https://storage.example/asset": EOF$') as caught:
            download(archive, cache, web)
        assert "sig=" not in told(caught.value)

    @pytest.mark.parametrize("said", ["", "no json", "[]", '{"assets": [7]}', '{"assets": [{"size": 1}]}'])
    def test_an_answer_of_another_shape(self, github: GitHubServer, web: Web, bin_dir: Path, said: str) -> None:
        fake_program(bin_dir, "gh", f"print({said!r})")
        with pytest.raises(
            SourceError, match=f"GitHub cannot be asked: .*; and gh's answer about {TAG}.*; look whether gh is"
        ):
            source(github, web).find(VERSION, TARGET)

    def test_a_program_that_cannot_be_started(self, github: GitHubServer, web: Web, bin_dir: Path) -> None:
        fake_program(bin_dir, "gh", "").write_text("#!/nowhere/python\n")
        with pytest.raises(SourceError, match="; and gh cannot be started: "):
            source(github, web).find(VERSION, TARGET)

    def test_a_program_that_hangs(
        self, github: GitHubServer, web: Web, bin_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("codex_release.sources.github._GH_TIMEOUT_S", 0.2)
        fake_program(bin_dir, "gh", "import time; time.sleep(60)")
        with pytest.raises(SourceError, match="; and gh gave no answer for 0 s"):
            source(github, web).find(VERSION, TARGET)


@pytest.mark.parametrize("token", [TOKEN, f"{TOKEN}\n", "other"], ids=["good", "with a line end", "bad"])
@pytest.mark.parametrize("failing", ["", "/tags/", "/assets/", "/github-production-release-asset/"])
@pytest.mark.parametrize("fault", [status(403), status(500), cut_at(0.5)], ids=["403", "500", "cut"])
def test_the_token_shows_nowhere(
    github: GitHubServer, cache: Cache, progress: RecordedProgress, token: str, failing: str, fault: Any
) -> None:
    github.token, github.private = TOKEN, True
    for server in (github.api, github.storage):
        server.fail(failing or "nothing", *[fault] * 9)
    failure: ReleaseError | None = None
    archive = None
    with connected(progress, RetryPolicy(attempts=2)) as web:
        found = source(github, web, token)
        try:
            archive = found.find(VERSION, TARGET)
            download(archive, cache, web)
        except ReleaseError as error:
            failure = error
    assert failure is not None or token == TOKEN
    seen = told(failure, archive, found, progress)
    assert TOKEN not in seen
    assert "sig=" not in seen


def test_a_server_that_is_not_there() -> None:
    with Loopback(lambda request: Reply(200)) as server:
        url = server.url
    with connected(RecordedProgress()) as web, pytest.raises(SourceError, match="GitHub cannot be asked"):
        GitHub(FACTS, web, url).find(VERSION, TARGET)
