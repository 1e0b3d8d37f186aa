"""What `publish` plans, refuses, shows and does, on a real index that works; `test_publish_faults` breaks it."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import archives
import pytest
from fake_release import FakeRelease
from faulty_index import Upload, status
from loopback import Loopback, Reply, Request
from publishing import ANYBODY, SmallRelease, Window, sign, stage_window
from static_index import Entry, StaticIndex
from verdicts import praised_once

from codex_release.base.digests import FileDigest, file_digest
from codex_release.index.listing import ListedFile
from codex_release.index.repository import Repository
from codex_release.publish.plan import CLASH, PRESENT, UPLOAD, Candidate, Plan, make_plan
from codex_release.publish.upload import Fate, Uploader, judged
from codex_release.rehearse.local_index import LocalIndex

# --- The plan, from values alone

RUNTIME, CLIENT = "codex-cli-bin", "codex-app-server-sdk"
WHEELS = [f"codex_cli_bin-0.169.0-py3-none-{tag}.whl" for tag in ("macosx_11_0_arm64", "win_amd64")]
SDK = ["codex_app_server_sdk-0.169.0-py3-none-any.whl", "codex_app_server_sdk-0.169.0.tar.gz"]


def candidate(name: str, **facts: object) -> Candidate:
    is_runtime = name.startswith("codex_cli_bin")
    digest = FileDigest(100, (name.encode().hex() + "0" * 64)[:64])
    made = Candidate(Path(name), RUNTIME if is_runtime else CLIENT, "0.169.0", digest, is_runtime=is_runtime)
    return replace(made, **facts)  # type: ignore[arg-type]  # whatever the test wants to be different


FILES = [candidate(name) for name in (*WHEELS, *SDK)]


def listed(*files: Candidate | ListedFile) -> dict[str, dict[str, ListedFile]]:
    """What an index would list."""
    entries = [
        each if isinstance(each, ListedFile) else ListedFile(each.name, "https://index/", each.digest.sha256)
        for each in files
    ]
    return {
        project: {each.name: each for each in entries if each.name.startswith(project.replace("-", "_"))}
        for project in (RUNTIME, CLIENT)
    }


def actions(plan: Plan) -> list[str]:
    return [each.action for each in plan.files]


def test_on_an_empty_index_everything_is_uploaded() -> None:
    plan = make_plan(FILES, listed(), {})
    assert actions(plan) == [UPLOAD] * 4
    assert [each.file.name for each in plan.runtime] == WHEELS
    assert [each.file.name for each in plan.client] == SDK
    assert (plan.problems, plan.warnings) == ((), ())


def test_what_is_there_with_our_bytes_is_left_alone() -> None:
    plan = make_plan(FILES, listed(FILES[0]), {})
    assert actions(plan) == [PRESENT, UPLOAD, UPLOAD, UPLOAD]
    assert plan.to_upload == plan.files[1:]


def test_other_bytes_are_a_clash_and_say_so() -> None:
    plan = make_plan(FILES, listed(ListedFile(WHEELS[1], "https://index/", "ff" * 32, size=100)), {})
    assert actions(plan) == [UPLOAD, CLASH, UPLOAD, UPLOAD]
    (problem,) = plan.problems
    assert problem.startswith(f"{WHEELS[1]}: the index has other bytes under this name (sha256 ffff")


def test_fewer_bytes_are_called_a_broken_upload() -> None:
    (problem,) = make_plan(FILES, listed(ListedFile(WHEELS[1], "https://index/", "ff" * 32, size=40)), {}).problems
    assert "40 of 100 bytes" in problem
    assert "a broken upload was kept" in problem


def test_where_the_index_states_no_digest_the_bytes_decide() -> None:
    there = listed(*(ListedFile(each.name, "https://index/") for each in FILES[:2]))
    hashed = {WHEELS[0]: FILES[0].digest, WHEELS[1]: FileDigest(40, "ff" * 32)}
    plan = make_plan(FILES, there, hashed)
    assert actions(plan) == [PRESENT, CLASH, UPLOAD, UPLOAD]
    assert "40 of 100 bytes" in plan.problems[0]


def test_a_yanked_file_is_a_problem() -> None:
    yanked = ListedFile(WHEELS[0], "https://index/", FILES[0].digest.sha256, yanked="it does not start")
    (problem,) = make_plan(FILES, listed(yanked), {}).problems
    assert problem.startswith(f"{WHEELS[0]} is yanked on the index (it does not start)")


def test_a_file_of_this_version_that_is_not_ours_is_a_problem() -> None:
    stranger = ListedFile("codex_cli_bin-0.169.0-py3-none-any.whl", "https://index/", "ff" * 32)
    older = ListedFile("codex_cli_bin-0.168.0-py3-none-any.whl", "https://index/", "ff" * 32)
    odd = ListedFile("codex_cli_bin-latest.exe", "https://index/")
    (problem,) = make_plan(FILES, listed(stranger, older, odd), {}).problems
    assert problem.startswith(f"{stranger.name} is on the index and not here")
    assert make_plan(FILES, listed(replace(stranger, yanked="")), {}).problems == ()


def test_attestations_go_along_if_all_have_one_and_are_refused_if_some_do() -> None:
    signed = [replace(each, attestation=Path("a")) for each in FILES]
    assert make_plan(signed, listed(), {}).attested
    assert not make_plan(FILES, listed(), {}).attested
    (problem,) = make_plan([*signed[:3], FILES[3]], listed(), {}).problems
    assert problem.startswith(f"{SDK[1]} lacks the attestation")
    # Only what will be uploaded needs one.
    assert make_plan([FILES[0], *signed[1:]], listed(FILES[0]), {}).attested


def test_a_client_without_its_runtime_is_a_loud_warning() -> None:
    (warning,) = make_plan(FILES, listed(FILES[0], FILES[2]), {}).warnings
    assert warning.startswith(
        f"{SDK[0]} is public already: installing it fails on the platforms of 1 runtime wheel until"
    )
    assert make_plan(FILES, listed(*FILES), {}).warnings == ()


def test_a_project_without_room_for_another_release_is_a_warning() -> None:
    old = ListedFile("codex_cli_bin-0.168.0-py3-none-any.whl", "https://index/", "ff" * 32, size=700)
    assert make_plan(FILES, listed(old), {}, project_size=1100).warnings == ()
    (warning,) = make_plan(FILES, listed(old), {}, project_size=1099).warnings
    assert warning.startswith("codex-cli-bin comes to 900 B with this release, and a project may have 1.1 kB")


# --- What twine says

HTTP = (
    "Uploading distributions to http://index/\nERROR    HTTPError: {} from http://me:pw@index/?token=pw\n         {}\n"
)


@pytest.mark.parametrize(
    ("output", "fate"),
    [
        (HTTP.format("500 Internal Server Error", "oops"), Fate.TRANSIENT),
        (HTTP.format("503 Service Unavailable", "later"), Fate.TRANSIENT),
        (HTTP.format("520 Unknown Status", ""), Fate.TRANSIENT),
        (HTTP.format("429 Too Many Requests", "slowly"), Fate.TRANSIENT),
        (HTTP.format("409 Conflict", "wheel exists"), Fate.EXISTS),
        (HTTP.format("400 Bad Request", "File already exists ('a', with blake2_256 hash 'b')."), Fate.EXISTS),
        (HTTP.format("400 Bad Request", "This filename has already been used, use a different version."), Fate.REFUSED),
        (HTTP.format("400 Bad Request", "File too large. Limit for project is 100 MB."), Fate.REFUSED),
        (HTTP.format("403 Forbidden", "Invalid or non-existent authentication information."), Fate.REFUSED),
        ("ERROR    InvalidConfiguration: Missing 'x' section from ~/.pypirc.", Fate.REFUSED),
        (
            "Traceback\n  x\nrequests.exceptions.ConnectionError: ('Connection aborted.', RemoteDisconnected())",
            Fate.TRANSIENT,
        ),
        ("Traceback\nrequests.exceptions.SSLError: bad record", Fate.TRANSIENT),
        ("", Fate.REFUSED),
    ],
)
def test_a_failure_of_twine_is_told_apart_by_its_words(output: str, fate: Fate) -> None:
    sent = judged(output)
    assert sent.fate is fate
    assert sent.said
    assert "\n" not in sent.said
    assert "pw" not in sent.said


@pytest.mark.usefixtures("started_from_nothing")
def test_an_upload_that_does_not_end_is_ended_and_a_larger_file_may_take_longer(tmp_path: Path) -> None:
    wheel = candidate(WHEELS[0], path=Path(__file__))
    uploader = Uploader(Repository("x"), dict(os.environ), start_s=0.01, slowest=2000)
    sent = uploader.send(wheel)
    assert sent.fate is Fate.TRANSIENT
    assert sent.said.startswith("no end after 0 s: ")
    longer = replace(uploader, start_s=3600.0, slowest=1, environ={**os.environ, **ANYBODY})
    assert longer.send(wheel).fate is Fate.REFUSED  # it is no wheel, says twine


# --- The command


NUMBERS = itertools.count(1)


@pytest.fixture
def shown(devpi: LocalIndex, small_release: SmallRelease) -> Iterator[Window]:
    with stage_window(devpi, f"publish{next(NUMBERS)}", small_release) as made:
        yield made


@pytest.fixture
def here(
    small_release: SmallRelease, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> FakeRelease:
    """The small release's checkout, as commands of this process see it."""
    praised_once(monkeypatch)
    for name in ("TWINE_REPOSITORY", "TWINE_REPOSITORY_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**ANYBODY, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return FakeRelease(small_release.root, small_release.archives, capsys)


def to(shown: Window) -> tuple[str, str]:
    return ("--repository-url", shown.upload_url)


def test_a_release_is_published_runtimes_first_and_once(here: FakeRelease, shown: Window) -> None:
    small = shown.release
    said = here.ran("publish", small.dist, *to(shown), "--yes", "--json")
    result = json.loads(said.out)
    assert result["outcome"] == "published"
    assert result["index"] == shown.index_url
    assert [each["name"] for each in result["files"]] == small.names
    assert {(each["outcome"], each["attempts"]) for each in result["files"]} == {("uploaded", 1)}
    assert all(each["sha256"] == file_digest(small.dist / each["name"]).sha256 for each in result["files"])
    assert [(each["name"], each["outcome"]) for each in result["steps"]] == [
        ("upload the runtime wheels", "passed"),
        ("wait until the index serves the runtime wheels and pip resolves them", "passed"),
        ("upload the client", "passed"),
        ("wait until the index serves the client and pip resolves them", "passed"),
    ]
    assert result["steps"][1]["detail"] == "7 files listed with our digests, pip's 11 answers as expected"
    assert shown.proxy.stored == small.names == sorted(shown.listed(), key=small.names.index)
    assert shown.broken_promises == []

    again = here.ran("publish", small.dist, *to(shown), "--yes")
    assert len(shown.proxy.diary) == 9
    assert again.out.count("  present") == 9
    assert "uploading" not in again.err


def test_a_publication_with_a_limit_of_its_own_leaves_what_the_report_says_of_the_build(
    here: FakeRelease, shown: Window, tmp_path: Path
) -> None:
    for name in shown.release.names:
        shown.seed(name)
    dist = shown.release.copy(tmp_path / "dist")
    report = dist / "release.json"
    before = json.loads(report.read_text(encoding="utf-8"))
    here.ran("publish", dist, *to(shown), "--yes", "--max-file-size", "50000000")
    after = json.loads(report.read_text(encoding="utf-8"))
    assert after["publish"]["outcome"] == "published"
    assert before["build"]["seconds"] is not None
    assert after["build"] == before["build"]


def test_a_client_is_released_again_with_the_runtime_wheels_that_are_there(
    here: FakeRelease, shown: Window, tmp_path: Path
) -> None:
    """With all files at hand, or with those of the client alone."""
    small, version = shown.release, archives.VERSION
    for name in small.names:
        shown.seed(name)
    for number, part in enumerate((("--all",), ("--client-only",)), 1):
        dist = tmp_path / str(number)
        here.ran("build", *part, "--sdk-version", f"{version}.post{number}", "--out", dist)
        result = json.loads(here.ran("publish", dist, *to(shown), "--yes", "--json").out)
        outcomes = {each["name"]: each["outcome"] for each in result["files"]}
        client = [f"codex_app_server_sdk-{version}.post{number}{end}" for end in ("-py3-none-any.whl", ".tar.gz")]
        assert outcomes == {**dict.fromkeys(small.runtime, "present"), **dict.fromkeys(client, "uploaded")}
        assert shown.proxy.stored[-2:] == client
    assert not set(shown.proxy.stored) & set(small.names)
    assert shown.broken_promises == []
    told = json.loads((tmp_path / "2" / "release.json").read_text(encoding="utf-8"))
    assert (told["version"], told["client_version"]) == (version, f"{version}.post2")
    assert told["publish"]["outcome"] == "published"


def test_a_client_alone_needs_all_runtime_wheels_of_the_lock_on_the_index(
    here: FakeRelease, shown: Window, tmp_path: Path
) -> None:
    """One is missing, another is not what the lock says: nothing is sent."""
    small = shown.release
    for name in small.runtime[1:]:
        shown.seed(name)
    here.ran("build", "--client-only", "--sdk-version", f"{archives.VERSION}.post1", "--out", tmp_path / "dist")
    said = here.ran("publish", tmp_path / "dist", *to(shown), "--yes", code=1)
    assert "has no wheel for" in said.err
    assert "nothing is uploaded to http" in said.err.splitlines()[-1]
    assert shown.proxy.diary == []


def test_a_client_alone_does_not_take_runtime_wheels_that_are_yanked(
    here: FakeRelease, small_release: SmallRelease, tmp_path: Path
) -> None:
    def yank(entry: Entry) -> Entry:
        return {**entry, "yanked": "it crashes"} if "win_" in entry["filename"] else entry

    here.ran("build", "--client-only", "--sdk-version", f"{archives.VERSION}.post1", "--out", tmp_path / "dist")
    with Loopback(StaticIndex(small_release.dist, yank)) as server:
        words = ("--repository-url", f"{server.url}/legacy/", "--index-url", f"{server.url}/simple/")
        said = here.ran("publish", tmp_path / "dist", *words, code=1).err
    assert said.count("is not taken, it is yanked: it crashes\n") == 2
    assert "x86_64-pc-windows-msvc has no wheel for any platform" in said


def test_without_yes_the_plan_is_shown_and_nothing_is_done(here: FakeRelease, shown: Window) -> None:
    said = here.ran("publish", shown.release.dist, *to(shown))
    assert [line.split()[0] for line in said.out.splitlines()] == shown.release.names
    assert {line.split()[-1] for line in said.out.splitlines()} == {"planned"}
    assert said.err == "nothing is uploaded without --yes\n"
    assert (shown.proxy.diary, shown.listed()) == ([], [])


def test_a_directory_that_is_none_is_refused(here: FakeRelease, tmp_path: Path) -> None:
    assert "is no directory" in here.refused("publish", tmp_path / "nowhere", code=2)


def _without(pattern: str) -> Callable[[Path, Path], list[str]]:
    def harm(dist: Path, _: Path) -> list[str]:
        (found,) = dist.glob(pattern)
        found.unlink()
        return []

    return harm


def _damaged(dist: Path, _: Path) -> list[str]:
    (wheel,) = dist.glob("*win_amd64.whl")
    data = bytearray(wheel.read_bytes())
    data[len(data) // 3] ^= 0xFF
    wheel.write_bytes(data)
    return []


def _other_lock(_: Path, root: Path) -> list[str]:
    lock = root / "release" / "runtime.lock.toml"
    other = root.parent / "other.lock.toml"
    other.write_text(lock.read_text(encoding="utf-8").replace('version = "0.169.0"', 'version = "0.168.0"'), "utf-8")
    return ["--lock-file", str(other)]


def _half_signed(dist: Path, _: Path) -> list[str]:
    for wheel in dist.glob("codex_cli_bin-*"):
        sign(wheel)
    return []


def _signed(**otherwise: str) -> Callable[[Path, Path], list[str]]:
    """All signed, the client's wheel as something else."""

    def harm(dist: Path, _: Path) -> list[str]:
        for file in (*dist.glob("*.whl"), *dist.glob("*.tar.gz")):
            sign(file, **(otherwise if file.name.startswith("codex_app") and file.suffix == ".whl" else {}))
        return []

    return harm


def _signature_replaced(by: Callable[[Path], object]) -> Callable[[Path, Path], list[str]]:
    def harm(dist: Path, root: Path) -> list[str]:
        _signed()(dist, root)
        (attestation,) = dist.glob("*.tar.gz.publish.attestation")
        attestation.unlink()
        by(attestation)
        return []

    return harm


REFUSED: dict[str, tuple[Callable[[Path, Path], list[str]], str]] = {
    "a target is missing": (_without("*win_arm64.whl"), "aarch64-pc-windows-msvc has no wheel for any platform"),
    "one of a target's two wheels is missing": (
        _without("*-manylinux_2_18_aarch64.whl"),
        "aarch64-unknown-linux-musl has no wheel with codex-path/rg, which the lock has",
    ),
    "the other one of them is missing": (
        _without("*.musllinux_1_1_aarch64.whl"),
        "aarch64-unknown-linux-musl has no wheel for musllinux_1_1_aarch64",
    ),
    "the client is missing": (_without("codex_app*.whl"), "there are 0 pinned wheels of the client"),
    "the client's sdist is missing": (_without("*.tar.gz"), "there are 0 pinned sdists of the client"),
    "a wheel is damaged": (_damaged, "win_amd64.whl: "),
    "a file is too large": (lambda *_: ["--max-file-size", "10500"], "bytes are more than the limit of 10500"),
    "the lock knows another version": (_other_lock, "the lock knows 0.168.0, not 0.169.0"),
    "another file is signed": (_signed(name="other.whl"), "attestation: its attestation is about other.whl"),
    "other bytes are signed": (_signed(sha256="b" * 64), "sha256 bbbb"),
    "a signature is none": (
        _signature_replaced(lambda path: path.write_text("<html>", encoding="utf-8")),
        ".tar.gz.publish.attestation: its attestation is no JSON: ",
    ),
    "a signature has no end": (
        _signature_replaced(lambda path: path.write_bytes(bytes(1_100_000))),
        ".attestation: it has more than 1.0 MB",
    ),
    "a signature is a directory": (_signature_replaced(Path.mkdir), ".attestation: [Errno "),
    "not all are signed": (_half_signed, "lack the attestation that others have"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_must_not_be_published_is_refused_before_the_first_upload(
    here: FakeRelease, shown: Window, tmp_path: Path, case: str
) -> None:
    harm, why = REFUSED[case]
    dist = shown.release.copy(tmp_path / "dist")
    words = harm(dist, shown.release.root)
    said = here.ran("publish", dist, *to(shown), "--yes", *words, code=1).err  # of several, each is a line
    assert f"codex-release: nothing is uploaded to {shown.index_url}: " in said
    assert why in said
    assert shown.proxy.diary == []


def test_an_empty_directory_is_refused(here: FakeRelease, shown: Window, tmp_path: Path) -> None:
    assert "holds no wheel and no sdist" in here.refused("publish", tmp_path, *to(shown), "--yes")


def test_attestations_go_along(here: FakeRelease, shown: Window, tmp_path: Path) -> None:
    dist = shown.release.copy(tmp_path / "dist")
    for name in shown.release.names:
        sign(dist / name)
    there, rest = shown.release.names[:5], shown.release.names[5:]
    for name in there:
        shown.seed(name)
    carried = []

    def look(upload: Upload) -> int:
        carried.append((upload.file, b'name="attestations"' in upload.body and upload.file.encode() in upload.body))
        answer = upload.passed_on()
        upload.answered(answer.status_code)
        return answer.status_code

    shown.proxy.fail("codex", *[look] * 4)
    result = json.loads(here.ran("publish", dist, *to(shown), "--yes", "--json").out)
    assert result["attested"] is True
    assert carried == [(name, True) for name in rest]


def test_a_repository_of_pypirc_is_published_to(
    here: FakeRelease, shown: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ANYBODY:
        monkeypatch.delenv(name)
    pypirc = f"[distutils]\nindex-servers = ours\n[ours]\nrepository = {shown.upload_url}\n"
    (tmp_path / ".pypirc").write_text(f"{pypirc}username =\npassword =\n", "utf-8")
    for name in shown.release.runtime:
        shown.seed(name)
    here.ran("publish", shown.release.dist, "--repository", "ours", "--yes")
    assert shown.proxy.stored == shown.release.client


def test_a_wrong_password_ends_it_and_is_not_shown(
    here: FakeRelease, shown: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown.proxy.fail("codex", status(403))
    monkeypatch.setenv("TWINE_USERNAME", "me")
    monkeypatch.setenv("TWINE_PASSWORD", "s3cret")
    said = here.ran("publish", shown.release.dist, *to(shown), "--yes", code=1)
    assert "does not accept codex_cli_bin-0.169.0-py3-none-macosx_10_12_x86_64.whl: HTTPError: 403" in said.err
    assert "s3cret" not in said.out + said.err
    assert shown.listed() == []


def test_an_index_that_states_no_digests_is_read_byte_by_byte(here: FakeRelease, small_release: SmallRelease) -> None:
    """As the oldest servers do: a page of bare links."""
    small = small_release
    other = small.runtime[1]

    def app(request: Request) -> Reply:
        name = request.path.rpartition("/")[2]
        if name:
            return Reply(200, (small.dist / name).read_bytes()[: 100 if name == other else None])
        names = small.names if "codex-cli-bin" in request.path else []
        links = "".join(f"<a href='/files/{each}'>{each}</a>" for each in names if each.startswith("codex_cli_bin"))
        return Reply(200, f"<!DOCTYPE html>{links}".encode(), {"Content-Type": "text/html"})

    with Loopback(app) as server:
        refusal = here.refused("publish", small.dist, "--index-url", f"{server.url}/simple/", "--yes")
    assert f"{other}: the index has 100 of {(small.dist / other).stat().st_size} bytes under this name" in refusal
    assert refusal.count("the index has") == 1


def test_the_directory_may_hold_other_things(here: FakeRelease, shown: Window, tmp_path: Path) -> None:
    dist = shown.release.copy(tmp_path / "dist")
    (dist / "release.json").write_text("{}", encoding="utf-8")
    shown.release.copy(dist / "old")
    said = here.ran("publish", dist, *to(shown))
    assert len(said.out.splitlines()) == 9
