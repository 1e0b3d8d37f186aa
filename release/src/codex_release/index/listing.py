"""A project's page on a package index, in either form of the simple API, as values. Pure: text in, files out.

The JSON form is PEP 691, the HTML form PEP 503; what else is said of a file follows PEP 592 (yanked), 658 and 714
(metadata beside the wheel), 700 (sizes) and 740 (provenance). What an index does not say is `None`: no guess.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from codex_release.base.errors import PackageIndexError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ListedFile", "Listing", "parse_html", "parse_json"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION_META = "pypi:repository-version"
"""How the HTML form states the version of the API (PEP 629)."""


@dataclass(frozen=True)
class ListedFile:
    """A file as an index lists it.

    Attributes:
        name: its file name.
        url: where its bytes are, absolute; it may hold what gives access, so it is not shown as it stands.
        sha256: in hex; `None` if the index does not say.
        size: in bytes; `None` if the index does not say (the HTML form never does).
        requires_python: a version specifier (PEP 440); `None` if the index does not say.
        core_metadata: whether the metadata is served beside it, at `url` with ``.metadata`` behind it (PEP 658).
        provenance: where its attestations are (PEP 740); `None` if it has none.
        yanked: the reason, maybe empty, for which nobody should install it any more (PEP 592); `None` if it is good.
    """

    name: str
    url: str = field(repr=False)
    sha256: str | None = None
    size: int | None = None
    requires_python: str | None = None
    core_metadata: bool = False
    provenance: str | None = field(default=None, repr=False)
    yanked: str | None = None


@dataclass(frozen=True)
class Listing:
    """What an index has of one project.

    Attributes:
        project: its normalized name (PEP 503).
        files: in the order of the index.
        exists: whether the index knows the project at all.
    """

    project: str
    files: tuple[ListedFile, ...] = ()
    exists: bool = True

    def file(self, name: str) -> ListedFile | None:
        """The file of a name, `None` if it is not listed."""
        return next((each for each in self.files if each.name == name), None)


def parse_json(body: bytes, project: str, base: str) -> Listing:
    """Read the JSON form.

    Args:
        body: what the index answered.
        project: whose page it is.
        base: the URL of the page, which relative links start from.

    Raises:
        PackageIndexError: if it is not that form, or of a later major version.
    """
    try:
        page = json.loads(body)
        _require_known_version(page["meta"]["api-version"])
        return Listing(project, tuple(_json_file(each, base) for each in page["files"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PackageIndexError(f"the listing of {project} is no JSON of the simple API: {error!r}") from error


def parse_html(body: bytes, project: str, base: str) -> Listing:
    """Read the HTML form; the arguments are those of `parse_json`.

    Raises:
        PackageIndexError: if it is of a later major version, or a link cannot be understood.
    """
    page = _Page(base)
    page.feed(body.decode("utf-8", "replace"))
    page.close()
    _require_known_version(page.version)
    try:
        return Listing(project, tuple(_html_files(page)))
    except ValueError as error:
        raise PackageIndexError(f"the listing of {project} has a link that is none: {error}") from error


def _require_known_version(version: object) -> None:
    if str(version).partition(".")[0] != "1":
        raise PackageIndexError(f"the package index speaks version {version} of the simple API, this toolkit version 1")


def _json_file(entry: Any, base: str) -> ListedFile:
    metadata = entry.get("core-metadata", entry.get("dist-info-metadata", False))
    yanked = entry.get("yanked", False)
    size = entry.get("size")
    return ListedFile(
        name=str(entry["filename"]),
        url=urljoin(base, entry["url"]),
        sha256=_sha256(entry.get("hashes", {}).get("sha256")),
        size=size if type(size) is int else None,
        requires_python=entry.get("requires-python") or None,
        core_metadata=bool(metadata) or metadata == {},  # an object of digests, maybe an empty one, says yes
        provenance=urljoin(base, entry["provenance"]) if entry.get("provenance") else None,
        yanked=str(yanked) if isinstance(yanked, str) else ("" if yanked else None),
    )


def _html_files(page: _Page) -> Iterable[ListedFile]:
    for anchor in page.anchors:
        href = anchor.get("href")
        if not href:
            continue
        url, fragment = urldefrag(urljoin(page.base, href))
        algorithm, _, value = fragment.partition("=")
        provenance = anchor.get("data-provenance")
        metadata = anchor.get("data-core-metadata", anchor.get("data-dist-info-metadata", "false"))
        yield ListedFile(
            # The path says the name that tools go by; the anchor's text need only look like it.
            name=unquote(urlsplit(url).path.rpartition("/")[2]),
            url=url,
            sha256=_sha256(value) if algorithm == "sha256" else None,
            requires_python=anchor.get("data-requires-python") or None,
            core_metadata=metadata != "false",
            provenance=urljoin(page.base, provenance) if provenance else None,
            yanked=(anchor["data-yanked"] or "") if "data-yanked" in anchor else None,
        )


def _sha256(value: object) -> str | None:
    text = value.lower() if isinstance(value, str) else ""
    return text if _SHA256.fullmatch(text) else None


class _Page(HTMLParser):
    """The anchors of a page with their attributes, the base of its links, and the version it states.

    Attributes:
        base: what relative links start from: the page's own URL, or what its ``base`` element says.
        version: of the API; a page that does not say is 1.0 (PEP 629).
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self.base = url
        self.version = "1.0"
        self.anchors: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what matters of an element."""
        named = dict(attrs)
        if tag == "a":
            self.anchors.append(named)
        elif tag == "base" and named.get("href"):
            self.base = urljoin(self.base, named["href"] or "")
        elif tag == "meta" and named.get("name") == _VERSION_META:
            self.version = named.get("content") or ""
