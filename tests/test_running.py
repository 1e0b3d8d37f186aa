"""What is run of a release on this machine: by itself, by an emulator that is there, and what is only read, and why.

Small programs of Linux speak as Codex does; the emulators that are not installed everywhere are stand-ins that take the
words of the real ones.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from executables import elf, speaking
from fake_programs import calls_of, fake_program
from fake_release import FakeRelease
from programs import PINNED

from codex_release.base.errors import CheckError
from codex_release.check import running
from codex_release.check.running import Run, run_entrypoint
from codex_release.context import Context
from codex_release.facts.targets import Catalog, Target
from codex_release.runtime.tree import copy_tree

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its stand-ins need POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="its programs need Linux")

VERSION = "0.1.0"
BOTH = ("--version", "initialize")
RIGHT = f'codex-cli {VERSION}\n{{"id":1,"result":{{"userAgent":"x/{VERSION} (Linux)"}}}}\n'.encode()
WINDOWS = "x86_64-pc-windows-msvc"
ARM = "aarch64-unknown-linux-musl"


@pytest.fixture
def host(catalog: Catalog) -> Target:
    """This machine's target."""
    return catalog.host()


def tree(directory: Path, catalog: Catalog, target: Target, data: bytes = b"") -> Path:
    """A runtime whose entrypoint is these bytes."""
    entrypoint = directory / "tree" / target.fill(catalog.layout.entrypoint)
    entrypoint.parent.mkdir(parents=True)
    entrypoint.write_bytes(data)
    entrypoint.chmod(0o755)
    return directory / "tree"


def foreign(catalog: Catalog, triple: str) -> Target:
    """A target as another machine sees it."""
    return replace(catalog.target(triple), system="elsewhere")


def emulator(directory: Path, name: str, said: str, code: str) -> Path:
    """A program that says its version, and does this otherwise."""
    return fake_program(
        directory / "programs", name, f"if sys.argv[1] == '--version': sys.exit(print({said!r}))\n{code}"
    )


def on_path(directory: Path) -> dict[str, str]:
    """An environment in which nothing but such programs is found."""
    return {"PATH": str(directory / "programs")}


# --- On this machine


@linux
def test_what_runs_here_is_asked_its_version_and_to_initialize(catalog: Catalog, host: Target, tmp_path: Path) -> None:
    root = tree(tmp_path, catalog, host, elf(host.machine, code=speaking(host.machine, RIGHT)))
    ran = run_entrypoint(root, host, catalog, VERSION, {})
    assert (ran.target, ran.asked, ran.by, ran.reason) == (host.triple, BOTH, "this machine", "")
    assert str(ran) == "--version and initialize, run by this machine"


@linux
@pytest.mark.parametrize(
    ("said", "exit_code", "complaint"),
    [
        (
            RIGHT.replace(b"0.1.0", b"0.1.1"),
            0,
            r"codex --version, run by this machine, says it is 0\.1\.1, not 0\.1\.0",
        ),
        (RIGHT.replace(b"x/0.1.0", b"x/0.1.0-alpha.1"), 0, r"codex app-server, run by .* says it is 0\.1\.0-alpha\.1"),
        (RIGHT, 3, "codex --version, run by this machine, failed with exit code 3: it does not say why"),
        (RIGHT.partition(b"\n")[0] + b"\n", 0, "codex app-server, run by this machine, does not say its version"),
        (b"", 0, "codex --version, run by this machine, does not say its version"),
    ],
)
def test_another_answer_than_the_locked_releases_is_a_fault(
    said: bytes, exit_code: int, complaint: str, catalog: Catalog, host: Target, tmp_path: Path
) -> None:
    root = tree(tmp_path, catalog, host, elf(host.machine, code=speaking(host.machine, said, exit_code)))
    with pytest.raises(CheckError, match=complaint):
        run_entrypoint(root, host, catalog, VERSION, {})


@linux
def test_what_cannot_be_started_here_is_only_read(catalog: Catalog, host: Target, tmp_path: Path) -> None:
    root = tree(tmp_path, catalog, host, elf(host.machine))
    (root / host.fill(catalog.layout.entrypoint)).chmod(0o644)  # as where nothing may be executed
    ran = run_entrypoint(root, host, catalog, VERSION, {})
    assert not ran.asked
    assert str(ran).startswith("only read: it cannot be started: ")


# --- By an emulator


@pytest.mark.emulator
@linux
def test_the_pinned_runtime_of_the_other_machine_answers(context: Context, tmp_path: Path) -> None:
    """The real thing, three hundred megabytes of another instruction set, and nothing registered with the system."""
    target = context.catalog.target(ARM)
    tree = context.fetcher.tree(context.runtime(context.lock.version, target))
    copy_tree(tree, tmp_path, context.catalog.layout)
    ran = run_entrypoint(tmp_path, target, context.catalog, PINNED, os.environ)
    assert ran.asked == BOTH
    assert ran.by.startswith("this machine" if target.is_host else "qemu-aarch64")


@pytest.mark.emulator
@linux
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_fault_under_an_emulator_is_the_executables(machine: str, catalog: Catalog, tmp_path: Path) -> None:
    target = foreign(catalog, f"{machine}-unknown-linux-musl")
    root = tree(tmp_path, catalog, target, elf(machine, code=speaking(machine, RIGHT, 7)))
    with pytest.raises(CheckError, match=r"failed with exit code 7"):
        run_entrypoint(root, target, catalog, VERSION, os.environ)


def test_without_its_emulator_a_target_is_only_read_and_the_package_is_named(catalog: Catalog, tmp_path: Path) -> None:
    for target in catalog.targets:
        if target.is_host:
            continue
        ran = run_entrypoint(tmp_path, target, catalog, VERSION, {})
        assert not ran.asked
        if target.emulator is None:
            assert ran.reason == "no emulator runs it"
        else:
            assert target.emulator.programs[0] in ran.reason
            assert target.emulator.package in ran.reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("wine-8.0 (Debian 8.0~repack-4)", "it takes wine 10 or newer, this is 8.0"),
        ("wine-9.22", "it takes wine 10 or newer, this is 9.22"),
        ("it looks like wine32 is missing", "it takes wine 10 or newer, this is another"),
    ],
)
def test_an_emulator_that_is_too_old_is_not_even_tried(
    said: str, reason: str, catalog: Catalog, tmp_path: Path
) -> None:
    program = emulator(tmp_path, "wine", said, "sys.exit(53)")
    ran = run_entrypoint(tmp_path, catalog.target(WINDOWS), catalog, VERSION, on_path(tmp_path))
    assert ran == Run(WINDOWS, reason=reason)
    assert calls_of(program) == [["--version"]]


@pytest.mark.parametrize(
    ("triple", "name", "code"),
    [
        (WINDOWS, "wine", "sys.exit(53)"),  # as where Windows has a function that it lacks
        (ARM, "qemu-aarch64", "import os, signal; os.kill(os.getpid(), signal.SIGILL)"),
    ],
)
def test_what_an_emulator_lacks_is_no_fault_of_the_executable(
    triple: str, name: str, code: str, catalog: Catalog, tmp_path: Path
) -> None:
    target = foreign(catalog, triple)
    emulator(tmp_path, name, f"{name} 10.2.1", code)
    ran = run_entrypoint(tree(tmp_path, catalog, target), target, catalog, VERSION, on_path(tmp_path))
    assert not ran.asked
    assert ran.reason.startswith(f"{name} 10.2.1 cannot run it (exit code ")


def test_an_emulator_gets_its_own_directory_which_does_not_stay(catalog: Catalog, tmp_path: Path) -> None:
    """Wine keeps a Windows there, and a server that goes on writing to it after the answer."""
    target = foreign(catalog, WINDOWS)
    code = f"""
import os, time
home, prefix = os.environ["CODEX_HOME"], os.environ["WINEPREFIX"]
assert os.path.isdir(home)
os.makedirs(prefix)
open(os.environ["NOTED"], "x").write(home)
if os.fork() == 0:
    os.closerange(0, 3)
    for number in range(100_000): open(f"{{prefix}}/{{number}}", "x").close()  # it fails when the directory is gone
print("codex-cli {VERSION}", flush=True)"""
    program = emulator(tmp_path, "wine", "wine-10.0 (debian 10.0~repack-12)", code)
    noted = tmp_path / "noted"
    root = tree(tmp_path, catalog, target)
    ran = run_entrypoint(root, target, catalog, VERSION, on_path(tmp_path) | {"NOTED": str(noted)})
    assert (ran.asked, ran.by) == (("--version",), "wine 10.0")
    assert calls_of(program)[1:] == [[str(root / "bin" / "codex.exe"), "--version"]]
    assert not Path(noted.read_text(encoding="utf-8")).exists()


def test_an_answer_is_waited_for_with_the_question_open(catalog: Catalog, tmp_path: Path) -> None:
    """Codex ends when nobody can ask any more, be something unanswered or not."""
    target = foreign(catalog, ARM)
    code = f"""
if sys.argv[2:] == ["--version"]: sys.exit(print("codex-cli {VERSION}"))
import select
asked = json.loads(sys.stdin.buffer.raw.readline())
if select.select([sys.stdin], [], [], 0.3)[0]: sys.exit()
print(json.dumps({{"id": asked["id"], "result": {{"userAgent": "x/{VERSION} (Linux)"}}}}), flush=True)
sys.exit(0 if sys.stdin.buffer.raw.readline() == b"" else 1)"""
    emulator(tmp_path, "qemu-aarch64", "qemu-aarch64 version 7.2.22", code)
    assert run_entrypoint(tree(tmp_path, catalog, target), target, catalog, VERSION, on_path(tmp_path)).asked == BOTH


@pytest.mark.slow
def test_what_never_answers_is_ended(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = foreign(catalog, ARM)
    emulator(tmp_path, "qemu-aarch64", "qemu-aarch64 version 7.2.22", "import time; time.sleep(600)")
    monkeypatch.setattr(running, "_ANSWER_S", 2.0)
    begun = time.monotonic()
    with pytest.raises(CheckError, match="gave no answer for 2 s"):
        run_entrypoint(tree(tmp_path, catalog, target), target, catalog, VERSION, on_path(tmp_path))
    assert time.monotonic() - begun < 60


# --- In a command


@pytest.mark.slow
@linux
def test_check_runs_what_is_locked_and_nothing_else(release: FakeRelease, host: Target, tmp_path: Path) -> None:
    """The small executable of a fake runtime says nothing, which is seen only where it is run."""
    release.ran("build", "--target", host.triple, "--out", tmp_path)
    (wheel,) = tmp_path.glob("codex_cli_bin-*.whl")
    assert json.loads(release.ran("check", wheel, "--json").out) == {str(wheel): {"problems": [], "run": None}}
    release.asked("--version")
    problem = "codex --version, run by this machine, does not say its version"
    found = json.loads(release.ran("check", wheel, "--json", code=1).out)
    assert [each.partition(":")[0] for each in found[str(wheel)]["problems"]] == [problem]
    assert json.loads(release.ran("check", wheel, "--unlocked", "--json").out)[str(wheel)]["run"] is None
    numbered = wheel.with_name(wheel.name.replace("-py3-", "-1-py3-"))
    numbered.write_bytes(wheel.read_bytes())
    (problem,) = json.loads(release.ran("check", numbered, "--json", code=1).out)[str(numbered)]["problems"]
    assert problem.startswith("it has a build number")  # which speaks against it, so it is not run
    text = release.lock_file.read_text(encoding="utf-8")
    release.lock_file.write_text(re.sub(r'("bin/codex.* sha256 = ")....', r"\1ffff", text), encoding="utf-8")
    assert release.lock_file.read_text(encoding="utf-8") != text
    assert "run by" not in release.ran("check", wheel, "--json", code=1).out
