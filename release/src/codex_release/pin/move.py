"""What a move of the pin has to say: how the sizes changed, what was signed otherwise, what documents name. Pure.

Whoever reads the pull request of a bump decides by these notes; so they tell what is out of the ordinary first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codex_release.base.words import byte_count
from codex_release.facts.signatures import VERIFIED, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from codex_release.facts.lock import Lock, LockedTarget
    from codex_release.facts.targets import Layout
    from codex_release.facts.versions import ReleaseVersion

__all__ = ["notes", "with_version"]

_TENFOLD = 10
"""By which factor a file's size may change before somebody should look at it."""
_BLOCK = re.compile(r"^```\w*\n.*?^```$", re.MULTILINE | re.DOTALL)
# What `protocol-diff` names is what the pinned release is compared with.
_COMMAND = re.compile(
    r"^(?!codex-release protocol-diff )(?:codex|codex-release|npm|npx|pip|pipx|python3?|uv|uvx) .*$", re.MULTILINE
)


def with_version(document: str, old: ReleaseVersion, new: ReleaseVersion) -> str:
    """A Markdown document whose commands, in blocks of any language, name another version; what it tells stays."""
    word = re.compile(rf"(?<![\w.+-]){re.escape(old.codex)}(?![\w+-]|\.\w)")

    def renewed(block: re.Match[str]) -> str:
        return _COMMAND.sub(lambda command: word.sub(new.codex, command[0]), block[0])

    return _BLOCK.sub(renewed, document)


def notes(old: Lock, new: Lock, protocol: str, layout: Layout, remarks: Sequence[str] = ()) -> str:
    """What changes with the pin, as Markdown.

    Args:
        old: what was pinned.
        new: what is now.
        protocol: the changes of the protocol, a Markdown document of its own.
        layout: what of a runtime is shipped.
        remarks: what somebody should look at besides.
    """
    lines = [f"# Codex {old.version} to {new.version}", "", "## Sizes", "", *_sizes(old, new, layout)]
    gone = {f"`{triple}` is no platform any more." for triple in old.targets.keys() - new.targets.keys()}
    files = {remark for triple in new.targets for remark in _remarks(triple, old, new, layout)}
    if every := [*remarks, *sorted(gone), *sorted(files)]:
        lines += ["", "## Worth a look", "", *(f"- {remark}" for remark in every)]
    # Its headings go below ours.
    below = re.sub(r"^(?=#+ )", "#", protocol, flags=re.MULTILINE)
    return "\n".join([*lines, "", below])


def _sizes(old: Lock, new: Lock, layout: Layout) -> Iterator[str]:
    """A table: what each platform ships and downloads, before and after, and what is known of who signed it."""
    yield "| platform | shipped files | before | after | change | archive before | after | Sigstore | own signatures |"
    yield "|---|--:|--:|--:|--:|--:|--:|---|---|"
    for triple, target in new.targets.items():
        after = layout.payload(target.files)
        before = layout.payload(old.targets[triple].files) if triple in old.targets else {}
        was, now = (sum(each.size for each in files.values()) for files in (before, after))
        cells = [
            f"`{triple}`",
            str(len(after)),
            byte_count(was) if before else "-",
            byte_count(now),
            f"{100 * (now - was) / was:+.1f} %" if was else "new",
            _archive(old.targets.get(triple)),
            _archive(target),
            target.signature.state if target.signature else "-",
            in_words(target.code_signatures.values()) or "-",
        ]
        yield f"| {' | '.join(cells)} |"


def _remarks(triple: str, old: Lock, new: Lock, layout: Layout) -> Iterator[str]:
    """What no longer vouches for a platform; files that appear, vanish, are signed otherwise, or change their size."""
    if triple not in old.targets:
        return
    was_locked, locked = old.targets[triple], new.targets[triple]
    for source in was_locked.archives.keys() - locked.archives.keys():
        yield f"`{triple}` is not locked from {source} any more; compare it later: `codex-release lock --check`."
    signatures = [each.signature.state if each.signature else "unknown" for each in (was_locked, locked)]
    if signatures[0] == VERIFIED != signatures[1]:
        yield f"The Sigstore signature of `{triple}` is {signatures[1]}; it was {VERIFIED}."
    before, after = (layout.payload(each.files) for each in (was_locked, locked))
    for path in after.keys() - before.keys():
        yield f"`{triple}` has `{path}` now ({byte_count(after[path].size)})."
    for path in before.keys() - after.keys():
        yield f"`{triple}` no longer has `{path}` ({byte_count(before[path].size)})."
    for path in before.keys() & after.keys():
        was, now = before[path].size, after[path].size
        if max(was, now) >= _TENFOLD * max(1, min(was, now)):
            yield f"`{path}` of `{triple}` has {byte_count(now)} instead of {byte_count(was)}."
        signed, signs = (each.code_signatures.get(path) for each in (was_locked, locked))
        if signed and signed != signs:
            yield f"`{path}` of `{triple}` is {signs or 'nothing that can be signed'}; it was {signed}."


def _archive(target: LockedTarget | None) -> str:
    """The size of what is downloaded; of the smallest, if sources pack it differently."""
    sizes = [archive.digest.size for archive in target.archives.values()] if target else []
    return byte_count(min(sizes)) if sizes else "-"
