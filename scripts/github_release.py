#!/usr/bin/env python3
"""Make the release on GitHub, or complete one that a broken-off run has left: through ``gh``.

    python scripts/github_release.py begin V --ref REF --default REF     whether it may begin there
    python scripts/github_release.py publish DIST
    python scripts/github_release.py previous DIR --version V     the report of the release before, if there is one

It is a draft until everything is there, so nobody meets half of it; a file that is there already is not sent again. A
file there with other bytes is refused: a release that is out does not change. Its tag is ``v`` and the version of the
client, for one runtime may have several clients; where there is such a tag already, it must be at the commit that is
released.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

__all__ = ["main", "sboms", "sums"]

REPORT = ("release.html", "release.json")
"""What tells of a run, and so is another file after each: it is replaced."""
PREVIOUS = "release.json"
SUMS = "SHA256SUMS"
CLIENT = "codex_app_server_sdk-"
TIMEOUT_S = 1200
FAILED = {
    "begin": "the release does not begin",
    "previous": "the release before this one cannot be asked for",
    "publish": "the release is not complete",
}


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    beginning = commands.add_parser("begin", help="refuse a release that does not begin where releases do")
    beginning.add_argument("version", metavar="V", help="the client's version, or its tag")
    beginning.add_argument("--ref", required=True, help="what the workflow runs on, e.g. refs/tags/v1.2.3")
    beginning.add_argument("--default", required=True, metavar="REF", help="the default branch, e.g. refs/heads/main")
    publishing = commands.add_parser("publish", help="make the release, or complete it")
    publishing.add_argument("dist", type=Path, metavar="DIST", help="the built release")
    publishing.add_argument("--commit", default="HEAD", help="what to tag if the tag is not there yet")
    looking = commands.add_parser("previous", help="get the report of the release before")
    looking.add_argument("directory", type=Path, metavar="DIR", help="where it goes")
    looking.add_argument("--version", required=True, metavar="V", help="the release that is being made")
    arguments = parser.parse_args()
    try:
        if arguments.command == "begin":
            begin(f"v{arguments.version.removeprefix('v')}", arguments.ref, arguments.default)
            return 0
        if arguments.command == "previous":
            get_previous(arguments.directory, arguments.version)
            return 0
        with tempfile.TemporaryDirectory() as scratch:
            files = collected(arguments.dist, Path(scratch))
            publish(tag_of(files), files, arguments.commit)
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        complaint = getattr(error, "stderr", None) or error
        said = " ".join(str(complaint).split())
        remedy = "; run it again" if isinstance(error, subprocess.SubprocessError) else ""
        sys.stderr.write(f"github_release.py: {FAILED[arguments.command]}: {said}{remedy}\n")
        return 1
    return 0


def begin(tag: str, ref: str, default: str) -> None:
    """Refuse what is no place for a release to begin: its own tag and the default branch are looked after, no other.

    Raises:
        ValueError: if it may not begin.
    """
    if ref not in {default, f"refs/tags/{tag}"}:
        raise ValueError(f"{tag} is released from its tag or from {default}, not from {ref}")
    for each in filter(None, dict.fromkeys((tag, as_published(tag)))):
        _require_untagged_elsewhere(each, "HEAD")
    print(f"{tag} may begin on {ref}")


def as_published(tag: str) -> str:
    """The tag that `publish` makes, for one that spells the version otherwise: ``v1.2.0a3`` for ``v1.2.0-alpha.3``.

    Without this, that it is at another commit would be found when everything is on the index. What names no version has
    none; the lock refuses it in a better sentence.
    """
    try:
        return f"v{Version(tag.replace('rust-v', ''))}"
    except InvalidVersion:
        return ""


def collected(dist: Path, scratch: Path) -> list[Path]:
    """Everything that the release shows: the distributions, their digests, the bills of materials, the report.

    Raises:
        ValueError: if there are no distributions, or a report is missing.
    """
    files = sorted(path for path in dist.iterdir() if path.suffix == ".whl" or path.name.endswith(".tar.gz"))
    if not files:
        raise ValueError(f"{dist} has no distributions")
    missing = [name for name in REPORT if not (dist / name).is_file()]
    if missing:
        raise ValueError(f"{dist} lacks {', '.join(missing)}")
    for name, content in sboms(files).items():
        (scratch / name).write_bytes(content)
    files += sorted(scratch.iterdir())
    (scratch / SUMS).write_bytes(sums(files).encode())
    return [*files, scratch / SUMS, *(dist / name for name in REPORT)]


def get_previous(directory: Path, version: str) -> None:
    """Get the report of the newest release that comes before a version; nothing if there is none, or no report of it.

    There may be later ones: an older client can be released again.
    """
    directory.mkdir(parents=True, exist_ok=True)
    before = max((tag for tag in stable_tags() if Version(tag) < Version(version)), key=Version, default=None)
    if before is None:
        print("there is no release before")
        return
    assets = json.loads(_ran("gh", "release", "view", before, "--json", "assets"))["assets"]
    if PREVIOUS not in [each["name"] for each in assets]:
        print(f"{before} has no {PREVIOUS}")
        return
    _ran("gh", "release", "download", before, "--pattern", PREVIOUS, "--dir", str(directory), "--clobber")
    print(f"{before} is the release before")


def stable_tags() -> list[str]:
    """The tags of our releases that everybody sees, without the pre-releases."""
    words = ("--exclude-drafts", "--exclude-pre-releases", "--limit", "100", "--json", "tagName")
    tags = [each["tagName"] for each in json.loads(_ran("gh", "release", "list", *words))]
    return [tag for tag in tags if as_published(tag) == tag]


def tag_of(files: list[Path]) -> str:
    """The tag: the client's version, for a runtime may have several clients.

    Raises:
        ValueError: if there is not exactly one client.
    """
    versions = [
        path.name.removeprefix(CLIENT).removesuffix(".tar.gz") for path in files if path.name.endswith(".tar.gz")
    ]
    if len(versions) != 1:
        raise ValueError(f"there are {len(versions)} source distributions of the client, not one")
    return f"v{versions[0]}"


def sboms(files: list[Path]) -> dict[str, bytes]:
    """The bills of materials (PEP 770) of wheels, named after their wheel.

    Raises:
        ValueError: if a wheel is damaged.
    """
    found = {}
    for path in files:
        if path.suffix != ".whl":
            continue
        try:
            with zipfile.ZipFile(path) as wheel:
                for name in wheel.namelist():
                    if ".dist-info/sboms/" in name:
                        found[f"{path.stem}.cdx.json"] = wheel.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ValueError(f"{path} is damaged: {error}; bring it here once more") from error
    return found


def sums(files: list[Path]) -> str:
    """The digests as ``sha256sum --check`` reads them."""
    return "".join(f"{_sha256(path)}  {path.name}\n" for path in files)


def publish(tag: str, files: list[Path], commit: str) -> None:
    """Make the draft if there is no release, send what it lacks, and show it.

    Raises:
        ValueError: if it has a file with other bytes, or its tag is at another commit.
    """
    sha = _require_untagged_elsewhere(tag, commit)
    release = _release(tag)
    if release is None:
        notes = f"{SUMS} has the digests of all files, release.html the report."
        words = ["--draft", "--target", sha, "--title", tag, "--notes", notes]
        if Version(tag).is_prerelease:  # else GitHub would show it as the latest
            words.append("--prerelease")
        _ran("gh", "release", "create", tag, *words)
        release = {"assets": [], "isDraft": True}
    there = {asset["name"]: asset for asset in release["assets"] if asset.get("state", "uploaded") == "uploaded"}
    for path in files:
        asset = there.get(path.name)
        if asset is not None and path.name not in REPORT:
            digest = asset.get("digest")
            if digest != f"sha256:{_sha256(path)}":
                remedy = (
                    f"find out whose that is, and run it again without it: gh release delete-asset {tag} {path.name}"
                    if release["isDraft"]
                    else "it is out and does not change; make a post release"
                )
                raise ValueError(f"its {path.name} has the digest {digest}, ours is sha256:{_sha256(path)}; {remedy}")
            print(f"{path.name}: is there")
            continue
        print(f"{path.name}: sent")
        _ran("gh", "release", "upload", tag, str(path), "--clobber")
    if release["isDraft"]:
        # A draft may be of a run on another commit. What comes last is the latest to GitHub, unless it is told.
        is_old = any(Version(other) > Version(tag) for other in stable_tags())
        _ran("gh", "release", "edit", tag, "--draft=false", "--target", sha, *(["--latest=false"] if is_old else []))
    print(f"{tag} is complete")


def _require_untagged_elsewhere(tag: str, commit: str) -> str:
    """The sha of a commit, which is where the tag is if there is one."""
    sha = _ran("git", "rev-parse", f"{commit}^{{commit}}").strip()
    refs = json.loads(_ran("gh", "api", f"repos/{{owner}}/{{repo}}/git/matching-refs/tags/{tag}"))
    if f"refs/tags/{tag}" in [each["ref"] for each in refs]:  # others may begin with it
        # Asked for the commit, GitHub follows a tag that has a text of its own.
        there = json.loads(_ran("gh", "api", f"repos/{{owner}}/{{repo}}/commits/tags/{tag}"))["sha"]
        if there != sha:
            raise ValueError(f"the tag {tag} is at {there}, and these files are made from {sha}: they need another one")
    return sha


def _release(tag: str) -> dict[str, Any] | None:
    """What GitHub has of the release, drafts included; `None` if nothing."""
    listed = json.loads(_ran("gh", "release", "list", "--limit", "200", "--json", "tagName"))
    if tag not in [each["tagName"] for each in listed]:
        return None
    found: dict[str, Any] = json.loads(_ran("gh", "release", "view", tag, "--json", "assets,isDraft"))
    return found


def _ran(*argv: str) -> str:
    """What a program prints, which must end well; a `subprocess.SubprocessError` says that it did not."""
    return subprocess.run(
        argv, check=True, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=TIMEOUT_S
    ).stdout


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
