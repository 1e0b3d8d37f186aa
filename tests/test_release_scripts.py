"""The two scripts that write to GitHub: a release is seen when it is whole, a bump is proposed once.

``gh`` is a stand-in that keeps its state in a file and speaks the real one's words; ``git`` is real.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_programs import calls_of, fake_program
from programs import ROOT, finished

from codex_release.commands import bump
from codex_release.facts.workspace import Workspace

RELEASE = ROOT / "scripts" / "github_release.py"
BUMP = ROOT / "scripts" / "propose_bump.py"
TAG = "v0.169.0"
WHEEL = "codex_cli_bin-0.169.0-py3-none-win_amd64.whl"
NAMES = {WHEEL, "codex_app_server_sdk-0.169.0-py3-none-any.whl", "codex_app_server_sdk-0.169.0.tar.gz"}
REPORT = {"release.html", "release.json"}
SBOM = f"{Path(WHEEL).stem}.cdx.json"
ALL = NAMES | REPORT | {SBOM, "SHA256SUMS"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for gh is a script"),
]

_GH = """
import hashlib, os, pathlib
state = pathlib.Path(__file__).with_name("gh-state.json")
known = json.loads(state.read_text()) if state.exists() else {"releases": {}, "tags": {}, "pulls": []}
words = sys.argv[1:]
def option(name):
    return words[words.index(name) + 1]
if words[:2] == ["release", "list"]:
    hidden = "--exclude-drafts" in words
    stable = "--exclude-pre-releases" in words
    shown = [t for t, r in known["releases"].items() if not (hidden and r["isDraft"] or stable and r["isPrerelease"])]
    print(json.dumps([{"tagName": tag} for tag in reversed(shown)]))  # the newest first
elif words[:2] == ["release", "download"]:
    pathlib.Path(option("--dir"), option("--pattern")).write_text(words[2])
elif words[:2] == ["release", "view"]:
    print(json.dumps(known["releases"][words[2]]))
elif words[:2] == ["release", "create"]:
    known["releases"][words[2]] = {"assets": [], "isDraft": "--draft" in words, "target": option("--target")}
    known["releases"][words[2]]["isPrerelease"] = "--prerelease" in words
elif words[:2] == ["release", "upload"]:
    path = pathlib.Path(words[3])
    if path.name == os.environ.get("GH_FAILS_ON"):
        sys.exit("HTTP 502: Bad Gateway")
    assets = known["releases"][words[2]]["assets"]
    assets[:] = [each for each in assets if each["name"] != path.name]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assets.append({"name": path.name, "state": "uploaded", "digest": f"sha256:{digest}"})
elif words[:2] == ["release", "edit"]:
    known["releases"][words[2]]["isDraft"] = "--draft=false" not in words
    target = option("--target") if "--target" in words else known["releases"][words[2]]["target"]
    known["tags"].setdefault(words[2], target)
    if "--latest=false" not in words and not known["releases"][words[2]]["isPrerelease"]:
        known["latest"] = words[2]
elif words[:1] == ["api"] and "/git/matching-refs/tags/" in words[1]:
    beginning = words[1].rpartition("/")[2]
    print(json.dumps([{"ref": f"refs/tags/{tag}"} for tag in known["tags"] if tag.startswith(beginning)]))
elif words[:1] == ["api"] and "/commits/tags/" in words[1]:
    print(json.dumps({"sha": known["tags"][words[1].rpartition("/")[2]]}))
elif words[:2] == ["pr", "list"]:
    shown = [each for each in known["pulls"] if each["head"] == option("--head")]
    print(json.dumps([{"isCrossRepository": each.get("fork", False)} for each in shown]))
elif words[:2] == ["pr", "create"]:
    if os.environ.get("GH_FAILS_ON") == "pr":
        sys.exit("HTTP 502: Bad Gateway")
    body = pathlib.Path(option("--body-file")).read_text()
    known["pulls"].append({"head": option("--head"), "draft": "--draft" in words, "body": body})
    print("https://github.com/owner/name/pull/1")
elif words[:2] not in (["auth", "setup-git"], ["workflow", "run"]):
    sys.exit(f"unknown words: {words}")
state.write_text(json.dumps(known))
"""


@pytest.fixture
def gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A GitHub without releases and pull requests; its ``gh`` is on PATH."""
    program = fake_program(tmp_path / "bin", "gh", _GH)
    monkeypatch.setenv("PATH", os.pathsep.join([str(program.parent), os.environ["PATH"]]))
    return program


def state(gh: Path) -> dict[str, object]:
    """What GitHub has."""
    found: dict[str, object] = json.loads(gh.with_name("gh-state.json").read_text(encoding="utf-8"))
    return found


# --- the release


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A built release in miniature."""
    directory = tmp_path / "dist"
    directory.mkdir()
    for name in NAMES | REPORT:
        (directory / name).write_bytes(name.encode())
    with zipfile.ZipFile(directory / WHEEL, "w") as wheel:
        wheel.writestr("codex_cli_bin-0.169.0.dist-info/sboms/codex-cli-bin.cdx.json", "{}")
    with zipfile.ZipFile(directory / "codex_app_server_sdk-0.169.0-py3-none-any.whl", "w"):
        pass
    return directory


def released(dist: Path, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the script in the checkout."""
    return finished(sys.executable, RELEASE, "publish", dist, cwd=ROOT, env=env, code=code)


def assets(gh: Path) -> dict[str, str]:
    """The files of the release and their digests."""
    found = json.loads(gh.with_name("gh-state.json").read_text(encoding="utf-8"))["releases"][TAG]["assets"]
    return {each["name"]: each["digest"] for each in found}


def is_draft(gh: Path) -> bool:
    """Whether nobody sees the release."""
    found = json.loads(gh.with_name("gh-state.json").read_text(encoding="utf-8"))["releases"][TAG]["isDraft"]
    return bool(found)


def test_a_release_has_files_digests_bills_of_materials_and_the_report(gh: Path, dist: Path, tmp_path: Path) -> None:
    released(dist)
    assert assets(gh).keys() == ALL
    assert not is_draft(gh)
    created, *_, shown = (call for call in calls_of(gh) if call[1] in {"create", "upload", "edit"})
    assert created[:4] == ["release", "create", TAG, "--draft"]
    assert created[5] == finished("git", "rev-parse", "HEAD", cwd=ROOT).stdout.strip()
    assert shown == ["release", "edit", TAG, "--draft=false", "--target", created[5]]


def test_the_tag_is_the_version_of_the_client(gh: Path, dist: Path) -> None:
    for name in NAMES - {WHEEL}:
        (dist / name).rename(dist / name.replace("0.169.0", "0.169.0.post1"))
    released(dist)
    assert [call[2] for call in calls_of(gh) if call[1] == "create"] == [f"{TAG}.post1"]
    assert previous("0.169.0.post1", dist.parent) == "there is no release before\n"
    assert previous("0.169.0.post2", dist.parent) == f"{TAG}.post1 is the release before\n"


def test_the_digests_are_those_that_sha256sum_checks(dist: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, github_release as r; print(r.sums(sorted(pathlib.Path(sys.argv[1]).iterdir())), end='')"
    )
    said = finished(sys.executable, "-c", code, dist, cwd=RELEASE.parent).stdout
    lines = {name: digest for digest, name in (line.split("  ") for line in said.splitlines())}
    assert lines == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in dist.iterdir()}


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_release_that_breaks_off_is_seen_by_nobody_and_completed_by_the_next_run(
    name: str, gh: Path, dist: Path
) -> None:
    said = released(dist, code=1, GH_FAILS_ON=name).stderr
    assert said == "github_release.py: the release is not complete: HTTP 502: Bad Gateway; run it again\n"
    assert is_draft(gh)
    assert name not in assets(gh)
    there = set(assets(gh))
    again = released(dist).stdout
    assert assets(gh).keys() == ALL
    assert not is_draft(gh)
    for each in there - REPORT:
        assert f"{each}: is there\n" in again


def test_a_complete_release_is_left_alone_but_for_its_report(gh: Path, dist: Path) -> None:
    released(dist)
    before = assets(gh)
    (dist / "release.json").write_text("another run", encoding="utf-8")
    released(dist)
    after = assets(gh)
    assert {name for name in ALL if before[name] != after[name]} == {"release.json"}
    assert [call[1] for call in calls_of(gh)].count("create") == 1


@pytest.mark.parametrize("is_out", [True, False])
def test_a_release_with_other_bytes_is_refused(gh: Path, dist: Path, is_out: bool) -> None:
    released(dist)
    if not is_out:
        known = state(gh)
        known["releases"][TAG]["isDraft"] = True  # type: ignore[index]  # that is how it looks
        gh.with_name("gh-state.json").write_text(json.dumps(known), encoding="utf-8")
    before = assets(gh)
    (dist / "codex_app_server_sdk-0.169.0.tar.gz").write_bytes(b"other")
    said = released(dist, code=1).stderr
    assert "its codex_app_server_sdk-0.169.0.tar.gz has the digest sha256:" in said
    remedies = {
        True: "; it is out and does not change; make a post release\n",
        False: f" without it: gh release delete-asset {TAG} codex_app_server_sdk-0.169.0.tar.gz\n",
    }
    assert said.endswith(remedies[is_out])
    assert assets(gh) == before


def test_what_is_no_release_is_refused_before_github_is_asked(gh: Path, dist: Path) -> None:
    (dist / "release.json").unlink()
    assert "lacks release.json" in released(dist, code=1).stderr
    (dist / "release.json").touch()
    whole = (dist / WHEEL).read_bytes()
    for damaged in (whole[:-20], whole[:1] + b"x" + whole[2:]):
        (dist / WHEEL).write_bytes(damaged)
        line = released(dist, code=1).stderr
        assert line.startswith(f"github_release.py: the release is not complete: {dist / WHEEL} is damaged: ")
        assert line.endswith("; bring it here once more\n")
        assert line.count("\n") == 1
    for path in dist.iterdir():
        path.unlink()
    assert "has no distributions" in released(dist, code=1).stderr
    assert calls_of(gh) == []


def previous(version: str, into: Path) -> str:
    """What is said of the release before a version."""
    return finished(sys.executable, RELEASE, "previous", into, "--version", version, cwd=ROOT).stdout


def test_the_report_of_the_release_before_is_that_of_the_newest_earlier_version(
    gh: Path, dist: Path, tmp_path: Path
) -> None:
    into = tmp_path / "previous"
    assert previous("0.169.0", into) == "there is no release before\n"
    released(dist)
    assert previous("v0.169.0", into) == "there is no release before\n"
    assert list(into.iterdir()) == []
    assert previous("0.170.0", into) == f"{TAG} is the release before\n"
    assert (into / "release.json").read_text(encoding="utf-8") == TAG
    renamed(dist, "0.100.0")  # released again, after the newer one
    released(dist)
    assert previous("0.170.0", into) == f"{TAG} is the release before\n"
    assert previous("0.100.0.post1", into) == "v0.100.0 is the release before\n"


def renamed(dist: Path, version: str) -> None:
    """Make a built release that of another version."""
    for path in list(dist.iterdir()):
        path.rename(dist / re.sub(r"-0\.[^-]+?(?=-|\.tar)", f"-{version}", path.name))


def test_a_pre_release_is_never_shown_as_the_latest(gh: Path, dist: Path, tmp_path: Path) -> None:
    renamed(dist, "0.170.0a1")
    released(dist)
    assert json.loads(gh.with_name("gh-state.json").read_text("utf-8"))["releases"]["v0.170.0a1"]["isPrerelease"]
    assert previous("0.170.0", tmp_path) == "there is no release before\n"


def test_an_older_release_is_not_shown_as_the_latest_because_it_comes_last(gh: Path, dist: Path) -> None:
    released(dist)
    assert state(gh)["latest"] == TAG
    renamed(dist, "0.168.0.post1")
    released(dist)
    assert state(gh)["latest"] == TAG
    renamed(dist, "0.169.0.post1")
    released(dist)
    assert state(gh)["latest"] == f"{TAG}.post1"


def test_the_tag_is_at_the_commit_of_the_run_that_completes_the_release(gh: Path, dist: Path) -> None:
    """A run that breaks off leaves a draft, and may have been of another commit."""
    released(dist, code=1, GH_FAILS_ON="SHA256SUMS")
    known = json.loads(gh.with_name("gh-state.json").read_text(encoding="utf-8"))
    known["releases"][TAG]["target"] = "0" * 40
    gh.with_name("gh-state.json").write_text(json.dumps(known), encoding="utf-8")
    released(dist)
    assert json.loads(gh.with_name("gh-state.json").read_text(encoding="utf-8"))["tags"] == {
        TAG: finished("git", "rev-parse", "HEAD", cwd=ROOT).stdout.strip()
    }


def tagged(gh: Path, **tags: str) -> None:
    """A GitHub that has these tags, and nothing else."""
    known = {"releases": {}, "tags": {name.replace("_", "."): sha for name, sha in tags.items()}, "pulls": []}
    gh.with_name("gh-state.json").write_text(json.dumps(known), encoding="utf-8")


def test_a_release_whose_tag_is_at_another_commit_is_refused(gh: Path, dist: Path) -> None:
    before = "0" * 40
    tagged(gh, v0_169_0_post1=before)
    released(dist)  # a tag that only begins like it
    tagged(gh, v0_169_0=before)
    said = released(dist, code=1).stderr
    assert f"the tag {TAG} is at {before}, and these files are made from " in said
    assert said.endswith(": they need another one\n")  # to run it again would change nothing
    assert state(gh)["releases"] == {}
    tagged(gh, v0_169_0=finished("git", "rev-parse", "HEAD", cwd=ROOT).stdout.strip())
    released(dist)
    assert not is_draft(gh)


def test_a_release_begins_on_the_default_branch_or_its_own_tag(gh: Path) -> None:
    def begun(version: str, ref: str, code: int = 0) -> str:
        words = ("begin", version, "--ref", ref, "--default", "refs/heads/main")
        return finished(sys.executable, RELEASE, *words, cwd=ROOT, code=code).stderr

    for version in ("0.169.0", TAG):
        for ref in ("refs/heads/main", f"refs/tags/{TAG}"):
            assert begun(version, ref) == ""
        for ref in ("refs/heads/mine", "refs/tags/main", "refs/tags/v0.168.0", "main", TAG):
            said = begun(version, ref, code=1)
            assert said == (
                f"github_release.py: the release does not begin: {TAG} is released from its tag or from "
                f"refs/heads/main, not from {ref}\n"
            )
    tagged(gh, v0_169_0="0" * 40)
    assert f"the tag {TAG} is at {'0' * 40}" in begun(TAG, "refs/heads/main", code=1)
    # Under whichever name somebody starts it, its tag is the one that is made at the end.
    assert f"the tag {TAG} is at {'0' * 40}" in begun("rust-v0.169.0", "refs/heads/main", code=1)
    tagged(gh, v0_170_0a1="0" * 40, v0_170_0rc2_post3="0" * 40)
    for version, tag in (
        ("0.170.0-alpha.1", "v0.170.0a1"),
        ("v0.170.0a1", "v0.170.0a1"),
        ("0.170.0-rc.2.post3", "v0.170.0rc2.post3"),
    ):
        assert f"the tag {tag} is at {'0' * 40}" in begun(version, "refs/heads/main", code=1)
    assert begun("0.170.0-beta.1", "refs/heads/main") == ""
    tagged(gh, **{"v0_170_0-beta_1": "0" * 40})
    assert "the tag v0.170.0-beta.1 is at " in begun("0.170.0-beta.1", "refs/heads/main", code=1)


# --- the proposal

LOCK, ADDED = "release/runtime.lock.toml", "sdk/src/codex_app_server/generated/added.py"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of a repository with one file, and beside it a patch and notes."""
    origin, directory = tmp_path / "origin.git", tmp_path / "clone"
    finished("git", "init", "--quiet", "--bare", "--initial-branch=main", origin)
    finished("git", "clone", "--quiet", origin, directory)
    for path in (LOCK, ADDED, "scripts/x"):
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
    (directory / LOCK).write_text("old\n", encoding="utf-8")
    (directory / "scripts" / "x").write_text("old\n", encoding="utf-8")
    git(directory, "add", "--all")
    git(directory, "-c", "user.name=x", "-c", "user.email=x@example.invalid", "commit", "--quiet", "-m", "begin")
    git(directory, "push", "--quiet", "origin", "HEAD:main")
    (directory / LOCK).write_text("new\n", encoding="utf-8")
    (directory / ADDED).parent.mkdir(parents=True, exist_ok=True)
    (directory / ADDED).write_bytes(bytes(range(256)))
    as_patch(directory)
    (tmp_path / "notes.md").write_text("# Codex 1 to 2\n", encoding="utf-8")
    return directory


def as_patch(directory: Path) -> None:
    """Take all changes out of a clone, into the patch beside it."""
    git(directory, "add", "--all")
    (directory.parent / "bump.patch").write_bytes(git(directory, "diff", "--cached", "--binary").encode())
    git(directory, "reset", "--quiet", "--hard")


def git(directory: Path, *words: str) -> str:
    """What git prints."""
    return finished("git", *words, cwd=directory).stdout


def proposed(clone: Path, tests: str = "success", code: int = 0, **env: str) -> str:
    """Run the script; what it complains of."""
    words = ("--patch", clone.parent / "bump.patch", "--notes", clone.parent / "notes.md", "--tests", tests)
    return finished(sys.executable, BUMP, "propose", "2.0.0", *words, cwd=clone, env=env, code=code).stderr


def pulls(gh: Path) -> list[dict[str, object]]:
    """The pull requests."""
    found = state(gh)["pulls"]
    assert isinstance(found, list)
    return found


def test_a_bump_becomes_a_branch_and_a_pull_request_and_is_checked(gh: Path, clone: Path) -> None:
    proposed(clone)
    (pull,) = pulls(gh)
    assert pull["head"] == "bump/codex-2.0.0"
    assert pull["draft"] is False
    assert str(pull["body"]).startswith("The tests pass")
    assert "# Codex 1 to 2" in str(pull["body"])
    assert git(clone, "show", f"origin/bump/codex-2.0.0:{LOCK}") == "new\n"
    assert git(clone, "diff", "--name-only", "origin/main", "origin/bump/codex-2.0.0") == f"{LOCK}\n{ADDED}\n"
    assert calls_of(gh)[-1] == ["workflow", "run", "ci.yml", "--ref", "bump/codex-2.0.0"]


def _changed(directory: Path, path: str) -> None:
    (directory / path).parent.mkdir(parents=True, exist_ok=True)
    (directory / path).write_text("new\n", encoding="utf-8")


STRAYS: dict[str, Callable[[Path], object]] = {
    "scripts/x": lambda clone: (clone / "scripts" / "x").unlink(),
    ".github/workflows/release.yml": lambda clone: _changed(clone, ".github/workflows/release.yml"),
    "sdk/src/codex_app_server/client.py": lambda clone: _changed(clone, "sdk/src/codex_app_server/client.py"),
    "tests/README.md": lambda clone: _changed(clone, "tests/README.md"),
    "README.md": lambda clone: (clone / "README.md").symlink_to("release"),
    LOCK: lambda clone: (clone / LOCK).chmod(0o755),
}


@pytest.mark.parametrize("path", STRAYS)
def test_a_patch_that_changes_what_no_bump_writes_is_not_proposed(path: str, gh: Path, clone: Path) -> None:
    """What ran to make it may be anybody's."""
    STRAYS[path](clone)
    as_patch(clone)
    said = proposed(clone, code=1)
    assert f"bump.patch changes what no bump writes: {path}" in said
    assert git(clone, "ls-remote", "origin", "bump/*") == ""
    assert ["pr", "create"] not in [call[:2] for call in calls_of(gh)]


def test_all_that_a_bump_writes_may_be_proposed() -> None:
    workspace = Workspace.find(repo=ROOT, script=None, cwd=ROOT)
    written = [path.relative_to(ROOT).as_posix() for path in bump._written(workspace, workspace.lock_file)]
    code = "import sys, propose_bump as p; print([each for each in sys.argv[1:] if not p.WRITTEN.fullmatch(each)])"
    assert finished(sys.executable, "-c", code, *written, cwd=BUMP.parent).stdout == "[]\n"
    assert len(written) > 50


def test_failing_tests_make_a_draft_that_says_so(gh: Path, clone: Path) -> None:
    proposed(clone, tests="failure")
    (pull,) = pulls(gh)
    assert pull["draft"] is True
    assert "**The tests do not pass**" in str(pull["body"])


def test_a_version_is_proposed_once(gh: Path, clone: Path, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    looked = (sys.executable, BUMP, "is-new", found)
    found.write_text(json.dumps({"pinned": "1.0.0", "version": "2.0.0", "is_new": True}), encoding="utf-8")
    assert finished(*looked, cwd=clone).stdout == "version=2.0.0\n"
    proposed(clone)
    assert finished(*looked, cwd=clone).stdout == "version=\n"
    proposed(clone)
    assert len(pulls(gh)) == 1
    found.write_text(json.dumps({"pinned": "2.0.0", "version": "2.0.0", "is_new": False}), encoding="utf-8")
    assert finished(*looked, cwd=clone).stdout == "version=\n"


def test_a_branch_of_that_name_in_somebodys_fork_keeps_no_version_from_being_proposed(
    gh: Path, clone: Path, tmp_path: Path
) -> None:
    pulled = {"releases": {}, "tags": {}, "pulls": [{"head": "bump/codex-2.0.0", "fork": True}]}
    gh.with_name("gh-state.json").write_text(json.dumps(pulled), encoding="utf-8")
    found = tmp_path / "found.json"
    found.write_text(json.dumps({"pinned": "1.0.0", "version": "2.0.0", "is_new": True}), encoding="utf-8")
    assert finished(sys.executable, BUMP, "is-new", found, cwd=clone).stdout == "version=2.0.0\n"
    proposed(clone)
    assert len(pulls(gh)) == 2


@pytest.mark.parametrize("text", ["", "[]", '{"version": "2.0.0"}'])
def test_what_is_no_answer_of_bump_is_said_in_one_line(gh: Path, clone: Path, tmp_path: Path, text: str) -> None:
    found = tmp_path / "found.json"
    found.write_text(text, encoding="utf-8")
    said = finished(sys.executable, BUMP, "is-new", found, cwd=clone, code=1).stderr
    assert said == f"propose_bump.py: {found} is not what codex-release bump --dry-run --json prints\n"


def test_a_proposal_that_breaks_off_is_made_by_the_next_run(gh: Path, clone: Path, tmp_path: Path) -> None:
    assert "HTTP 502: Bad Gateway" in proposed(clone, code=1, GH_FAILS_ON="pr")
    again = tmp_path / "again"
    finished("git", "clone", "--quiet", tmp_path / "origin.git", again)
    proposed(again)
    assert len(pulls(gh)) == 1


def test_notes_that_are_too_long_end_at_a_line(gh: Path, clone: Path) -> None:
    (clone.parent / "notes.md").write_text("a line of notes\n" * 6000, encoding="utf-8")
    proposed(clone)
    (pull,) = pulls(gh)
    body = str(pull["body"])
    assert len(body) < 65_536
    assert body.endswith("a line of notes\n\nThe rest is in the artifact `bump` of the run that made this.\n")
