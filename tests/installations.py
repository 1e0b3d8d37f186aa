"""What tests know of an environment: an independent look at whether an installation in it is whole."""

from __future__ import annotations

import base64
import csv
import hashlib
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from programs import python_of

__all__ = ["Place", "bare_environment"]

MODULE = "codex_cli_bin"


@dataclass(frozen=True)
class Place:
    """An environment's directories.

    Attributes:
        root: its top.
        python: its interpreter.
        site: its packages.
        scripts: its programs.
    """

    root: Path
    python: Path
    site: Path
    scripts: Path

    def version(self) -> str | None:
        """The version that is installed, whole, with nothing too much; `None` if nothing at all is.

        Raises:
            AssertionError: if it is something in between.
        """
        strays = [path for place in (self.site, self.scripts) for path in place.glob(f".{MODULE}*")]
        assert not strays, strays
        found = list(self.site.glob(f"{MODULE}-*.dist-info"))
        if not found:
            assert not (self.site / MODULE).exists()
            assert not (self.scripts / "codex").exists()
            return None
        (dist_info,) = found
        self.assert_recorded(dist_info)
        version = dist_info.name.removesuffix(".dist-info").partition("-")[2]
        assert f"\nVersion: {version}\n" in (dist_info / "METADATA").read_text()
        descriptor = (self.site / MODULE / "codex-package.json").read_text()
        assert f'"version": "{version}"' in descriptor
        return version

    def assert_recorded(self, dist_info: Path) -> None:
        """Every file is in RECORD (PEP 376), and what is in RECORD is there, byte for byte."""
        with (dist_info / "RECORD").open(newline="") as file:
            rows = {name: (hashed, size) for name, hashed, size in csv.reader(file)}
        for name, (hashed, size) in rows.items():
            content = (self.site / name).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            if name != f"{dist_info.name}/RECORD":
                assert (hashed, size) == (f"sha256={digest}", str(len(content))), name
        below = {
            path.relative_to(self.site).as_posix()
            for top in (self.site / MODULE, dist_info)
            for path in top.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        assert {name for name in rows if not name.startswith("..")} - {"bin/codex"} == below

    def everything(self) -> set[str]:
        """Every path below the top but byte code."""
        return {
            path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if "__pycache__" not in path.parts
        }


def bare_environment(root: Path) -> Place:
    """A new virtual environment of this Python without pip."""
    venv.create(root, with_pip=False, symlinks=True)
    library = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return Place(root, python_of(root), root / "lib" / library / "site-packages", root / "bin")
