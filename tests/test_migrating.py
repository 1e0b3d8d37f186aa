"""The pages on migrating tell the truth: each "before" runs on the peer, each "after" on ours, and both print the same.

The peers are what their index has, pinned by hash, in one environment with our runtime, which all of them drive; the
model is scripted. The programs of a page run side by side, those of one client as forks of one process. What the page
of features names of the peers is held against their sources.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock
from needs import needs
from programs import ROOT, codex_release, finished, python_of, uv_pip_install
from test_docs import blocks, features, names_of, peer_of, unknown_names

from codex_app_server.testing import Answer, Failure, ModelRequest, ModelServer, Text, ToolCall

DOCS = ROOT / "sdk" / "docs"
PEERS = {"openai-codex": "openai_codex", "codex-sdk-python": "codex_sdk"}
OURS = "codex_app_server"
SAID: dict[str, Answer] = {
    "Explain this repository.": Text("Three bullets."),
    "Look around.": ToolCall("exec_command", {"cmd": "echo"}),
    "Run the tests.": ToolCall("exec_command", {"cmd": "echo"}),
    "Make a directory.": ToolCall("exec_command", {"cmd": "mkdir notes"}),
    "Quote something.": Text("To be or not to be."),
    "How do I make tea?": Text('{"title": "Tea", "minutes": 4}'),
    "Count to a million.": Text("word " * 1000, delay_s=0.1),
    "Fail.": Failure(400),
    "Into which sea": Text("Into the sea."),
    "My favorite color is blue.": Text("Noted."),
    "What is my favorite color?": Text("Blue."),
    "Diagnose the test failure.": Text("A missing import."),
    "How many apples are there?": ToolCall("stock", {"what": "apples"}),
    "How long is the wall?": Text("Some 21,000 km."),
    "Who built it?": Text("Many."),
    "Look at the arithmetic.": Text("Line 3 divides by zero."),
}
"""What the model says, by how what it was last asked begins; in the end, all is well."""


def answer(request: ModelRequest) -> Answer:
    """What the model says in all programs."""
    asked = request.texts[-1]
    if asked == "Which model are you?":
        return Text(str(request.body["model"]))
    if asked == "Who pays?":
        return Text(f"Who has {request.headers['authorization'].removeprefix('Bearer ')}.")
    if asked == "Run it again and again.":
        return ToolCall("exec_command", {"cmd": "echo"})
    if asked == "How many apples are there?" and request.tool_outputs:
        return Text(f"There are {' and '.join(request.tool_outputs.values())}.")
    said = next((said for words, said in SAID.items() if asked.startswith(words)), None)
    assert said is not None, asked
    return Text("All is well.") if isinstance(said, ToolCall) and request.tool_outputs else said


@dataclass(frozen=True)
class Pair:
    """Two programs that do the same.

    Attributes:
        title: what about.
        before: for the peer.
        after: for our client.
        printed: what both print.
    """

    title: str
    before: str
    after: str
    printed: str


def pairs(peer: str) -> list[Pair]:
    """The pairs of a page, which holds nothing else of Python."""
    page = (DOCS / f"migrating-from-{peer}.md").read_text(encoding="utf-8")
    found = []
    for section in re.split(r"^## ", page, flags=re.MULTILINE):
        title = section.partition("\n")[0]
        programs = [block for block in blocks(section) if block.language in {"python", "text"}]
        for before, after, printed in zip(programs[::3], programs[1::3], programs[2::3], strict=True):
            assert [before.language, after.language, printed.language] == ["python", "python", "text"], title
            assert (peer_of(before.text), peer_of(after.text)) == (PEERS[peer], None), title
            found.append(Pair(title, before.text, after.text, printed.text))
    return found


@pytest.fixture(scope="module")
@needs("index", "runtime")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the peers and our runtime; one for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "peers"
    with FileLock(f"{directory}.lock"):
        if not directory.is_dir():
            finished(sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, directory)
            pinned = ("--no-deps", "--require-hashes", "-r", "requirements/peers.txt")
            uv_pip_install("--python", python_of(directory), *pinned)
            codex_release("bootstrap", "--python", python_of(directory))
    return python_of(directory)


def printed(python: Path, module: str, programs: list[str], scratch: Path) -> list[str]:
    """What programs print, each in a home and a directory of its own; a traceback, too."""
    with ModelServer(default=answer) as model:
        given = []
        for number, text in enumerate(programs):
            directory = scratch / f"{module}-{number}"
            directory.mkdir()
            home = {name: str(value) for name, value in (model.config().env or {}).items()}
            given.append({"text": text, "cwd": str(directory), "env": {**home, "MODEL_URL": f"{model.url}/v1"}})
        path = os.pathsep.join([str(python.parent), os.environ["PATH"]])  # where one of the peers looks for the runtime
        ran = finished(
            python, ROOT / "tests" / "side_by_side.py", module,
            env={"PATH": path, "PYTHONPATH": str(ROOT / "sdk" / "src")}, stdin=json.dumps(given),
        )  # fmt: skip
    return [str(each) for each in json.loads(ran.stdout)]


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("side", ["before", "after"])
def test_the_programs_of_a_page_print_what_it_says(peer: str, side: str, python: Path, tmp_path: Path) -> None:
    every = pairs(peer)
    assert len(every) > 5
    texts = [pair.before if side == "before" else pair.after for pair in every]
    said = printed(python, PEERS[peer] if side == "before" else OURS, texts, tmp_path)
    assert {pair.title: text for pair, text in zip(every, said, strict=True)} == {
        pair.title: pair.printed for pair in every
    }


def names_in(python: Path, module: str) -> set[str]:
    """The names that a peer has."""
    (package,) = python.parent.parent.glob(f"**/site-packages/{module}")
    return names_of(package)


@pytest.mark.parametrize(("column", "module"), [(2, "openai_codex"), (3, "codex_sdk")])
def test_what_the_page_of_features_names_is_in_the_peers(column: int, module: str, python: Path) -> None:
    known = names_in(python, module)
    assert {row[0]: names for row in features() if (names := unknown_names(row[column], known))} == {}


@pytest.mark.parametrize("peer", PEERS)
def test_what_needs_an_account_is_a_program_of_names_that_exist(peer: str, python: Path) -> None:
    """Ours are looked at with the snippets of all pages."""
    known = names_in(python, PEERS[peer])
    for block in blocks(DOCS / f"migrating-from-{peer}.md"):
        if block.language == "py" and peer_of(block.text):
            compile(block.text, "program", "exec")
            for name in (node.attr for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Attribute)):
                assert name in known, name
