"""The environment, read once, by `context`: whoever else looks at variables is named here.

================================  ===================================================================================
``CODEX_RELEASE_CACHE``           the cache directory; the platform's own cache directory if not set
``CODEX_PYTHON_RUNTIME_VERSION``  the version that `bootstrap` installs; read by `installing.wanted`, for any program
``CODEX_RELEASE_SOURCES``         the order of sources, e.g. ``npm,github``; ``--source`` has precedence
``GH_TOKEN``                      a GitHub token; else
``GITHUB_TOKEN``                  the same
``GITHUB_API_URL``                the root of GitHub's API, for GitHub Enterprise
``GITHUB_STEP_SUMMARY``           the file to append a CI job's summary to
``NPM_CONFIG_*``                  npm's own settings, among them the registry; read by `sources.npm_config`, as is
``APPDATA``                       where npm's machine-wide settings are on Windows
``SOURCE_DATE_EPOCH``             the date of everything that is built
``TWINE_REPOSITORY``              where `publish` uploads to, by a name in twine's configuration; or
``TWINE_REPOSITORY_URL``          by its address; both are read by `index.repository`
``PATH``                          where programs are found; read by `base.programs`, and by the system
================================  ===================================================================================

Proxies and certificates (``HTTPS_PROXY``, ``SSL_CERT_FILE`` and the like) are read by httpx. Programs that are started
inherit all of it; `protocol.schema` gives a runtime a ``CODEX_HOME`` of its own beside it, `check.metadata` lets no
plugin into the programs it asks and gives them wide lines, `index.configured` has pip speak UTF-8, `index.resolution`
leaves pip none of its own settings but the means of transport, and `wheels.backend` sets, in a process of its own,
what hatchling is to see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import platformdirs

from codex_release.base.errors import UsageError
from codex_release.base.shown import is_web_url, shown_url

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings"]

_DEFAULT_EPOCH = 1580601600
"""2020-02-02, hatchling's own date for what is built without ``SOURCE_DATE_EPOCH``."""
_OLDEST_EPOCH, _NEWEST_EPOCH = 315532800, 4354819199
"""What an entry of a zip can say: from 1980-01-01 to the last second of 2107."""
_SOURCES = ("github", "npm")
_GITHUB_API = "https://api.github.com"


@dataclass(frozen=True)
class Settings:
    """What the environment says.

    Attributes:
        cache_dir: where archives and trees are kept.
        sources: the names of the sources, in the order to ask them.
        github_api: the root of GitHub's API.
        github_token: sent to that API.
        job_summary: where a CI job shows what it did, as Markdown; `None` outside of one.
        epoch: the date of everything that is built, in seconds since 1970.
        environ: the whole environment, for npm's configuration.
    """

    cache_dir: Path
    sources: tuple[str, ...]
    github_api: str
    github_token: str | None = field(repr=False)
    job_summary: Path | None
    epoch: int
    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Resolve the environment's words; empty ones count as not set.

        Raises:
            UsageError: if one makes no sense; it is named.
        """
        set_to = {name: value for name, value in environ.items() if value.strip()}
        sources = tuple(filter(None, (word.strip() for word in set_to.get("CODEX_RELEASE_SOURCES", "").split(","))))
        return cls(
            cache_dir=_path(set_to, "CODEX_RELEASE_CACHE") or _default_cache(),
            sources=sources or _SOURCES,
            github_api=_github_api(set_to),
            github_token=_token(set_to),
            job_summary=_path(set_to, "GITHUB_STEP_SUMMARY"),
            epoch=_source_date_epoch(set_to),
            environ=dict(environ),
        )


def _path(set_to: Mapping[str, str], name: str) -> Path | None:
    if name not in set_to:
        return None
    try:
        return Path(set_to[name]).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{name} is {set_to[name]!r}: {error}", remedy="write the whole path") from error


def _default_cache() -> Path:
    try:
        return Path(platformdirs.user_cache_dir("codex-release", appauthor=False))
    except RuntimeError as error:
        raise UsageError(
            f"this user has no cache directory: {error}",
            remedy="name a directory in CODEX_RELEASE_CACHE, or the user's own in HOME",
        ) from error


def _github_api(set_to: Mapping[str, str]) -> str:
    url = set_to.get("GITHUB_API_URL", _GITHUB_API).strip().rstrip("/")
    if not is_web_url(url) or urlsplit(url).username or urlsplit(url).query:
        # It may hold a password, so it is not shown as it stands.
        raise UsageError(
            f"GITHUB_API_URL is {shown_url(url)[:80]!r}, which is not the root of an API",
            remedy=f"set it to a URL such as {_GITHUB_API}, without a user or a query, or unset it",
        )
    return url


def _token(set_to: Mapping[str, str]) -> str | None:
    name = "GH_TOKEN" if "GH_TOKEN" in set_to else "GITHUB_TOKEN"
    token = set_to.get(name, "").strip()
    if not re.fullmatch("[!-~]*", token):
        raise UsageError(
            f"{name} has a character that no token has", remedy="look for spaces, line ends and typographic quotes"
        )
    return token or None


def _source_date_epoch(set_to: Mapping[str, str]) -> int:
    """The date of everything that is built, in seconds since 1970 (the SOURCE_DATE_EPOCH convention)."""
    if "SOURCE_DATE_EPOCH" not in set_to:
        return _DEFAULT_EPOCH
    value = set_to["SOURCE_DATE_EPOCH"].strip()
    if not re.fullmatch("[0-9]{1,12}", value) or not _OLDEST_EPOCH <= int(value) <= _NEWEST_EPOCH:
        raise UsageError(
            f"SOURCE_DATE_EPOCH is {value[:40]!r}, which is no date that a zip can hold",
            remedy=f"set it to whole seconds since 1970, {_OLDEST_EPOCH} (1980) to {_NEWEST_EPOCH} (2107), or unset it",
        )
    return int(value)
