"""`dev.py` makes the environment of a checkout, and touches nothing that it did not make.

Each test runs it in a copy of its scripts with small files of requirements, with the real pip and the real installer.
"""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import venv
from pathlib import Path
from typing import IO

import dev_commands as dev
import dev_environment
import pytest
from fake_programs import fake_program
from programs import ROOT, finished, interpreter, python_of
from resolve_requirements import read

STAMP = Path(".venv", ".codex-dev.json")
BUILDING = {"hatchling", "editables", "packaging", "pathspec", "pluggy", "tomli", "tomlkit", "trove-classifiers"}
"""What our own packages are installed in place with."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `dev.py setup` reads of a checkout; nothing but the installer is asked for."""
    directory = tmp_path / "checkout"
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("release", "sdk"):
        (directory / name / f"src/{name}_package").mkdir(parents=True)
        (directory / name / f"src/{name}_package/__init__.py").touch()
        (directory / name / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            f'[project]\nname = "{name}-package"\nversion = "1"\n'
            f'[tool.hatch.build.targets.wheel]\npackages = ["src/{name}_package"]\n',
            encoding="utf-8",
        )
    pins = read((directory / "requirements" / "release.txt").read_text(encoding="utf-8"))
    few = [str(pin) for pin in pins if pin.requirement.name in BUILDING]
    for name in dev.DEV:
        (directory / "requirements" / f"{name}.txt").write_text("\n".join(few) + "\n", encoding="utf-8")
    return directory


def ran(
    checkout: Path, *words: str, python: str = sys.executable, code: int = 0, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it."""
    return finished(python, checkout / "scripts" / "dev.py", *words, cwd=checkout.parent, env=env, code=code)


def stamped(checkout: Path) -> dict[str, str]:
    """What the stamp says."""
    found: dict[str, str] = json.loads((checkout / STAMP).read_text(encoding="utf-8"))
    return found


@pytest.mark.network
@pytest.mark.slow
def test_an_environment_is_made_once_and_follows_what_is_asked_for(checkout: Path) -> None:
    # Where pip and uv are to put things, and which ones they are to take, is nobody's to say here.
    astray = {"PIP_TARGET": "astray", "PIP_DRY_RUN": "1", "PIP_USER": "1", "PIP_NO_BINARY": ":all:"}
    astray |= {"PIP_PREFIX": "astray", "UV_EXCLUDE_NEWER": "2020-01-01", "UV_INDEX": "https://nowhere.invalid/simple"}
    said = ran(checkout, "setup", env={**astray, "PYTHONDONTWRITEBYTECODE": "1"}).stderr
    lines = ("making .*", *(f"installing requirements/{name}.txt" for name in ("installer", *dev.DEV)))
    assert re.fullmatch("".join(f"{line}\n" for line in lines), said)
    python = python_of(checkout / ".venv")
    # What nobody may compile later is compiled now.
    ours = "import release_package, sdk_package, hatchling, os; assert os.path.exists(hatchling.__cached__)"
    finished(python, "-c", ours, env={"PYTHONDONTWRITEBYTECODE": "1"})
    (checkout / ".venv" / "mine").touch()
    assert ran(checkout, "setup").stderr == ""
    with (checkout / "requirements" / "dev.txt").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert ran(checkout, "setup").stderr == "installing requirements/dev.txt\n"
    assert (checkout / ".venv" / "mine").exists()
    # What git does to the ends of lines is no change.
    text = (checkout / "requirements" / "dev.txt").read_bytes()
    (checkout / "requirements" / "dev.txt").write_bytes(text.replace(b"\n", b"\r\n"))
    assert ran(checkout, "setup").stderr == ""
    # Another patch release keeps it, another minor version does not.
    other = next(each for each in ("3.10", "3.13") if each != f"{sys.version_info[0]}.{sys.version_info[1]}")
    said = ran(checkout, "setup", python=interpreter(other)).stderr
    assert said.startswith("making ")
    assert not (checkout / ".venv" / "mine").exists()
    assert finished(python, "--version").stdout.startswith(f"Python {other}.")


def test_who_comes_second_waits_for_the_first_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    is_told, is_in = threading.Event(), threading.Event()
    said: list[str] = []

    def say(words: str) -> None:
        said.append(words)
        is_told.set()

    def second() -> None:
        with dev_environment._alone():
            is_in.set()

    monkeypatch.setattr(dev_environment, "_say", say)
    thread = threading.Thread(target=second)
    with dev_environment._alone():
        thread.start()
        assert is_told.wait(60)
        assert not is_in.is_set()
    assert is_in.wait(60)
    thread.join()
    assert said == [f"another dev.py is at work on {dev_environment.VENV}, waiting for it"]


@pytest.fixture
def here(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of the copied checkout, for the module in this process; pip, which takes seconds, is left out."""
    monkeypatch.setattr(venv.EnvBuilder, "_setup_pip", lambda *_: None)
    monkeypatch.setattr(dev_environment, "VENV", checkout / ".venv")
    monkeypatch.setattr(dev_environment, "STAMP", checkout / STAMP)
    monkeypatch.setattr(dev_environment, "PYTHON", python_of(checkout / ".venv"))
    monkeypatch.setattr(dev_environment, "UV", python_of(checkout / ".venv").with_name("uv"))
    return checkout / ".venv"


def test_another_patch_version_keeps_the_environment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = dev_environment._made()
    (here / "mine").touch()
    monkeypatch.setattr(sys, "version_info", (*sys.version_info[:2], sys.version_info[2] + 1, "final", 0))
    monkeypatch.setattr(sys, "version", "newer")
    assert dev_environment._made() == made
    assert (here / "mine").exists()


@pytest.mark.parametrize("stamp", ['{"python": "', "{}", '{"python": "cpython-39 linux x86_64", "is_made": "yes"}'])
def test_what_broke_off_or_is_for_another_python_is_made_anew(stamp: str, here: Path, tmp_path: Path) -> None:
    (here / "rest" / "of").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (here / "link").symlink_to(tmp_path / "elsewhere")
    (here / STAMP.name).write_text(stamp, encoding="utf-8")
    dev_environment._made()
    finished(python_of(here), "-c", "")
    assert not (here / "rest").exists()
    assert not (here / "link").is_symlink()
    assert (tmp_path / "elsewhere" / "kept").exists()


def test_the_environment_of_a_copied_or_moved_checkout_is_made_anew(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev_environment._made()
    (here / "mine").touch()
    monkeypatch.setattr(dev_environment, "ROOT", here.parent / "elsewhere")
    made = dev_environment._made()
    assert not (here / "mine").exists()
    assert (made["checkout"], made["is_made"]) == (str(here.parent / "elsewhere"), "yes")
    assert dev_environment._made() == made


def test_an_installer_that_pip_put_elsewhere_is_not_taken_for_installed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_environment, "_pip_settings", lambda _: {})
    monkeypatch.setattr(dev_environment, "_made", dict)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    with pytest.raises(
        dev_environment.RefusedError, match=r"pip installed requirements/installer\.txt, but there is no "
    ):
        dev_environment.set_up()
    assert not (here / STAMP.name).exists()


def test_a_checkout_that_may_not_be_written_is_told_in_one_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(here))

    monkeypatch.setattr(venv.EnvBuilder, "create", refuses)
    with pytest.raises(
        dev_environment.RefusedError, match=r"cannot be made: .*; have the checkout where you may write$"
    ):
        dev_environment.set_up()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the names of files have an encoding of their own")
def test_a_path_that_the_locale_cannot_write_is_told_in_one_line(checkout: Path, tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    said = ran(checkout.rename(tmp_path / "\u00fcber"), "setup", env=plain, code=1).stderr
    assert re.fullmatch(r"dev\.py: .* cannot be made: .*; try again with PYTHONUTF8=1\n", said)


def test_an_environment_that_broke_off_is_known_for_ours(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(venv.EnvBuilder, "create", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            dev_environment._made()
    assert dev_environment._made()["is_made"] == "yes"


@pytest.mark.parametrize("kind", ["of another's making", "empty", "a file", "a link that leads nowhere"])
def test_an_environment_of_anothers_making_is_refused_and_left_alone(checkout: Path, kind: str) -> None:
    theirs = checkout / ".venv"
    if kind == "of another's making":
        finished(sys.executable, "-m", "venv", "--without-pip", theirs)
    elif kind == "empty":
        theirs.mkdir()
    elif kind == "a file":
        theirs.touch()
    else:
        theirs.symlink_to(checkout / "nowhere")
    before = sorted(theirs.rglob("*"))
    said = ran(checkout, "setup", code=1).stderr
    assert said == f"dev.py: {theirs} was not made by dev.py, so it stays as it is: move or delete it, and try again\n"
    assert os.path.lexists(theirs)
    assert sorted(theirs.rglob("*")) == before


@pytest.mark.slow
def test_a_setting_of_pip_is_one_of_the_installer_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "SSL_"))]:
        monkeypatch.delenv(name)
    config = tmp_path / "pip.conf"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    config.write_text(
        "[global]\nindex-url = https://general.invalid/simple\nextra-index-url = https://more.invalid/simple\n"
        "cert = /certificates.pem\nfind-links = /wheels\ntimeout = 7\n[install]\ntrusted-host = trusted.invalid\n",
        encoding="utf-8",
    )
    given = dev_environment.installer_settings(Path(sys.executable))
    assert given == {
        "UV_DEFAULT_INDEX": "https://general.invalid/simple",
        "UV_INSECURE_HOST": "trusted.invalid",
        "UV_HTTP_TIMEOUT": "7",
        "SSL_CERT_FILE": "/certificates.pem",
    }
    # Of the names, the last; of the files, an earlier one: what stands in the other has precedence.
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "z"))
    (tmp_path / "z" / "pip").mkdir(parents=True)
    (tmp_path / "z" / "pip" / "pip.conf").write_text("[global]\ncert = /others.pem\n", encoding="utf-8")
    assert dev_environment.installer_settings(Path(sys.executable)) == given
    monkeypatch.setenv("PIP_INDEX_URL", "")
    assert dev_environment.installer_settings(Path(sys.executable)) == given
    monkeypatch.setenv("PIP_INDEX_URL", "https://mine.invalid/simple")
    assert dev_environment.installer_settings(Path(sys.executable))["UV_DEFAULT_INDEX"] == "https://mine.invalid/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.invalid/simple")
    assert "UV_DEFAULT_INDEX" not in dev_environment.installer_settings(Path(sys.executable))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "/one /two")
    offline = dev_environment.installer_settings(Path(sys.executable))
    assert (offline["UV_NO_INDEX"], offline["UV_FIND_LINKS"]) == ("1", "/one,/two")


def test_of_the_settings_only_the_means_of_transport_reach_an_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "SSL_"))]:
        monkeypatch.delenv(name)
    given = {"PATH": "/bin", "HTTPS_PROXY": "http://proxy.invalid", "UV_CACHE_DIR": "/cache", "UV_HTTP_TIMEOUT": "9"}
    given |= {"UV_DEFAULT_INDEX": "mine=https://uv.invalid/simple", "UV_INDEX_MINE_PASSWORD": "secret"}
    others = {
        "PIP_TARGET": "/t",
        "UV_TARGET": "/t",
        "UV_INDEX": "https://more.invalid",
        "UV_EXCLUDE_NEWER": "2020-01-01",
    }
    for name, value in (given | others).items():
        monkeypatch.setenv(name, value)
    told = {"index-url": "https://pip.invalid/simple", "timeout": "7", "retries": "9", "target": "/t", "user": "1"}
    environ = dev_environment._environ(told)
    assert {name: environ[name] for name in given} == given  # what uv is told itself goes before
    assert not environ.keys() & others.keys()
    assert {name: value for name, value in environ.items() if name.startswith("PIP_")} == {
        "PIP_INDEX_URL": "https://pip.invalid/simple",
        "PIP_TIMEOUT": "7",
        "PIP_RETRIES": "9",
        "PIP_CONFIG_FILE": os.devnull,
    }


@pytest.mark.parametrize("words", [("setup", "--upgrade"), ("test-fast",), ("lint", "tests"), ()])
def test_words_that_nothing_knows_are_refused_before_anything_is_made(checkout: Path, words: tuple[str, ...]) -> None:
    assert "usage: dev.py" in ran(checkout, *words, code=2).stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], [*dev.PARALLEL]),
        (["--fast"], ["-m", dev.FAST, *dev.PARALLEL]),
        (["--fast", "tests/test_dev.py", "-x"], ["-m", dev.FAST, "tests/test_dev.py", "-x"]),
        (["--coverage", "-k", "x"], [*dev.COVERAGE, "-k", "x"]),
        (["--co"], ["--co"]),
    ],
)
def test_the_words_for_the_tests_go_to_pytest(
    words: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def run(python: Path, *arguments: str, output: IO[bytes] | None = None, behind: tuple[str, ...] = ()) -> int:
        assert behind == (("in memory",) if arguments[1] == "pytest" and dev.PARALLEL[0] in arguments else ())
        calls.append(list(arguments))
        return 0

    monkeypatch.setattr(dev, "set_up", lambda *_: Path("python"))
    monkeypatch.setattr(dev, "in_memory", lambda *_: ("in memory",))
    monkeypatch.setattr(dev, "run", run)
    monkeypatch.setattr(sys, "argv", ["dev.py", "test", *words])
    assert dev.main() == 0
    assert [call for call in calls if call[1] == "pytest"] == [["-m", "pytest", *expected]]
    assert [call[1:] for call in calls if call[1] != "pytest"] == ([] if words else list(dev.CHECKS))


@pytest.mark.parametrize("failing", ["mypy", "pytest"])
def test_what_linters_and_type_checks_say_comes_behind_the_tests_and_counts_as_much(
    failing: str, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    checks_ran = threading.Event()

    def run(python: Path, *arguments: str, output: IO[bytes] | None = None, behind: tuple[str, ...] = ()) -> int:
        if arguments[1] == "pytest":
            assert checks_ran.wait(30)  # they are no later than the tests
            os.write(1, b"tests\n")
        else:
            assert output is not None
            output.write(arguments[1].encode() + b" said so\n")
            if list(arguments[1:]) == dev.CHECKS[-1]:
                checks_ran.set()
        return int(arguments[1] == failing)

    monkeypatch.setattr(dev, "set_up", lambda *_: Path("python"))
    monkeypatch.setattr(dev, "run", run)
    monkeypatch.setattr(sys, "argv", ["dev.py", "test"])
    assert dev.main() == 1
    sys.stdout.flush()
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert lines[:4] == ["tests", "ruff said so", "ruff said so", "mypy said so"]
    assert lines[4:] == (["dev.py: mypy found problems"] if failing == "mypy" else [])


def test_temporary_files_in_memory_are_seen_by_nobody_else_and_go_with_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "MEMORY", 1 << 20)
    behind = dev.in_memory(Path(sys.executable), str(tmp_path))
    if not behind:
        pytest.skip("only root may mount, and only on Linux")
    program = "import pathlib, tempfile; file = tempfile.mkstemp()[1]; print(file, pathlib.Path(file).exists())"
    path, there = finished(*behind, sys.executable, "-c", program).stdout.split()
    assert (Path(path).parent, there) == (tmp_path, "True")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lacking", ["memory", "the program", "the right"])
def test_where_that_cannot_be_temporary_files_are_where_they_always_are(
    lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "MEMORY", 1 << 60 if lacking == "memory" else 1)
    if lacking == "the right":
        fake_program(tmp_path, "unshare", "sys.exit('unshare: unshare failed: Operation not permitted')")
    if lacking != "memory":
        monkeypatch.setenv("PATH", str(tmp_path))
    assert dev.in_memory(Path(sys.executable), str(tmp_path)) == ()


def test_fast_leaves_out_every_kind_of_test_that_there_is() -> None:
    markers = re.findall(r'^    "(\w+): ', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(re.findall(r"not (\w+)", dev.FAST)) == sorted(markers)


@pytest.mark.slow
def test_a_python_that_is_too_old_is_told_so(checkout: Path) -> None:
    said = ran(checkout, "setup", python=interpreter("3.8"), code=1).stderr
    assert re.fullmatch(r"this is Python 3\.8\.\d+, but 3\.10 or newer is needed; run it with a newer one\n", said)


def test_any_python_can_read_what_tells_it_so() -> None:
    tree = ast.parse((ROOT / "scripts" / "dev.py").read_text(encoding="utf-8"))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.FunctionDef, ast.NamedExpr, ast.Match)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    assert [ast.unparse(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))] == ["import sys"]
