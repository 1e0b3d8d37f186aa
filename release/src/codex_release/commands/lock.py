"""``lock``: Pin a Codex release, or check that the sources still serve exactly what is pinned."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from codex_release.base.errors import UsageError
from codex_release.base.words import byte_count, counted
from codex_release.commands.answer import Answer
from codex_release.facts.signatures import UNCHECKED, in_words
from codex_release.pin.observation import hold, observed

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "version",
        nargs="?",
        metavar="VERSION",
        help="the release to pin; not needed with --check, which takes the locked one",
    )
    parser.add_argument("--check", action="store_true", help="only download and compare with the lock; write nothing")


def run(arguments: argparse.Namespace, context: Context) -> Answer:
    """Fetch every target from every source that answers, and write or compare the lock.

    Raises:
        ReleaseError: if a target is served by nobody, two sources disagree, or the lock does not hold.
    """
    if not arguments.version and not arguments.check:
        raise UsageError("there is no version to lock", remedy="name one, e.g.: codex-release lock 0.169.0")
    version = context.version(arguments.version)
    # Before gigabytes are downloaded to be held against it.
    before = context.lock if arguments.check or context.lock_file.is_file() else None
    if arguments.check:
        for target in context.catalog.targets:
            context.lock.require(version, target)
    fresh = observed(version, context.catalog.targets, context)
    if arguments.check:
        hold(context.lock, fresh, context.progress)
    else:
        if before is not None:
            for triple, now in fresh.targets.items() if before.version == version else ():
                if triple in before.targets and before.targets[triple].files != now.files:
                    context.progress.note(
                        f"WARNING: {triple} of {version} had other files when it was locked; "
                        "find out from upstream why before you keep this lock"
                    )
            fresh = fresh.merged(before)
        fresh.write(context.lock_file)
    rows = []
    for triple, locked in fresh.targets.items():
        sources = ", ".join(sorted(locked.archives)) or "directory"
        size = sum(digest.size for digest in locked.files.values())
        signature = locked.signature.state if locked.signature else ""
        code = in_words(locked.code_signatures.values())
        rows.append((triple, sources, counted(len(locked.files), "file"), byte_count(size), signature, code))
    verb = "holds" if arguments.check else "written"
    signatures = [each.signature for each in fresh.targets.values() if each.signature]
    data = {
        "version": version.codex,
        "lock": str(context.lock_file),
        "targets": {triple: sorted(locked.archives) for triple, locked in fresh.targets.items()},
        "signatures": {triple: asdict(each.signature) for triple, each in fresh.targets.items() if each.signature},
        "code_signatures": {
            triple: {path: asdict(code) for path, code in each.code_signatures.items()}
            for triple, each in fresh.targets.items()
        },
    }
    if unchecked := sum(each.state == UNCHECKED for each in signatures):
        context.progress.note(
            f"{counted(unchecked, 'signature')} not verified: "
            "the extra is not installed (pip install 'codex-release[sigstore]')"
        )
    return Answer(
        ("target", "sources", "files", "size", "sigstore", "code signatures"),
        rows,
        data,
        title=f"{context.lock_file.name} {verb}",
    )
