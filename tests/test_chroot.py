"""The other Debian of `scripts/chroot.py`: what is there and was not made by it stays, and what is missing is named.

Making one takes minutes and root; that is left to its users.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from fake_programs import calls_of, fake_program
from programs import ROOT, finished

TOOLS = ("debootstrap", "setpriv", "unshare", "chroot", "pivot_root", "git")


def refused(directory: Path, programs: Path) -> str:
    ran = finished(sys.executable, ROOT / "scripts" / "chroot.py", directory, env={"PATH": str(programs)}, code=1)
    return ran.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="it needs Linux")
def test_a_directory_of_somebody_else_is_refused_and_stays(tmp_path: Path) -> None:
    programs = [fake_program(tmp_path / "programs", name, "") for name in TOOLS]
    place = tmp_path / "place"
    place.mkdir()
    (place / "mine").touch()
    expected = "was not finished here; remove it or name another one" if os.geteuid() == 0 else "needs Linux and root"
    assert expected in refused(place, programs[0].parent)
    assert [path.name for path in place.iterdir()] == ["mine"]
    assert not any(map(calls_of, programs))


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="it needs Linux and root")
def test_what_is_not_installed_is_named(tmp_path: Path) -> None:
    for name in TOOLS[2:]:
        fake_program(tmp_path / "programs", name, "")
    line = "chroot.py: cannot find debootstrap, setpriv; install the packages that have them\n"
    assert refused(tmp_path / "place", tmp_path / "programs") == line
