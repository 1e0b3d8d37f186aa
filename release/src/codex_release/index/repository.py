"""Where twine uploads to, and the simple API of that very index: they are two addresses of one thing.

The words are twine's: ``--repository``, ``--repository-url``, its variables and ``.pypirc``. What twine does by itself
(credentials, trusted publishing) is left to it.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from codex_release.base.errors import DownloadError, PackageIndexError, UsageError
from codex_release.base.patience import TransientError
from codex_release.base.shown import is_web_url, shown_url
from codex_release.index.client import PackageIndex
from codex_release.index.configured import pip_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codex_release.base.http import Web

__all__ = ["Repository", "simple_index"]

_DEFAULT = "pypi"
"""What twine calls the repository that it uploads to if it is told nothing; its address is twine's to know."""
_LEGACY = "/legacy/"
"""How the path of the upload API ends on the public indexes; their simple API is at the root of the same host."""
_SIMPLE = ("+simple/", "simple/")
"""Where index servers have their simple API, below the address that uploads go to."""


@dataclass(frozen=True)
class Repository:
    """Where uploads go.

    Attributes:
        name: the section of ``.pypirc`` that is meant.
        url: where uploads go; `None` if only twine knows. It may hold a password.
        words: the arguments that say so to twine.
    """

    name: str
    url: str | None = field(default=None, repr=False)
    words: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def read(cls, name: str | None, url: str | None, environ: Mapping[str, str]) -> Repository:
        """Resolve what was asked for as twine does.

        Args:
            name: what ``--repository`` said, if it did.
            url: what ``--repository-url`` said, if it did.
            environ: the environment.

        Raises:
            UsageError: if ``.pypirc`` cannot be read, or the address is none.
        """
        words = (*(("--repository", name) if name else ()), *(("--repository-url", url) if url else ()))
        meant = name or environ.get("TWINE_REPOSITORY") or _DEFAULT
        if url:
            where = "--repository-url"
        elif url := environ.get("TWINE_REPOSITORY_URL"):
            where = "TWINE_REPOSITORY_URL"
        else:
            where, url = f"the repository {meant!r} in .pypirc", _listed(meant)
        if url and not is_web_url(url):
            raise UsageError(
                f"{where} is {shown_url(url)[:80]!r}, which is no address to upload to",
                remedy="name an http or https URL",
            )
        return cls(meant, url, words)

    def __str__(self) -> str:
        """As it may be shown."""
        return shown_url(self.url) if self.url else f"the repository {self.name!r}"


def simple_index(repository: Repository, index_url: str | None, web: Web, project: str) -> PackageIndex:
    """The index that a repository's uploads appear on.

    Args:
        repository: where uploads go.
        index_url: the root of the simple API, if the user named it.
        web: the HTTP client.
        project: a project's name, to look for it there, or to ask pip where it does.

    Raises:
        PackageIndexError: if it cannot be told.
    """
    if index_url:
        return PackageIndex(index_url, web)
    if repository.url is None:
        if repository.name == _DEFAULT:
            settings = pip_settings()
            return PackageIndex(settings.first_index(project), web, settings)
        raise PackageIndexError(f"the simple API of {repository} is not known", remedy="name its root with --index-url")
    tried = []
    for url in _guesses(repository.url):
        index = PackageIndex(url, web)
        if _answers(index, project):
            return index
        tried.append(index.url)
    raise PackageIndexError(
        f"the simple API of {repository} is not at {' or '.join(tried)}", remedy="name its root with --index-url"
    )


def _listed(name: str) -> str | None:
    """The address that ``.pypirc`` has for a repository."""
    try:
        path = Path.home() / ".pypirc"
    except RuntimeError:  # a user without a home
        return None
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # Not chained: the text may hold a password.
        raise UsageError(
            f"{path} cannot be read ({type(error).__name__})",
            remedy="mend it: it is an INI file in UTF-8 that its user may read, as for twine",
        ) from None
    return parser.get(name, "repository", fallback=None) or None


def _guesses(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/"
    if path.endswith(_LEGACY):
        path = path.removesuffix(_LEGACY) + "/"
    for tail in _SIMPLE:
        yield urlunsplit(parts._replace(path=path + tail, query="", fragment=""))


def _answers(index: PackageIndex, project: str) -> bool:
    """Whether there is a simple API: its root lists all projects, and a project's page is a listing or is not there.

    Of the root only the beginning is read; that is HTML on many a server, whatever it is asked for.
    """
    try:
        with index.web.stream(index.url, index.headers(index.url)) as response:
            kind = response.headers.get("content-type", "")
        if "vnd.pypi.simple" in kind:
            return True
        if "html" in kind:
            index.listing(project)
            return True
    except (DownloadError, PackageIndexError, TransientError):
        return False
    return False
