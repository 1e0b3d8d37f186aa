"""A process of its own that downloads one archive: ``python downloader.py CACHE URL SIZE SHA256``.

It prints what was waited for and where the archive lies; tests kill it, race it, and limit its disk space.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from recording import Silent

from codex_release.base.digests import FileDigest
from codex_release.base.errors import ReleaseError
from codex_release.base.http import Web
from codex_release.fetching.cache import Cache
from codex_release.fetching.download import download
from codex_release.sources import Archive, WebFile

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


class _Notes(Silent):
    def note(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def main(argv: Sequence[str]) -> int:
    """Download; an expected failure is one line on standard error and exit code 1."""
    root, url, size, sha256 = argv
    web = Web(_Notes())
    archive = Archive("web", "archive.tgz", WebFile(url), int(size))
    try:
        stored = download(archive, Cache(Path(root)), web, expected=FileDigest(int(size), sha256))
    except ReleaseError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    finally:
        web.close()
    sys.stdout.write(f"{stored.path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
