"""Runs the walkthrough from its first cell to its last, and stores it with what it shows.

    python sdk/notebooks/refresh.py            writes it
    python sdk/notebooks/refresh.py --check    says what would change, and exits 1 if anything would

It runs in a directory of its own, with nothing said about where the checkout is but what Jupyter says: so that it works
wherever it is opened. Nothing in it may depend on the machine or the moment; that is what the check is for.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
NOTEBOOK = HERE / "sdk_walkthrough.ipynb"
TIMEOUT_S = 60  # for one cell
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

sys.path.insert(0, str(HERE.parent / "examples"))
import _bootstrap  # noqa: E402, F401 - installs the runtime, so that the notebook has no news of that to show


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    is_check: bool = parser.parse_args().check
    before = NOTEBOOK.read_text(encoding="utf-8")
    after = executed(before)
    if is_check:
        changes = difflib.unified_diff(before.splitlines(), after.splitlines(), "stored", "now", lineterm="")
        print(*changes, sep="\n", end="")
        return 0 if before == after else 1
    NOTEBOOK.write_text(after, encoding="utf-8", newline="\n")
    return 0


def executed(text: str) -> str:
    """A notebook with the outputs it has here and now, without ids and what says when and with which Python it ran."""
    notebook = nbformat.reads(text, as_version=4)
    client = NotebookClient(notebook, timeout=TIMEOUT_S, record_timing=False, coalesce_streams=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        client.resources = {"metadata": {"path": directory}}
        client.execute(env={**os.environ, "JPY_SESSION_NAME": str(NOTEBOOK)})
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return ID.sub(lambda found: re.sub(r"[0-9a-f]", "0", found[0]), nbformat.writes(notebook)) + "\n"


if __name__ == "__main__":
    sys.exit(main())
