"""A project's page on a package index, in either form of the simple API, as values. Pure: text in, files out.

The JSON form is PEP 691, the HTML form PEP 503; what else is said of a file follows PEP 592 (yanked), 658 and 714
(metadata beside the wheel), 700 (sizes) and 740 (provenance). What an index does not say is `None`: no guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from codex_release.base.errors import PackageIndexError
from codex_release.base.table import TOO_LARGE, Table, read_json
from codex_release.facts.versions import identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


__all__ = ["ListedFile", "parse_html", "parse_json"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_REMEDY = "look whether the index's URL leads to the root of a simple API, with --index-url for another"
_TAG = re.compile(r"<([A-Za-z][^\s/>]*)")
_ATTRIBUTE = re.compile(r"""[\s/]*([^\s/>=]*)(?:[ \t\r\n\f]*=[ \t\r\n\f]*(["']|[^\s>"']*))?""")
"""A name, and the value or the quotation mark that opens it."""
_QUOTES, _MARKUP = ('"', "'"), ("/", "!", "?")
_RAW = {"script", "style"}
"""Elements whose text is no markup."""
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


def parse_json(body: bytes, project: str, base: str) -> list[ListedFile]:
    """The files of a page in the JSON form, in the order of the index.

    Args:
        body: what the index answered.
        project: whose page it is.
        base: the URL of the page, which relative links start from.

    Raises:
        PackageIndexError: if it is not that form, or of a later major version.
    """
    page = read_json(body, f"the listing of {project}", PackageIndexError, _REMEDY)
    _require_known_version(page.table("meta").get("api-version"))
    return [_json_file(each, base) for each in page.tables("files")]


def parse_html(body: bytes, project: str, base: str) -> list[ListedFile]:
    """The same of a page in the HTML form; the arguments are those of `parse_json`.

    A page that has a script or asks for a password is for people, unless it lists distributions or states a version:
    somebody has to log in, or a server answers the page of its application whatever it is asked for.

    Raises:
        PackageIndexError: if it is of a later major version, a link cannot be understood, or it is a page for people.
    """
    files, version, marks = [], "", set()
    try:
        for tag, attributes in _elements(body.decode("utf-8", "replace")):
            if tag == "a" and attributes.get("href"):
                files.append(_html_file(attributes, base))
            elif tag == "base" and attributes.get("href"):
                base = urljoin(base, attributes["href"])
            elif tag == "meta" and attributes.get("name") == _VERSION_META:
                version = attributes.get("content", "")
            elif tag == "script" or (tag == "input" and attributes.get("type", "").lower() == "password"):
                marks.add(tag)
    except ValueError as error:
        raise PackageIndexError(f"the listing of {project} has a link that is none: {error}", remedy=_REMEDY) from error
    if marks and not version and not any(identity(each.name) for each in files):
        raise PackageIndexError(f"the listing of {project} is a page for people, no simple API", remedy=_REMEDY)
    _require_known_version(version or "1.0")  # a page that does not say is of that version (PEP 629)
    return files


def _require_known_version(version: object) -> None:
    if str(version).partition(".")[0] != "1":
        raise PackageIndexError(
            f"the package index has version {version} of the simple API, this toolkit knows version 1"
        )


def _json_file(entry: Table, base: str) -> ListedFile:
    metadata = entry.get("core-metadata" if "core-metadata" in entry else "dist-info-metadata")
    yanked, size = entry.get("yanked"), entry.get("size")
    hashes = entry.table("hashes") if "hashes" in entry else None
    return ListedFile(
        name=entry.text("filename"),
        url=_linked(entry, "url", base),
        sha256=_sha256(hashes.get("sha256")) if hashes else None,
        size=size if type(size) is int and 0 <= size < TOO_LARGE else None,
        requires_python=entry.text("requires-python") if entry.get("requires-python") else None,
        core_metadata=bool(metadata) or metadata == {},  # an object of digests, maybe an empty one, says yes
        provenance=_linked(entry, "provenance", base) if entry.get("provenance") else None,
        # An empty text means no here, as to pip; as an attribute in HTML it means yes.
        yanked=(yanked if isinstance(yanked, str) else "") if yanked else None,
    )


def _linked(entry: Table, key: str, base: str) -> str:
    """Where a text leads."""
    try:
        return _joined(base, entry.text(key))
    except ValueError as error:
        entry.refuse(key, f"is no URL: {error}")


def _html_file(anchor: Mapping[str, str], base: str) -> ListedFile:
    url, fragment = urldefrag(_joined(base, anchor["href"]))
    algorithm, _, value = fragment.partition("=")
    provenance = anchor.get("data-provenance")
    metadata = anchor.get("data-core-metadata", anchor.get("data-dist-info-metadata", "false"))
    return ListedFile(
        # The path says the name that tools go by; the anchor's text need only look like it.
        name=unquote(urlsplit(url).path.rpartition("/")[2]),
        url=url,
        sha256=_sha256(value) if algorithm == "sha256" else None,
        requires_python=anchor.get("data-requires-python") or None,
        core_metadata=metadata != "false",
        provenance=_joined(base, provenance) if provenance else None,
        yanked=anchor.get("data-yanked"),
    )


def _joined(base: str, link: str) -> str:
    """Where a link leads.

    Raises:
        ValueError: if that is nowhere: its host or port is none, or it has half of a character.
    """
    url = urljoin(base, link)
    _ = urlsplit(url).port
    url.encode()
    return url


def _sha256(value: object) -> str | None:
    text = value.lower() if isinstance(value, str) else ""
    return text if _SHA256.fullmatch(text) else None


def _elements(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The start tags of a page with their attributes, in time that grows with its length alone.

    Nothing is tried twice: what has no end ends the page there, as the HTML standard has it. The standard library's
    parser begins anew behind every such place, and takes minutes for some kilobytes of junk in many of its versions.
    """
    at = text.find("<")
    while at >= 0:
        tag = _TAG.match(text, at)
        if text.startswith("<!--", at):
            end = text.find("-->", at)
        elif tag is None:  # a closing tag, a declaration, or a lone character
            end = text.find(">", at) if text[at + 1 : at + 2] in _MARKUP else at
        else:
            name, end, attributes = tag[1].lower(), tag.end(), dict[str, str]()
            while (found := _ATTRIBUTE.match(text, end)) and (key := found[1]):
                quoted = found[2] or ""
                if quoted in _QUOTES and text.find(quoted, found.end()) < 0:
                    return
                end = text.index(quoted, found.end()) + 1 if quoted in _QUOTES else found.end()
                value = text[found.end() : end - 1] if quoted in _QUOTES else quoted
                attributes.setdefault(key.lower(), unescape(value))
            end = text.find(">", end)
            if end >= 0:
                yield name, attributes
                if name in _RAW:
                    closing = re.compile(f"</{name}", re.IGNORECASE).search(text, end)
                    end = closing.start() - 1 if closing else -1
        if end < 0:
            return
        at = text.find("<", end + 1)
