"""The environment, read once: below this nobody looks at variables.

==========================  =========================================================================
``CODEX_RELEASE_CACHE``     the cache directory; the platform's own cache directory if not set
``CODEX_RELEASE_SOURCES``   the order of sources, e.g. ``npm,github``; ``--source`` has precedence
``GH_TOKEN``                a GitHub token; else ``GITHUB_TOKEN``
``GITHUB_API_URL``          the root of GitHub's API, for GitHub Enterprise
``GITHUB_STEP_SUMMARY``     the file to append a CI job's summary to
``NPM_CONFIG_*``            npm's own settings, among them the registry
``SOURCE_DATE_EPOCH``       the date of everything that is built
==========================  =========================================================================

Proxies and certificates (``HTTPS_PROXY``, ``SSL_CERT_FILE`` and the like) are read by httpx.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings"]

_DEFAULT_EPOCH = 1580601600
"""2020-02-02, hatchling's own date for what is built without ``SOURCE_DATE_EPOCH``."""


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
        """Resolve the environment's words; empty ones count as not set."""
        cache = environ.get("CODEX_RELEASE_CACHE")
        summary = environ.get("GITHUB_STEP_SUMMARY")
        order = environ.get("CODEX_RELEASE_SOURCES") or "github,npm"
        return cls(
            cache_dir=Path(cache) if cache else Path(platformdirs.user_cache_dir("codex-release", appauthor=False)),
            sources=tuple(word.strip() for word in order.split(",") if word.strip()),
            github_api=(environ.get("GITHUB_API_URL") or "https://api.github.com").rstrip("/"),
            github_token=environ.get("GH_TOKEN", "").strip() or environ.get("GITHUB_TOKEN", "").strip() or None,
            job_summary=Path(summary) if summary else None,
            epoch=_source_date_epoch(environ),
            environ=dict(environ),
        )


def _source_date_epoch(environ: Mapping[str, str]) -> int:
    """The date of everything that is built, in seconds since 1970 (the SOURCE_DATE_EPOCH convention)."""
    value = environ.get("SOURCE_DATE_EPOCH", "")
    return int(value) if value.isdecimal() else _DEFAULT_EPOCH
