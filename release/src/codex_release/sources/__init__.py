"""Sources: who serves the archives of a release.

A source only answers which archive it has for a version and a target, and how to get its bytes (an `Origin`). It
moves no archive itself and is not trusted: the bytes are held against the lock, or against a published digest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from codex_release.base.shown import is_web_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from codex_release.base.digests import Digest
    from codex_release.base.table import Table
    from codex_release.facts.targets import Target
    from codex_release.facts.versions import ReleaseVersion

__all__ = ["Archive", "Bundle", "LocalFile", "Origin", "Program", "Source", "WebFile", "web_url"]


@dataclass(frozen=True)
class WebFile:
    """Bytes behind a URL.

    Attributes:
        url: where they are.
        headers: what to send along; kept out of every representation, for a token may be among them.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class LocalFile:
    """Bytes in a file on this machine."""

    path: Path


@dataclass(frozen=True)
class Program:
    """Bytes that a program prints."""

    argv: tuple[str, ...]


Origin = WebFile | LocalFile | Program


@dataclass(frozen=True)
class Archive:
    """One archive that a source has.

    Attributes:
        source: the source's name.
        name: the archive's file name there.
        origin: how to get its bytes.
        size: its length in bytes, if the source says.
        digests: what the source publishes about it; may be empty.
    """

    source: str
    name: str
    origin: Origin
    size: int | None = None
    digests: tuple[Digest, ...] = ()


@dataclass(frozen=True)
class Bundle:
    """A Sigstore bundle, as a source serves it: its file name and its content, which nobody has looked at yet."""

    name: str
    content: bytes


class Source(Protocol):
    """Who serves archives."""

    @property
    def name(self) -> str:
        """A short word for messages and for the lock, e.g. ``github``."""

    def find(self, version: ReleaseVersion, target: Target) -> Archive:
        """The best archive for a target of a version.

        Raises:
            SourceError: if there is none, or the source cannot be asked; it says why.
        """

    def latest(self) -> ReleaseVersion:
        """The newest stable release, as its publisher says there.

        Raises:
            SourceError: if the source does not tell, or cannot be asked.
        """

    def bundle(self, version: ReleaseVersion, target: Target) -> Bundle | None:
        """The Sigstore bundle of a target's entrypoint, if the source has one.

        Raises:
            SourceError: if it has one that cannot be had, or the source cannot be asked.
        """


def web_url(table: Table, key: str) -> str:
    """A text of a server's answer that has to be an absolute http or https URL.

    Raises:
        ReleaseError: of the table's kind, if it is none.
    """
    url = table.text(key)
    if not is_web_url(url):
        table.refuse(key, f"is {url[:80]!r}, not an http or https URL")
    return url
