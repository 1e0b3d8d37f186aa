"""The documents tell the truth: every command and snippet in them runs as a new user would run it, every link leads.

Commands run in a copy of the checkout, in the order of their document. What needs an index to hold our packages finds
them in a directory of fresh wheels instead.

In the client's documents the language of a block says what becomes of it: ``python`` runs, in a process of its own and,
if it holds a test, with pytest; ``py``, the same to every highlighter, is for what needs a person or an account. The
types of both are checked. A ``text`` right behind a snippet is what it prints.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import dev_commands as dev
import pytest
from needs import needs
from programs import (
    PINNED,
    ROOT,
    TIMEOUT_S,
    environment_with,
    finished,
    interpreter,
    link,
    linked_release,
    python_of,
)

import codex_app_server
from codex_app_server.generated.registry import ROOMS
from codex_app_server.testing import ModelServer, Text
from codex_release.building.build_record import RECORD
from codex_release.context import Context

DOCUMENTS = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
)
LANGUAGES = {"sh", "python", "py", "text", "mermaid", "toml"}
CLIENT_PAGES = [each for each in DOCUMENTS if each.parent == ROOT / "sdk" / "docs"]
TEST_COMMAND = "python3 scripts/dev.py test"
NOT_RUN = {
    TEST_COMMAND: "it is what runs this very test",
    "codex-release check dist": "`test_real_build` does, on the same files",
    "python -m build --wheel staged": "`test_real_build` does, with what is staged in the same way",
}
"""Commands that are not run, and why."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a document.

    Attributes:
        language: what it is written in.
        text: what it says.
        directly: whether nothing but a blank line stands between it and the block before.
    """

    language: str
    text: str
    directly: bool


def blocks(document: Path | str) -> list[Block]:
    """The fenced blocks of a document, or of its text, in order."""
    text = document.read_text(encoding="utf-8") if isinstance(document, Path) else document
    found: list[Block] = []
    end = -1
    for each in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        found.append(Block(each[1], each[2], directly=end >= 0 and text[end : each.start()] == "\n\n"))
        end = each.end()
    return found


def peer_of(snippet: str) -> str | None:
    """The module of another client that a snippet is written for."""
    match = re.search(r"^from (openai_codex|codex_sdk)\b", snippet, re.MULTILINE)
    return match[1] if match else None


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a clone of this checkout holds."""
    directory = tmp_path / "checkout"
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


def test_every_command_of_dev_py_that_a_document_names_is_one() -> None:
    """Those that are not run here take minutes, or change the checkout."""
    named = set()
    for path in [*DOCUMENTS, ROOT / ".pre-commit-config.yaml", ROOT / "requirements" / "dev.in", ROOT / "mkdocs.yml"]:
        text = path.read_text(encoding="utf-8")
        named |= {(path.name, *each) for each in re.findall(r"\bdev\.py ([a-z-]+)((?: --[\w-]+)*)", text)}
    assert {name for name, _, _ in named} >= {"README.md", "CONTRIBUTING.md", ".pre-commit-config.yaml"}
    for name, command, options in named:
        known = dev.COMMANDS.get(command)
        assert known is not None, f"{name}: dev.py {command}"
        assert known.passes_on or set(options.split()) <= set(known.options or ()), f"{name}: dev.py {command}{options}"


def test_the_checks_of_ci_are_the_readmes_test_command() -> None:
    assert TEST_COMMAND in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"exec {TEST_COMMAND}\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.index
@pytest.mark.network
@pytest.mark.slow
def test_the_readme_works_for_a_stranger(clone: Path, dist: Path, tmp_path: Path, context: Context) -> None:
    demo = blocks(clone / "README.md")[0]
    assert demo.text == "python3 scripts/dev.py demo\n"
    stranger = {"CODEX_RELEASE_CACHE": str(tmp_path / "cache")}
    said = run_commands(_first_block_only(clone / "README.md", tmp_path), clone, None, stranger)
    assert f"codex-cli {PINNED}" in said
    assert f"codex_app_server_sdk {PINNED}" in said
    assert re.search(
        r"│ turn +│ Hello from Codex itself, with a scripted model\. \(8 deltas, the first after [\d.]+ s\)", said
    )
    assert said.count("unchanged") == 0
    again = run_commands(_first_block_only(clone / "README.md", tmp_path), clone, None, stranger)
    assert again.count("unchanged") == 3
    # What follows builds all of a release; `dist` did, with the same command.
    linked_release(dist, clone / "dist")
    binaries = python_of(clone / ".venv").parent
    run_commands(clone / "README.md", clone, binaries, {"CODEX_RELEASE_CACHE": str(context.cache.root)})
    (words,) = re.findall(r"^`pip (install .*?)` installs", (clone / "README.md").read_text("utf-8"), re.MULTILINE)
    finished(binaries / "python", "-m", "venv", tmp_path / "env")
    python = python_of(tmp_path / "env")
    finished(python, "-m", "pip", *words.split(), cwd=clone)
    assert PINNED in finished(python.parent / "codex", "--version").stdout


def _first_block_only(document: Path, scratch: Path) -> Path:
    copy = scratch / document.name
    copy.write_text(f"```sh\n{blocks(document)[0].text}```\n", encoding="utf-8")
    return copy


@pytest.mark.index
@pytest.mark.slow
def test_the_toolkits_readme_works(clone: Path, dist: Path, host_wheel: Path, tmp_path: Path, context: Context) -> None:
    # What has its own tests is there already: the requirements, and what `dist` built for this machine.
    python = environment_with(tmp_path / "env", None, "-r", "requirements/release.txt")
    (clone / "dist").mkdir()
    link(str(host_wheel), str(clone / "dist" / host_wheel.name))
    for path in (dist / RECORD, *dist.glob("codex_app*")):
        shutil.copy2(path, clone / "dist")
    built = host_wheel.stat().st_mtime_ns
    run_commands(
        clone / "release" / "README.md", clone, python.parent, {"CODEX_RELEASE_CACHE": str(context.cache.root)}
    )
    assert (clone / "staged" / "pyproject.toml").is_file()
    assert (clone / "dist" / host_wheel.name).stat().st_mtime_ns == built


@pytest.mark.slow
def test_the_page_of_the_runtime_works(dist: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", None)
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(dist), "CODEX_HOME": str(tmp_path)}
    document = ROOT / "runtime_template" / "README.md"
    run_commands(document, tmp_path, python.parent, env)
    for snippet in python_blocks(document):
        assert finished(python, "-c", snippet, cwd=tmp_path, env=env).stdout.endswith("/bin/codex\n")


def _environment_with_client(dist: Path, directory: Path, *more: str) -> Path:
    """The interpreter of an environment with the released client, as its page says to install it, and pytest."""
    pinned = ("-r", "requirements/client.txt", *more, "-c", "requirements/dev.txt", "pytest")
    python = environment_with(directory / "env", None, *pinned)
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(dist), "CODEX_HOME": str(directory)}
    run_commands(ROOT / "sdk" / "README.md", directory, python.parent, env)
    return python


@pytest.fixture(scope="module")
@needs("index")
def with_client(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the client alone."""
    return _environment_with_client(dist, tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
@needs("index")
def with_extras(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with what the extras bring and the frameworks of the recipes."""
    more = ("-r", "requirements/extras.txt", "-r", "requirements/recipes.txt")
    return _environment_with_client(dist, tmp_path_factory.mktemp("extras"), *more)


def test_the_page_of_the_client_works(with_client: Path, tmp_path: Path) -> None:
    """Its snippets say nothing of a model, so the home they run with names an embedded one."""
    document = ROOT / "sdk" / "README.md"
    with ModelServer(default=Text("This is what the model says.")) as model:
        home = {name: str(value) for name, value in (model.config().env or {}).items()}
        said = [run_snippet(each, with_client, tmp_path, home) for each in python_blocks(document)]
    assert said[0] == said[2] == "This is what the model says.\n"
    assert said[1] == "This is what the model says."
    assert "It said hi." in said[3]


@pytest.mark.parametrize("document", CLIENT_PAGES, ids=lambda path: path.stem)
def test_the_commands_and_snippets_of_the_clients_documents_work(
    document: Path, request: pytest.FixtureRequest, dist: Path, tmp_path: Path
) -> None:
    says_how_to_get_an_extra = "codex-app-server-sdk[" in document.read_text(encoding="utf-8")
    python = request.getfixturevalue("with_extras" if says_how_to_get_an_extra else "with_client")
    run_commands(document, tmp_path, python.parent, {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(dist)})
    run_snippets(document, python, tmp_path)


def run_snippets(document: Path, python: Path, cwd: Path) -> None:
    """Run the snippets of a document in their order, and compare what they print with what the document says."""
    with ModelServer(default=Text("This is what the model says.")) as model:
        home = {name: str(value) for name, value in (model.config().env or {}).items()}
        every = blocks(document)
        for block, following in zip_longest(every, every[1:]):
            if block.language != "python" or document.stem.startswith("migrating-from-"):
                continue  # `test_migrating` runs the pairs of those pages
            said = run_snippet(block.text, python, cwd, home)
            if following is not None and following.language == "text" and following.directly:
                assert said == following.text, f"{document.name}, the snippet before {following.text!r}"


def run_snippet(text: str, python: Path, cwd: Path, env: dict[str, str]) -> str:
    """What a snippet prints; one that holds tests, what pytest says of them."""
    if not re.search(r"^(async )?def test_", text, re.MULTILINE):
        return finished(python, "-c", text, cwd=cwd, env=env, stdin="").stdout
    path = cwd / "test_snippet.py"
    path.write_text(text, encoding="utf-8")
    return finished(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", path, cwd=cwd, env=env).stdout


@pytest.mark.slow
def test_the_types_of_the_clients_snippets_hold(tmp_path: Path) -> None:
    names: list[Path] = []
    for document in CLIENT_PAGES:
        for number, block in enumerate(blocks(document)):
            if block.language in {"python", "py"} and peer_of(block.text) is None:
                names.append(tmp_path / f"{document.stem.replace('-', '_').lower()}_{number}.py")
                names[-1].write_text(block.text, encoding="utf-8")
    # As the checkout itself is looked at, so that what was found out of the client is known already.
    settings = ("--config-file", ROOT / "pyproject.toml")
    finished(sys.executable, "-m", "mypy", *settings, *names, cwd=ROOT, env={"MYPYPATH": str(tmp_path)})


def test_what_the_tables_of_migrating_lead_to_exists() -> None:
    tables = "".join(page.read_text(encoding="utf-8") for page in CLIENT_PAGES if page.stem.startswith("migrating"))
    rows = re.findall(r"^\|[^|]+\|([^|]+)\|$", tables, re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`([A-Z]\w+)", row)} - {"None", "Path"}
    assert len(names) > 30
    assert {name for name in names if name not in codex_app_server.__all__ and name not in ROOMS} == set()


def features() -> list[list[str]]:
    """The rows of the page of features: what it is about, here, with the peers, and the test that holds it."""
    text = (ROOT / "sdk" / "docs" / "features.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]
    return [row for row in rows if row[1] != "here"]


READERS_OWN = {"Finding", "Model", "Order", "await", "cancel", "for", "in", "order", "rule", "task", "with", "as"}
"""Names in the programs of the page of features that are the reader's own, and Python's."""


def names_of(package: Path) -> set[str]:
    """All words in the sources of a package, and the names of its files, with what Python itself has."""
    words = {word for path in package.rglob("*.py") for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    return {*words, *dir(builtins), *(path.name for path in package.iterdir())}


def unknown_names(cell: str, known: set[str]) -> set[str]:
    """The names in the code of a cell that a package does not have; what it only quotes is no name."""
    codes = (code for code in re.findall(r"`([^`]+)`", cell) if code not in known)
    return (
        {name for code in codes for name in re.findall(r"[A-Za-z_]\w*", re.sub(r'"[^"]*"', "", code))}
        - known
        - READERS_OWN
    )


def test_the_page_of_features_spells_what_is_there() -> None:
    """What it says of others, `test_migrating` holds against them."""
    known = names_of(ROOT / "sdk" / "src" / "codex_app_server") | {
        "codex",
        "cli",
        "bin",
        "sdk",
        "app",
        "server",
        "rich",
    }
    assert {row[0]: names for row in features() if (names := unknown_names(row[1], known))} == {}


def test_every_feature_names_the_test_that_holds_it() -> None:
    assert len(features()) > 50
    for row in features():
        assert len(row) == 6, row
        path, *names = row[-1].strip("`").split("::")
        scope: list[ast.stmt] = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
        for name in names:
            found = [each for each in scope if isinstance(each, ast.ClassDef | ast.FunctionDef) and each.name == name]
            assert found, row[-1]
            scope = found[0].body
        assert names[-1].startswith("test_"), row[-1]


def test_the_api_reference_says_what_the_code_says() -> None:
    finished(sys.executable, "scripts/api_reference.py", "--check", cwd=ROOT)


def test_the_api_reference_says_what_a_name_is_and_what_an_event_tells() -> None:
    page = (ROOT / "sdk" / "docs" / "api-reference.md").read_text(encoding="utf-8")
    assert not re.findall(r"^`_[A-Za-z].*", page, re.MULTILINE)  # how a rule is made, by a class of nobody's concern
    assert not re.findall(r".*\| The event .*", page)  # what is said of a model without words of its own


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.10", "3.13"])
def test_the_api_reference_is_the_same_whichever_python_writes_it(version: str) -> None:
    finished(interpreter(version), "scripts/api_reference.py", "--check", cwd=ROOT)


@pytest.mark.slow
def test_the_api_reference_must_follow_words_and_names(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for name in ("scripts", "sdk/src", "sdk/docs"):
        shutil.copytree(ROOT / name, checkout / name)
    for name, old, new in [
        ("retry.py", "Call a function, and call it again", "Call a function once more"),
        ("__init__.py", '    "__version__": "_version",', '    "__version__": "_version",\n    "New": "nowhere",'),
    ]:
        path = checkout / "sdk" / "src" / "codex_app_server" / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        finished(sys.executable, "scripts/api_reference.py", "--check", cwd=checkout, code=1)
        path.write_text(text, encoding="utf-8")
    finished(sys.executable, "scripts/api_reference.py", "--check", cwd=checkout)


@pytest.mark.index
@pytest.mark.slow
def test_the_site_builds_and_needs_no_other_host(clone: Path, tmp_path: Path) -> None:
    """Strictly, so that a link or an anchor that leads nowhere fails, and without a network."""
    python = environment_with(tmp_path / "env", None, "--require-hashes", "-r", "requirements/docs.txt")
    nowhere = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    site = tmp_path / "site"
    finished(python, "-m", "mkdocs", "build", "--strict", "--site-dir", site, cwd=clone, env=nowhere)
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(CLIENT_PAGES)
    for page in pages:
        loaded = re.findall(
            r"<(?:script|link|img)\b[^>]*(?:src|href)=\"?(https?:)?//", page.read_text(encoding="utf-8")
        )
        assert not loaded, page
        assert not re.search(r"class=[\"']?mermaid\b", page.read_text(encoding="utf-8")), "a browser would have to draw"
    pictures = [block for block in blocks(ROOT / "sdk" / "docs" / "how-it-works.md") if block.language == "mermaid"]
    shown = (site / "how-it-works.html").read_text(encoding="utf-8")
    names = re.findall(r'<div class="?picture"?[^>]*><svg id="?(picture-\w+)', shown)
    assert len(set(names)) == len(pictures)
    for picture in pictures:
        assert all(word in shown for word in re.findall(r"\w{4,}", " ".join(re.findall(r'"(.*?)"', picture.text))))
    assert "streamed" in (site / "search" / "search_index.json").read_text(encoding="utf-8")


def python_blocks(document: Path) -> list[str]:
    """The Python snippets of a document."""
    found = [block.text for block in blocks(document) if block.language == "python"]
    assert found
    return found
