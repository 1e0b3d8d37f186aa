"""The tests themselves run alike wherever they are started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from programs import ROOT

TEST = """
import os, signal, subprocess, sys
from pathlib import Path

def test_it():
    asked = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True).stdout == "True\\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    kept = "import sys; print(sys.dont_write_bytecode)"
    assert subprocess.run([sys.executable, "-c", kept], capture_output=True, text=True).stdout == "False\\n"
    said = subprocess.run(["bash", "-lc", "echo heard"], capture_output=True, text=True, timeout=30).stdout
    assert said == "heard\\n"
    assert Path("~/kept").expanduser().read_text() == "kept"
    assert not Path("~/.codex").expanduser().exists()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no login shells and no ignored signals there")
def test_neither_an_ignored_interrupt_nor_a_profile_that_hangs_reaches_the_tests(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".codex").mkdir(parents=True)
    (home / "kept").write_text("kept", encoding="utf-8")
    for name in (".profile", ".bash_profile", ".bashrc"):
        (home / name).write_text("echo who are you; sleep 600\n", encoding="utf-8")
    shutil.copyfile(ROOT / "tests" / "surroundings.py", tmp_path / "surroundings.py")
    (tmp_path / "test_it.py").write_text(TEST, encoding="utf-8")
    command = '"$0" -m pytest -q -p surroundings -p no:cacheprovider --rootdir . -c /dev/null test_it.py'
    env = {**os.environ, "HOME": str(home), "PYTHONPATH": str(tmp_path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    del env["CODEX_TESTS_HOME"]
    ran = subprocess.run(
        ["sh", "-c", f"trap '' INT; {command}", sys.executable],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (home / ".codex").is_dir()
