"""The oldest versions that our packages say they take: they are enough, and they are what is tried.

What is wrong with them shows where they are used, so tests of that run once more in an environment of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from programs import ROOT, environment_with, finished, uv_pip_install
from resolve_requirements import APART, DIRECTORY, read

from codex_release.base.table import read_toml

EXTRAS = {"release": ("rehearse", "sigstore"), "sdk": ("ws",)}
"""Those that can stand beside the oldest of all else; what frameworks need in turn is newer than that."""
FILES = {"release": "release", "sdk": "client"}
TESTS: dict[str, tuple[str, ...]] = {
    "release": (
        "tests/test_http.py::test_settings_of_the_environment_that_cannot_be_used",
        "tests/test_progress.py",
        # rich took a space at the end of a line away.
        "--deselect=tests/test_progress.py::TestLines::test_a_note_is_one_line_as_it_is",
        "tests/test_provenance.py::TestLocking",
        "tests/test_index.py::test_of_a_setting_in_several_files_the_one_that_pip_takes_counts",
        "tests/test_index.py::test_a_file_of_pip_may_lie_below_any_name",
        "tests/test_rehearse.py::test_a_second_rehearsal_builds_nothing_and_its_set_for_one_platform_cannot_be_published",
    ),
    "sdk": (
        "sdk/tests/test_codex.py::TestTurns::test_many_turns_at_once_do_not_mix",
        "sdk/tests/test_models.py",
        "sdk/tests/test_reconnecting.py::test_wherever_a_connection_breaks_a_turn_comes_whole",
        "sdk/tests/test_tools.py",
        # Before 2.11, pydantic writes the bound 1000 of a float as 1000.0.
        "--deselect=sdk/tests/test_tools.py::test_what_the_runtime_drops_is_said_in_words",
    ),
}
"""What runs again, but for what differs in looks alone."""


@pytest.mark.parametrize("project", FILES)
def test_what_is_tried_is_what_is_promised(project: str) -> None:
    text = (DIRECTORY / APART / f"{FILES[project]}.txt").read_text(encoding="utf-8")
    tried = {pin.requirement.name: pin.version for pin in read(text)}
    table = read_toml(ROOT / project / "pyproject.toml").table("project")
    extras = table.table("optional-dependencies")
    promised = [*table.texts("dependencies"), *(text for extra in EXTRAS[project] for text in extras.texts(extra))]
    for requirement in map(Requirement, promised):
        (bound,) = (each.version for each in requirement.specifier if each.operator in {">=", "=="})
        assert Version(tried[canonicalize_name(requirement.name)]) == Version(bound), requirement


@pytest.mark.index
@pytest.mark.network
@pytest.mark.runtime
@pytest.mark.slow
@pytest.mark.parametrize("project", FILES)
def test_they_are_enough(project: str, tmp_path: Path) -> None:
    pins = f"{DIRECTORY.name}/{APART}/{FILES[project]}.txt"
    python = environment_with(tmp_path / "env", "3.10", "--require-hashes", "-r", pins)
    uv_pip_install("--no-deps", "--no-build-isolation", "--python", python, "-e", "./release", "-e", "./sdk")
    words = ("-q", "-p", "no:cacheprovider", "--basetemp", tmp_path / "tests")
    finished(python, "-m", "pytest", *words, *TESTS[project], cwd=ROOT)
