"""The homes of a pool's runtimes: which directory is whose, what lies in it at first, and that it goes again.

A home is one runtime's alone: settings, login, threads. Two runtimes in one home would write each other's threads.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tempfile
import threading
import weakref
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_app_server.config import AppServerConfig

__all__ = ["Homes", "distinct", "named_home"]

_PRIVATE = 0o700
_SETTINGS = "config.toml"


def named_home(config: AppServerConfig) -> Path | None:
    """The home that a configuration names; None if it leaves it to the surroundings."""
    named = config.codex_home or (config.env or {}).get("CODEX_HOME")
    return None if named is None else Path(named).absolute()


def distinct(configs: Sequence[AppServerConfig]) -> None:
    """Refuse that two share a home.

    Raises:
        ValueError: if two do.
    """
    homes = [home.resolve() for config in configs if (home := named_home(config)) is not None]
    for home in homes:
        if homes.count(home) > 1:
            raise ValueError(f"two configurations of the pool have the home {home}; each needs one of its own")


class Homes:
    """Makes homes below a directory.

    Args:
        directory: where; it and the homes in it stay. Without it, a private temporary one, which `remove` removes, and
            at the latest the end of the program.
    """

    def __init__(self, directory: str | os.PathLike[str] | None) -> None:
        self._given = None if directory is None else Path(directory).absolute()
        self._made: Path | None = None
        self._remover: weakref.finalize[[Path, int], Homes] | None = None
        # Held while the directory is made, for two runtimes may be started at once; a signal handler may come again.
        self._making = threading.RLock()

    def member(self, config: AppServerConfig, number: int) -> AppServerConfig:
        """A configuration with a home for a member of this number."""
        return self._at_home(config, f"member-{number}")

    def tenant(self, config: AppServerConfig, tenant: str) -> AppServerConfig:
        """A configuration with a home for a tenant, always the same one, and a working directory if it names none."""
        readable = re.sub(r"[^A-Za-z0-9]+", "-", tenant)[:32].strip("-")
        # The digest tells those apart that look alike, also to file systems that take `A` for `a`.
        name = f"tenant-{readable}-{sha256(tenant.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
        if config.cwd is None:
            config = replace(config, cwd=self._directory(name, "work"))
        return self._at_home(config, name)

    def remove(self) -> None:
        """Remove what is temporary; a forked child leaves it to its parent."""
        if self._remover is not None:
            self._remover()

    def _at_home(self, config: AppServerConfig, name: str) -> AppServerConfig:
        home = self._directory(name, "home")
        seed, settings = named_home(config), home / _SETTINGS
        if seed is not None and not settings.exists():
            with suppress(FileNotFoundError):
                settings.write_bytes((seed / _SETTINGS).read_bytes())
        return replace(config, codex_home=home)

    def _directory(self, name: str, role: str) -> Path:
        """A private directory; it is made if it is not there."""
        with self._making:
            if self._made is None:
                if self._given is None:
                    self._made = Path(tempfile.mkdtemp(prefix="codex-pool-"))
                    self._remover = weakref.finalize(self, _remove, self._made, os.getpid())
                else:
                    self._given.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
                    self._made = self._given
        directory = self._made / name / role
        for each in (directory.parent, directory):
            each.mkdir(mode=_PRIVATE, exist_ok=True)
        return directory


def _remove(directory: Path, process_id: int) -> None:
    if os.getpid() != process_id:
        return
    if sys.platform == "win32":  # which deletes no file that may not be written, as those of git are
        for parent, _, names in os.walk(directory):
            for file in (Path(parent, name) for name in names):
                if not file.is_symlink():
                    with suppress(OSError):
                        file.chmod(stat.S_IWRITE)
    shutil.rmtree(directory, ignore_errors=True)
