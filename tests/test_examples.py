"""The examples and the notebook: as a reader runs them, from an unrelated directory, in a fresh environment.

The runtime is the real one, and the examples themselves install it; the model is embedded. What they print is what they
are about, so that is what is asserted.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import AtTerminal, home_of
from needs import needs
from programs import PINNED, PUBLISHED, ROOT, finished, python_of, uv_pip_install

import codex_app_server
from codex_app_server.testing import ModelServer, Text

SDK = ROOT / "sdk"
EXAMPLES = SDK / "examples"
NOTEBOOK = SDK / "notebooks" / "sdk_walkthrough.ipynb"
SCRIPTS = sorted(EXAMPLES.glob("[0-9]*/*.py"))
KINDS = ("sync", "async")
"""Most examples have both; some are for a framework that knows one of them."""
TIMEOUT_S = 120
TALKS = "11_interactive_mini_cli"  # at a terminal
CLUSTER = "31_ray"  # where `sdk/tests/test_ray.py` has one: to start one takes half a minute
ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

# By folder, what an example prints: a pattern for the whole of it.
SAID = {
    "01_quickstart_constructor": r"Hello, nice to meet you!\nGoodbye, until next time\.",
    "02_turn_run": rf"""thread id:      {ID}
turn id:        {ID}
status:         completed
error:          None
text:           It printed hello\.
final response: It printed hello\.
item:           userMessage
item:           commandExecution .*echo hello.* exit code -?\d+
item:           agentMessage
usage:          10 tokens in, 5 out""",
    "03_turn_stream_events": r"""turn/started +inProgress
item/started +userMessage
item/completed +userMessage
item/started +commandExecution
(?:item/commandExecution/outputDelta .*\n)*item/completed +commandExecution
thread/tokenUsage/updated +15 tokens so far
item/started +agentMessage
item/agentMessage/delta +'It '
item/agentMessage/delta +'printed '
item/agentMessage/delta +'hello\.'
item/completed +agentMessage
thread/tokenUsage/updated +30 tokens so far
turn/completed +completed""",
    "04_models_and_metadata": rf"""client:  \S+
runtime: {re.escape(PINNED)}
agent:   codex_app_server_sdk/{re.escape(PINNED)} .*
models:  \d+ to choose from, \d+ in all
(?:  .*\n)*  \S+ \(the default\): takes text and image; efforts .*(?:\n  .*)*""",
    "05_existing_thread": rf"""left thread (?P<id>{ID})
resumed thread (?P=id)
Your favourite colour is teal\.
2 turns, the first of them about: My favourite colour is teal\. Just say OK\.""",
    "06_thread_lifecycle_and_controls": r"""named:      counting
thread:     1 turns
fork:       2 turns
compacting: completed
thread_archive: it is not listed
thread_unarchive: it is listed""",
    "07_image_and_text": r"A red circle, a green square and a blue triangle\.",
    "08_local_image_and_text": r"""A red circle, a green square and a blue triangle\.
asked with localImage and text""",
    "09_async_parity": r"""Hello there\.
Goodbye\.
Codex: .*thread_start.*
  the same with asyncio
Thread: .*run.*
  the same with asyncio
Turn: .*stream.*
  the same with asyncio""",
    "10_error_handling_and_retry": r"""refused:   no rollout found for thread id 0.*
failed:    failed: .*there is no such model.*
again:     Hello\.
too long:  interrupted
retried:   3 attempts, then some models
closed:    worth another try\? False""",
    "12_turn_params_kitchen_sink": r"""language: Python
reason:   gpt-5\.5 thinks so, with effort low\.""",
    "13_model_select_and_turn_params": r"""(?P<model>\S+) offers the efforts (?P<least>\w+), .*
with effort (?P=least): 391, says (?P=model) with effort (?P=least)\.
with effort (?P<most>\w+): 391, says (?P=model) with effort (?P=most)\.""",
    "14_steering_and_interrupting": r"""one .*I would have said two\.
\[completed\]
one two three .*
\[interrupted\]""",
    "15_many_turns_at_once": r"""Danube: The Danube flows into the Black Sea\.
Ganges: The Ganges flows into the Bay of Bengal\.
Mekong: The Mekong flows into the South China Sea\.
Nile: The Nile flows into the Mediterranean\.
Rhine: The Rhine flows into the North Sea\.
(?P<turns>\S+) s of turns in (?P<elapsed>\S+) s""",
    "16_approval_policy": r"""accept: mkdir reports
decline: touch reports/one\.txt
mkdir worked, touch was declined\.
left in the directory: reports""",
    "17_structured_output": r"""Asia: Ganges, 2525 km
Africa: Nile, 6650 km
longest: Nile
asked 3 times""",
    "18_stream_block": r"""\[userMessage\]
\[commandExecution\]
one two three[ ]
I stopped counting\.
15 tokens, which cost 0\.00006\d""",
    "19_many_prompts": r"""0 of 2 from the journal
2 of 5 from the journal
Danube: Black Sea
Ganges: Bay of Bengal
Mekong: South China Sea
Nile: Mediterranean
Rhine: North Sea""",
    "21_approval_rules": r"""accept  mkdir reports \(allow_commands\('mkdir \*'\)\)
accept  ls \(read_only\)
decline rm -r reports \(no_removing\)
decline more than plain commands \(decline_all\)
mkdir worked, ls worked, rm was declined, mkdir \$\(date\) was declined\.
left in the directory: reports""",
    "22_watching_and_limiting": r"""(?:ran a command, completed\n)+(?:ran a command, \w+\n)*too many commands: 3 of 2
the turn was interrupted, and had \d+ items""",
    "20_tools": r"""stock \{'what': 'tea'\} succeeded
stock \{'what': 'milk'\} failed
buy \{.*\} failed
buy \{.*\} succeeded
Tea: 12\. There is no milk here, only tea and coffee\. Bought 2, for 20 was too much\.
left: \{'tea': 10, 'coffee': 0\}""",
    "23_threads_as_handles": r"""Name a river\. \[idle\]
  The Danube\.
  The Black Sea\.
Vienna\.
2 and 2 turns
put away: True""",
    "24_more_than_turns": r"""review: No: count may be zero\.
goal: first
goal: second
goal: It is reached\.
goal: complete
HELLO
command: exit code 0""",
    "25_telemetry": r"""initialize
start codex
  thread/start
  turn/start
  look out of the window
  execute_tool weather
  look out of the window
  execute_tool weather \{'error\.type': 'ToolError'\}
  agentMessage
  invoke_agent codex \{'gen_ai\.usage\.output_tokens': 15\}
Sunny in Lisbon; of Atlantis nobody knows\.
the example""",
    "26_pydantic_ai": r"""\{"result":42,"explanation":"The tool has added them\."\} 1 call
Because of how air scatters light\.
\{"codex":\{"answer":"A README\.","items":\[\]\}\}""",
    "27_agents_sdk": r"""It printed hello\.
\{"answer":"It printed hello\.","items":\[\{"type":"commandExecution","command":".*echo hello.*"exitCode":0.*\]\}""",
    "28_editor": r"""\[execute\]
may it\? \| Allow \| Allow for this session \| Reject
There it is\.
end_turn, and left in the directory: reports""",
    "29_remote": r"""begun, and gone
somebody else comes, and the turn is inProgress
now it is completed, and is the same: True
Seventeen, sixteen, and so on\.""",
    "30_pool": r"""two runtimes: True
acme: A tenant\. tenant-acme
umbrella: A tenant\. tenant-umbrella
.*Black Sea.*
.*Bay of Bengal.*
.*South China Sea.*
.*Mediterranean.*
.*North Sea.*""",
    "32_fastapi": r"""data: "The "
data: "Danube\."
event: end
data: "completed"
hung up at data: "three "
404""",
    "33_langgraph": r"""Where does what flow\?The Danube flows into the Black Sea\.
The Rhine flows into the North Sea\.""",
    "34_django": r"""The Danube\.
Into the Black Sea\.|data: "The "
data: "Danube\."
event: end
data: \{\}""",
    "35_celery": r"""The Danube\.
The Black Sea\.""",
}

# Celery forks, which Windows cannot.
POSIX = {"35_celery"}
THERE = [
    (folder, kind)
    for folder in SAID
    for kind in KINDS
    if (EXAMPLES / folder / f"{kind}.py").is_file() and not (sys.platform == "win32" and folder in POSIX)
]

Outcome = subprocess.CompletedProcess[str]


def run(python: Path, script: Path, *options: str, cwd: Path, env: dict[str, str] | None = None) -> Outcome:
    """Run an example to its end, whatever that is."""
    return subprocess.run(
        [str(python), str(script), *options],
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that has nothing to do with the checkout."""
    return tmp_path_factory.mktemp("elsewhere")


def environment(directory: Path, *requirements: str) -> Path:
    """A new environment without pip, which nothing here needs; its interpreter."""
    finished(sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, directory)
    python = python_of(directory)
    if requirements:
        uv_pip_install("--python", python, *requirements)
    return python


@pytest.fixture(scope="module")
@needs("index", "runtime")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with what `dev.py setup` installs of others, but neither our packages nor the runtime."""
    files = ("release", "client", "extras", "recipes")
    locked = [word for name in files for word in ("-r", f"requirements/{name}.txt")] + ["-c", "requirements/dev.txt"]
    directory = tmp_path_factory.mktemp("environment") / "env"
    return environment(directory, *locked, "ipykernel", "nbclient", "nbformat")


@pytest.fixture(scope="module")
def first(bare_python: Path, elsewhere: Path) -> Outcome:
    """The first example that ever ran there."""
    return run(bare_python, EXAMPLES / "01_quickstart_constructor" / "sync.py", "--embedded", cwd=elsewhere)


@pytest.fixture(scope="module")
def python(bare_python: Path, first: Outcome) -> Path:
    """The same environment, now with the runtime."""
    assert first.returncode == 0, first.stderr
    return bare_python


@pytest.fixture(scope="module")
def outcome(python: Path, elsewhere: Path) -> Iterator[Callable[[str, str], Outcome]]:
    """What becomes of an example; all of them run side by side, which they must not mind."""
    with ThreadPoolExecutor(4) as pool:
        running: dict[tuple[str, str], Future[Outcome]] = {
            (folder, kind): pool.submit(run, python, EXAMPLES / folder / f"{kind}.py", "--embedded", cwd=elsewhere)
            for folder, kind in THERE
        }
        yield lambda folder, kind: running[folder, kind].result()


@pytest.mark.parametrize(("folder", "kind"), THERE)
def test_an_example_prints_what_it_is_about(outcome: Callable[[str, str], Outcome], folder: str, kind: str) -> None:
    if (folder, kind) == ("33_langgraph", "async") and sys.version_info < (3, 11):
        pytest.skip("LangGraph's writer does not work with asyncio before Python 3.11")
    if folder in {"31_ray", "33_langgraph"} and sys.version_info >= (3, 15):
        pytest.skip("there are no wheels of it for this Python")
    ran = outcome(folder, kind)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = re.fullmatch(SAID[folder], ran.stdout.strip())
    assert found, ran.stdout
    if folder == "15_many_turns_at_once":
        assert float(found["turns"]) > 1.5 * float(found["elapsed"])


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals on Windows")
@pytest.mark.parametrize("kind", KINDS)
def test_the_mini_cli_talks_at_a_terminal(python: Path, kind: str) -> None:
    cli = AtTerminal([python, EXAMPLES / TALKS / f"{kind}.py", "--embedded"], {})
    cli.wait_for("An empty line ends.\n> ")
    cli.type("hello there\n")
    cli.wait_for("You said: hello there\n> ")
    cli.type("count, please\n")
    cli.wait_for("one two ")
    cli.interrupt()
    cli.wait_for("[interrupted]\n> ")
    if kind == "async":
        cli.interrupt()
        cli.wait_for("(an empty line ends) ")
    cli.type("still there?\n")
    cli.wait_for("You said: still there?\n> ")
    cli.type("\n")
    assert cli.end() == 0
    assert "seventeen" not in cli.shown


class TestBootstrap:
    def test_the_first_example_installs_the_runtime_and_says_so(self, first: Outcome) -> None:
        assert first.returncode == 0
        assert first.stdout.startswith("Hello")
        assert f"installing codex-cli-bin {PUBLISHED}" in first.stderr

    def test_what_is_there_is_left_alone_and_costs_nothing(self, python: Path, elsewhere: Path) -> None:
        program = f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); import _bootstrap; print(*sys.modules)"
        loaded = finished(python, "-c", program, cwd=elsewhere).stdout.split()
        assert "codex_cli_bin" in loaded
        assert not {"codex_release", "pydantic", "tomllib", "importlib.metadata"} & set(loaded)

    def test_a_python_without_the_requirements_is_told_what_to_run(self, tmp_path: Path) -> None:
        ran = run(environment(tmp_path / "env"), SCRIPTS[0], "--embedded", cwd=tmp_path)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert "needs pydantic" in ran.stderr
        assert "python3 scripts/dev.py setup" in ran.stderr
        assert ran.stderr.count("\n") == 1

    def test_so_it_is_if_a_requirement_is_missed_on_the_way(self, python: Path, elsewhere: Path) -> None:
        script = EXAMPLES / "20_tools" / "sync.py"
        program = (
            f"import runpy, sys; sys.modules['docstring_parser'] = None; sys.argv = [{str(script)!r}, '--embedded']; "
            f"runpy.run_path({str(script)!r}, run_name='__main__')"
        )
        ran = finished(python, "-c", program, cwd=elsewhere, code=1)
        assert "docstring_parser" in ran.stderr
        assert "python3 scripts/dev.py setup" in ran.stderr
        assert "Traceback" not in ran.stderr

    @pytest.mark.index
    def test_a_python_without_the_toolkits_requirements_is_told_too(self, tmp_path: Path) -> None:
        client = environment(tmp_path / "env", "-r", "requirements/client.txt")
        ran = run(client, SCRIPTS[0], "--embedded", cwd=tmp_path)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert "the runtime is to be installed, but" in ran.stderr
        assert "python3 scripts/dev.py setup" in ran.stderr
        assert ran.stderr.count("\n") == 1

    @pytest.mark.index
    @pytest.mark.runtime
    def test_a_toolkit_that_is_installed_elsewhere_changes_nothing(self, tmp_path: Path) -> None:
        locked = ["-r", "requirements/release.txt", "-r", "requirements/client.txt", "-c", "requirements/dev.txt"]
        python = environment(tmp_path / "env", *locked)
        shutil.copytree(ROOT / "release" / "src", tmp_path / "toolkit", ignore=shutil.ignore_patterns("__pycache__"))
        ran = run(python, SCRIPTS[1], "--embedded", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "toolkit")})
        assert (ran.returncode, ran.stdout) == (0, "Hello, nice to meet you!\nGoodbye, until next time.\n"), ran.stderr
        assert f"installing codex-cli-bin {PUBLISHED}" in ran.stderr


class TestWhoAnswers:
    SCRIPT = EXAMPLES / "01_quickstart_constructor" / "sync.py"

    def test_without_a_login_the_embedded_model_and_one_line_about_it(self, python: Path, tmp_path: Path) -> None:
        ran = run(python, self.SCRIPT, cwd=tmp_path, env={"CODEX_HOME": str(tmp_path)})
        assert ran.stdout.startswith("Hello, nice to meet you!\n")
        assert ran.stderr == "no Codex login found: an embedded model answers, as with --embedded\n"

    def test_a_home_that_does_not_exist_is_not_made(self, python: Path, tmp_path: Path) -> None:
        home = {"CODEX_HOME": "", "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
        ran = run(python, self.SCRIPT, cwd=tmp_path, env=home)
        assert ran.stdout.startswith("Hello, nice to meet you!\n")
        assert not list(tmp_path.iterdir())

    def test_with_a_login_the_persons_own_model(self, python: Path, tmp_path: Path) -> None:
        (tmp_path / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": "sk-none"}), encoding="utf-8")
        with ModelServer(default=Text("It is me.")) as model:
            config = f'openai_base_url = "{model.url}/v1"\nmodel = "gpt-5"\n'
            (tmp_path / "config.toml").write_text(config, encoding="utf-8")
            ran = run(python, self.SCRIPT, cwd=tmp_path, env={"CODEX_HOME": str(tmp_path)})
        assert (ran.stdout, ran.stderr) == ("It is me.\nIt is me.\n", "")

    def test_with_a_provider_that_wants_no_login_that_one(self, python: Path, tmp_path: Path) -> None:
        with ModelServer(default=Text("It is me.")) as model:
            ran = run(python, self.SCRIPT, cwd=tmp_path, env=home_of(model))
            embedded = run(python, self.SCRIPT, "--embedded", cwd=tmp_path, env=home_of(model))
        assert (ran.stdout, ran.stderr) == ("It is me.\nIt is me.\n", "")
        assert embedded.stdout.startswith("Hello, nice to meet you!\n")


class TestTheirText:
    def test_every_folder_is_listed_with_its_command(self) -> None:
        index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
        folders = sorted({script.parent.name for script in SCRIPTS})
        assert [folder[:2] for folder in folders] == [f"{number:02}" for number in range(1, len(folders) + 1)]
        assert {script.stem for script in SCRIPTS} <= {*KINDS}
        assert {*SAID, TALKS, CLUSTER} == {*folders}
        for folder in folders:
            assert f"| {folder[:2]} |" in index
            kind = "sync" if (EXAMPLES / folder / "sync.py").is_file() else "async"
            assert f"`sdk/examples/{folder}/{kind}.py`" in index

    @pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
    def test_only_public_names_are_used(self, script: Path) -> None:
        tree = ast.parse(script.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                assert not re.match("_[^_]", node.attr), node.attr
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("codex_app_server"):
                assert re.fullmatch(r"codex_app_server(\.generated|\.testing|\.integrations\.\w+)?", node.module or "")
                if node.module == "codex_app_server":
                    assert {alias.name for alias in node.names} <= set(codex_app_server.__all__)

    @pytest.mark.slow
    def test_types_are_right(self, tmp_path: Path) -> None:
        """Mypy cannot take them as they lie, for their names are no module's."""
        named = [(script, tmp_path / f"example_{script.parent.name}_{script.stem}.py") for script in SCRIPTS]
        for script, copy in named:
            copy.write_bytes(script.read_bytes())
        finished(
            sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", *(copy for _, copy in named),
            cwd=ROOT, env={"MYPYPATH": str(tmp_path)},
        )  # fmt: skip


class TestNotebook:
    def test_it_runs_from_anywhere_and_shows_what_is_stored(self, python: Path, elsewhere: Path) -> None:
        finished(python, SDK / "notebooks" / "refresh.py", "--check", cwd=elsewhere)

    @pytest.mark.slow
    def test_what_is_stored_has_run_in_order_and_without_errors(self) -> None:
        import nbformat  # which compiles two seconds of grammars, in every worker if it stood above

        notebook = nbformat.read(NOTEBOOK, as_version=4)
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
        assert not [out for cell in code for out in cell.outputs if out.output_type == "error"]

    def test_a_notebook_far_from_its_checkout_says_so(self, tmp_path: Path) -> None:
        cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
        source = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        (tmp_path / "cell.py").write_text(source, encoding="utf-8")
        ran = run(environment(tmp_path / "env"), tmp_path / "cell.py", cwd=tmp_path, env={"JPY_SESSION_NAME": ""})
        assert "open this notebook from within the checkout" in ran.stderr
