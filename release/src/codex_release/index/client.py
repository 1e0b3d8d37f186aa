"""Asking a package index through its simple API: one project's page, fresh, in whichever form the index speaks."""

from __future__ import annotations

import base64
import contextlib
import netrc
import sys
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from packaging.utils import canonicalize_name

from codex_release.base.digests import FileDigest, file_digest
from codex_release.base.errors import DiskError, DownloadError, PackageIndexError, system_errors_as
from codex_release.base.http import MOST_FILE, HttpError, Web
from codex_release.base.paths import unsafe_name
from codex_release.base.shown import shown_url
from codex_release.facts.versions import identity
from codex_release.index.configured import PipSettings, pip_settings
from codex_release.index.listing import ListedFile, parse_html, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["PackageIndex"]

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
_FRESH = {"Cache-Control": "max-age=0"}
"""Caches on the way are to ask the index itself: what was uploaded a moment ago matters."""


class PackageIndex:
    """A package index, for reading.

    Credentials may stand in the URL or in a netrc file, as for pip; they go to the index's own host only and are in no
    message.

    Args:
        simple_url: the root of its simple API.
        web: the HTTP client.
        settings: how pip reaches it; asked of pip when that is wanted, if not given.

    Attributes:
        url: the root of its simple API, with a slash at the end and without credentials.
        full_url: the same with them, for other programs; never to be shown.
    """

    def __init__(self, simple_url: str, web: Web, settings: PipSettings | None = None) -> None:
        try:
            parts = urlsplit(simple_url)
            port = parts.port
        except ValueError:
            raise PackageIndexError(
                "the URL of the package index cannot be understood", remedy="name one like https://HOST[:PORT]/simple/"
            ) from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise PackageIndexError(
                f"{shown_url(simple_url)} is no URL of a package index", remedy="name one that begins with https://"
            )
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        bare = parts._replace(
            netloc=host if port is None else f"{host}:{port}", path=f"{parts.path.rstrip('/')}/", query="", fragment=""
        )
        self.url = urlunsplit(bare)
        self.full_url = urlunsplit(bare._replace(netloc=parts.netloc))
        self.web = web
        self._settings = settings
        self._origin = _origin(bare)
        self._authorization = _authorization(parts)

    def __repr__(self) -> str:
        """The index without its credentials."""
        return f"PackageIndex({self.url!r})"

    @cached_property
    def settings(self) -> PipSettings:
        """How pip reaches it."""
        return self._settings or pip_settings()

    def page(self, project: str) -> str:
        """The URL of a project's page, without credentials."""
        return f"{self.url}{canonicalize_name(project)}/"

    def listing(self, project: str) -> dict[str, ListedFile]:
        """By name, the files that the index has of a project now; one that it does not know has none.

        Of two with one name the first counts.

        Raises:
            HttpError: if the index refuses, or cannot be reached.
            PackageIndexError: if it answers something else than the simple API.
        """
        name = canonicalize_name(project)
        page = self.page(name)
        try:
            answer = self.web.answer(page, {"Accept": _ACCEPT, **_FRESH, **self.headers(page)})
        except HttpError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return {}
            raise
        if "json" in answer.media_type:
            files = parse_json(answer.body, name, answer.url)
        elif "html" in answer.media_type:
            files = parse_html(answer.body, name, answer.url)
        else:
            raise PackageIndexError(
                f"{shown_url(page)} answers {answer.media_type or 'no media type'}, which is no simple API",
                remedy="name the root of the simple API with --index-url",
            )
        listed: dict[str, ListedFile] = {}
        for each in files:
            if each.name:
                listed.setdefault(each.name, each)
        return listed

    def files_of(self, project: str, version: str) -> list[ListedFile]:
        """What it lists now of one version (PEP 440) of a project; names that say no version are left out.

        Raises:
            HttpError: if the index refuses, or cannot be reached.
            PackageIndexError: if it answers something else than the simple API.
        """
        wanted = (canonicalize_name(project), version)
        return [each for name, each in self.listing(project).items() if identity(name) == wanted]

    def download(self, listed: ListedFile, directory: Path) -> Path:
        """Bring a file here.

        Raises:
            DownloadError: if the index refuses or cannot be reached, or serves more or other bytes than it lists, or
                lists them under what is no name of a file.
            DiskError: if it cannot be written here.
        """
        if problem := unsafe_name(listed.name):
            raise DownloadError(
                f"the index lists a file under the name {listed.name!r}, which {problem}",
                remedy="tell whoever runs the index",
            )
        path, what = directory / listed.name, f"{listed.name} at {shown_url(listed.url)}"
        most = MOST_FILE if listed.size is None else min(listed.size, MOST_FILE)

        def receive() -> None:
            with (
                self.web.stream(listed.url, self.headers(listed.url)) as response,
                self.web.progress.transfer(listed.name, listed.size) as advance,
                path.open("wb") as file,
            ):
                # Raw: what is listed are the bytes of the file, whatever encoding the server declares.
                for chunk in self.web.bounded(what, response.iter_raw(), most):
                    file.write(chunk)
                    advance(len(chunk))

        with system_errors_as(DiskError, f"{path} cannot be written", "make room there, and let it be written"):
            self.web.retrying(listed.url, receive)
        found = file_digest(path)
        if listed.sha256 is not None and found.sha256 != listed.sha256:
            raise DownloadError(
                f"the index lists {listed.name} with sha256 {listed.sha256}, but serves {found.sha256}",
                remedy="try again past any mirror or proxy; if it stays so, tell whoever runs the index",
            )
        return path

    def digest(self, url: str) -> FileDigest:
        """What a file on the index is, by reading all of it.

        Raises:
            HttpError: if the index refuses, cannot be reached, or serves more than any file has.
        """
        return self.web.digest(url, {**_FRESH, **self.headers(url)})

    def body(self, url: str) -> bytes:
        """A small file on the index, such as the metadata of a wheel.

        Raises:
            HttpError: if the index refuses, or cannot be reached.
        """
        return self.web.body(url, {**_FRESH, **self.headers(url)})

    def headers(self, url: str) -> Mapping[str, str]:
        """The credentials for a URL, as headers; none for another host than the index's own."""
        return self._authorization if _origin(urlsplit(url)) == self._origin else {}


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _authorization(parts: SplitResult) -> dict[str, str]:
    """The credentials of HTTP's Basic scheme for a URL: those that stand in it, else the netrc file's."""
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.username is None:
        # Without such a file, or with one that nobody can read, without credentials.
        with contextlib.suppress(OSError, UnicodeDecodeError, netrc.NetrcParseError):
            found = netrc.netrc(_other_netrc()).authenticators(parts.hostname or "")
            user, password = (found[0], found[2] or "") if found else ("", "")
    if not user and not password:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _other_netrc() -> Path | None:
    """The netrc file under the name that it often has on Windows, where pip knows it too; `None` for the usual one."""
    if sys.platform == "win32":
        with contextlib.suppress(RuntimeError):  # a user without a home
            home = Path.home()
            if not (home / ".netrc").exists() and (home / "_netrc").exists():
                return home / "_netrc"
    return None
