"""The package `codex_cli_bin` in environments, archives and frozen applications: what it runs, and what it says."""

from __future__ import annotations

import subprocess
import sys
import zipapp
from pathlib import Path

import archives
import pytest
from fake_release import FakeRelease
from installations import MODULE, Place, bare_environment
from programs import environment_with, finished

from codex_release.bootstrap import ensure_runtime_package_installed

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="it needs POSIX")
SAYS_ITS_PATH = "import codex_cli_bin as c; print(c.bundled_codex_path())"
APPLICATION = """
import sys
import codex_cli_bin
from codex_cli_bin.__main__ import main
if sys.argv[1:] == ["where"]:
    print(codex_cli_bin.__version__, codex_cli_bin.bundled_package_dir(), codex_cli_bin.bundled_path_dir().name)
else:
    main()
"""


@pytest.fixture
def place(release: FakeRelease, tmp_path: Path) -> Place:
    """An environment with a runtime in miniature."""
    made = bare_environment(tmp_path / "env")
    release.ran("bootstrap", "--python", made.python)
    return made


def run_both(place: Place, code: int) -> list[str]:
    """What the console script and the module print to standard error when they refuse, a line each."""
    said = [
        finished(place.scripts / "codex", code=code).stderr,
        finished(place.python, "-m", MODULE, code=code).stderr,
    ]
    assert [text.count("\n") for text in said] == [1, 1], said
    return said


class TestRefusals:
    def test_a_missing_executable_is_one_line_and_127(self, place: Place) -> None:
        binary = place.site / MODULE / "bin" / archives.CATALOG.host().fill("codex{exe}")
        binary.unlink()
        for said in run_both(place, 127):
            assert said == (
                f"codex: codex-cli-bin is installed without its runtime: {binary} is missing; "
                "reinstall it with: pip install --force-reinstall codex-cli-bin\n"
            )

    @posix_only
    def test_an_executable_that_may_not_run_is_one_line_and_126(self, place: Place) -> None:
        binary = place.site / MODULE / "bin" / "codex"
        binary.chmod(0o644)
        for said in run_both(place, 126):
            assert said.startswith(
                f"codex: {binary} cannot be run: Permission denied; its file has lost the permission"
            )

    @posix_only
    def test_an_executable_of_another_machine_is_one_line_and_126(self, place: Place) -> None:
        binary = place.site / MODULE / "bin" / "codex"
        binary.write_bytes(b"\x7fELF of some other machine")
        for said in run_both(place, 126):
            assert said == f"codex: {binary} cannot be run: Exec format error\n"

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device here")
    def test_the_code_is_the_same_where_the_line_finds_no_room(self, place: Place) -> None:
        (place.site / MODULE / "bin" / "codex").chmod(0o644)
        with open("/dev/full", "w") as full:  # noqa: PTH123 - no file
            words = [str(place.python), "-m", MODULE]
            assert subprocess.run(words, stderr=full, timeout=60, check=False).returncode == 126

    def test_a_zipapp_says_that_it_cannot_run_from_there(self, place: Place, tmp_path: Path) -> None:
        (tmp_path / "app").mkdir()
        (place.site / MODULE).rename(tmp_path / "app" / MODULE)
        zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz", main="codex_cli_bin.__main__:main")
        said = finished(place.python, tmp_path / "app.pyz", code=127).stderr
        assert said == (
            f"codex: codex-cli-bin lies in the archive {tmp_path / 'app.pyz'}, where no program can run; "
            "unpack it first\n"
        )

    def test_a_frozen_application_is_not_told_to_reinstall(self, place: Place) -> None:
        (place.site / MODULE / "codex-package.json").unlink()
        code = f"import sys; sys.frozen = True; sys.argv = ['x']; from {MODULE}.__main__ import main; main()"
        said = finished(place.python, "-c", code, code=127).stderr
        assert "the application was frozen without the runtime of codex-cli-bin" in said
        assert "reinstall" not in said


def test_windows_is_told_all_32_bits_of_an_exit_code(place: Place) -> None:
    """Where a number is too long for its C, Python ends with -1 instead: a crash looked like any other failure."""
    code = f"""
import os, subprocess
from {MODULE} import __main__ as program
program.os = type("Windows", (), {{"name": "nt", "stat": os.stat}})
for code in (0, 3, 0x7fffffff, 0xc0000005, 0xffffffff):
    subprocess.call = lambda argv: code
    try:
        program.main()
    except SystemExit as end:
        print(end.code)
"""
    told = finished(place.python, "-c", code).stdout.split()
    assert told == ["0", "3", str(0x7FFFFFFF), str(0xC0000005 - (1 << 32)), "-1"]


@posix_only
class TestLinkedFiles:
    """Installers that link, sandboxes and build systems: every file leads to a store where nothing lies beside it."""

    @pytest.fixture
    def linked(self, place: Place, tmp_path: Path) -> Path:
        """A directory for packages whose files all are links into a store."""
        store = tmp_path / "store"
        store.mkdir()
        for number, file in enumerate(path for path in (place.site / MODULE).rglob("*") if path.is_file()):
            file.rename(store / str(number))
            link = tmp_path / "linked" / file.relative_to(place.site)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(store / str(number))
        return tmp_path / "linked"

    def test_the_runtime_is_found_where_the_links_are(self, linked: Path, place: Place) -> None:
        said = finished(place.python, "-c", SAYS_ITS_PATH, env={"PYTHONPATH": str(linked)}).stdout
        assert said.strip() == str(linked / MODULE / "bin" / "codex")
        finished(place.python, "-m", MODULE, env={"PYTHONPATH": str(linked)})

    def test_a_linked_directory_does_too(self, place: Place, tmp_path: Path) -> None:
        (tmp_path / "linked").mkdir()
        (place.site / MODULE).rename(tmp_path / "store")
        (tmp_path / "linked" / MODULE).symlink_to(tmp_path / "store")
        said = finished(place.python, "-c", SAYS_ITS_PATH, env={"PYTHONPATH": str(tmp_path / "linked")}).stdout
        assert said.strip() == str(tmp_path / "linked" / MODULE / "bin" / "codex")


@pytest.mark.slow
@pytest.mark.runtime
@pytest.mark.index
def test_an_application_that_pyinstaller_froze_has_its_runtime(tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", None, "-r", "requirements/freeze.txt")
    version = ensure_runtime_package_installed(python)
    (tmp_path / "app.py").write_text(APPLICATION, encoding="utf-8")
    finished(python, "-m", "PyInstaller", "--log-level", "WARN", "app.py", cwd=tmp_path)
    frozen = tmp_path / "dist" / "app"
    (tmp_path / "env").rename(tmp_path / "gone")  # nothing of what it was made from is needed
    home = {"CODEX_HOME": str(tmp_path)}
    assert version in finished(frozen / "app", "--version", env=home).stdout
    root = frozen / "_internal" / MODULE
    assert finished(frozen / "app", "where").stdout.split() == [version, str(root), "codex-path"]
    name = archives.CATALOG.host().fill("codex{exe}")
    (made,) = (tmp_path / "gone").rglob(f"{MODULE}/bin/{name}")
    assert (root / "bin" / name).read_bytes() == made.read_bytes()
    assert not list(root.rglob("*.py"))
    (root / "bin" / name).unlink()
    said = finished(frozen / "app", "--version", code=127).stderr
    assert said.startswith("codex: the application was frozen without the runtime of codex-cli-bin")
    assert said.count("\n") == 1
