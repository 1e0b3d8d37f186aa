"""The documents tell the truth: every command and snippet in them runs as a new user would run it, every link leads.

Commands run in a copy of the checkout, in the order of their document. What needs an index to hold our packages finds
them in a directory of fresh wheels instead.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from programs import ROOT, TIMEOUT_S, environment_with, finished, python_of

from codex_app_server.testing import ModelServer, Text
from codex_release.context import Context

DOCUMENTS = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
)
LANGUAGES = {"sh", "python", "text", "mermaid", "toml"}
NOT_RUN = {
    "python3 scripts/dev.py test": "it is what runs this very test",
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    language: str
    text: str


def blocks(document: Path) -> list[Block]:
    """The fenced blocks of a document, in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(language, text) for language, text in found]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone of this checkout holds."""
    directory = tmp_path_factory.mktemp("clone") / "checkout"
    listed = finished("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, directory / name)
    return directory


def run_commands(document: Path, cwd: Path, binaries: Path | None, env: dict[str, str]) -> str:
    """Run every line of a document's ``sh`` blocks; what they printed.

    Args:
        document: whose commands.
        cwd: where.
        binaries: a directory of programs to put before the system's own.
        env: what else is set.
    """
    here = Path(sys.prefix)
    path = [each for each in os.environ["PATH"].split(os.pathsep) if not each.startswith(str(here))]
    environment = {**os.environ, **env, "PATH": os.pathsep.join([*([str(binaries)] if binaries else []), *path])}
    environment.pop("VIRTUAL_ENV", None)
    said = ""
    for block in blocks(document):
        for command in block.text.splitlines() if block.language == "sh" else ():
            if command in NOT_RUN:
                continue
            ran = subprocess.run(
                ["bash", "-ec", command],
                cwd=cwd,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
            assert ran.returncode == 0, f"{document.name}: {command}\n{ran.stdout}\n{ran.stderr}"
            said += ran.stdout
    return said


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_block_has_a_language_that_is_tested(document: Path) -> None:
    assert {block.language for block in blocks(document)} <= LANGUAGES


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_inside_the_repository_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), target


def test_the_checks_of_ci_are_the_readmes_test_command() -> None:
    (command,) = NOT_RUN
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"exec {command}\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_readme_works_for_a_stranger(clone: Path, tmp_path: Path, context: Context) -> None:
    demo = blocks(clone / "README.md")[0]
    assert demo.text == "python3 scripts/dev.py demo\n"
    stranger = {"CODEX_RELEASE_CACHE": str(tmp_path / "cache")}
    said = run_commands(_first_block_only(clone / "README.md", tmp_path), clone, None, stranger)
    assert "codex-cli 0.169.0" in said
    assert "codex_app_server_sdk 0.169.0" in said
    assert re.search(
        r"│ turn +│ Hello from Codex itself, with a scripted model\. \(8 deltas, the first after [\d.]+ s\)", said
    )
    assert said.count("unchanged") == 0
    again = run_commands(_first_block_only(clone / "README.md", tmp_path), clone, None, stranger)
    assert again.count("unchanged") == 3
    binaries = python_of(clone / ".venv").parent
    run_commands(clone / "README.md", clone, binaries, {"CODEX_RELEASE_CACHE": str(context.cache.root)})


def _first_block_only(document: Path, scratch: Path) -> Path:
    copy = scratch / document.name
    copy.write_text(f"```sh\n{blocks(document)[0].text}```\n", encoding="utf-8")
    return copy


def test_the_toolkits_readme_works(clone: Path, tmp_path: Path, context: Context) -> None:
    python = environment_with(tmp_path / "env", None)
    run_commands(
        clone / "release" / "README.md", clone, python.parent, {"CODEX_RELEASE_CACHE": str(context.cache.root)}
    )
    assert len(list((clone / "staged" / "dist").glob("*.whl"))) == 1


def test_the_page_of_the_runtime_works(dist: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", None)
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(dist), "CODEX_HOME": str(tmp_path)}
    document = ROOT / "runtime_template" / "README.md"
    run_commands(document, tmp_path, python.parent, env)
    for snippet in python_blocks(document):
        assert finished(python, "-c", snippet, cwd=tmp_path, env=env).stdout.endswith("/bin/codex\n")


def test_the_page_of_the_client_works(dist: Path, tmp_path: Path) -> None:
    """Its snippets say nothing of a model, so the home they run with names an embedded one."""
    python = environment_with(tmp_path / "env", None, "--require-hashes", "-r", "requirements/client.txt")
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(dist)}
    document = ROOT / "sdk" / "README.md"
    run_commands(document, tmp_path, python.parent, {**env, "CODEX_HOME": str(tmp_path)})
    with ModelServer(default=Text("This is what the model says.")) as model:
        home = dict(model.config().env or {})
        said = [
            finished(python, "-c", each, cwd=tmp_path, env={**env, **home}).stdout for each in python_blocks(document)
        ]
    assert said[0] == said[2] == "This is what the model says.\n"
    assert said[1] == "This is what the model says."
    assert "It said hi." in said[3]


def python_blocks(document: Path) -> list[str]:
    """The Python snippets of a document."""
    found = [block.text for block in blocks(document) if block.language == "python"]
    assert found
    return found
