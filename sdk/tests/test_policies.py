"""Policies on the real binary: which rule decides, what it is shown, and that nothing is granted by itself."""

from __future__ import annotations

import logging
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import (
    ApprovalRequest,
    AppServerConfig,
    CommandApproval,
    FileChangeApproval,
    Handlers,
    McpToolApproval,
    PermissionsApproval,
    allow_commands,
    allow_mcp_tools,
    allow_paths,
    approve_all,
    ask_on_terminal,
    decline_all,
    for_session,
    read_only,
)
from codex_app_server.approvals.requests import changes_of, request_of
from codex_app_server.protocol.messages import ServerRequest
from codex_app_server.testing import TOOL_MODES, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.protocol.messages import JsonValue
    from codex_app_server.testing import ModelServer

    Play = Callable[..., None]

PATCH = """*** Begin Patch
*** Add File: made
+hello
+there
*** Update File: old
@@
-before
+after
*** Delete File: gone
*** End Patch
"""
WISH = {"reason": "To look it up.", "permissions": {"network": {"enabled": True}}}
FEATURES = ("features.request_permissions_tool=true",)


def command(line: str, **more: object) -> ToolCall:
    return ToolCall("exec_command", {"cmd": line, **more})


def patch(text: str) -> ToolCall:
    return command(f"apply_patch <<'EOF'\n{text}EOF\n")


async def run(codex: Any, directory: Path, policy: str = "untrusted", sandbox: str = "workspace-write") -> Any:
    thread = await codex.thread_start(cwd=directory, approval_policy=policy, sandbox=sandbox)
    return await thread.run("go", timeout=50)


def statuses(result: Any) -> list[str]:
    return [item.status.value for item in result.items if item.type in {"commandExecution", "fileChange"}]


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_the_first_rule_that_decides_does(play: Play, tmp_path: Path, mode: str) -> None:
    asked: list[str] = []

    def no_touching(request: ApprovalRequest) -> bool | None:
        assert isinstance(request, CommandApproval)
        assert request.parts is not None
        asked.append(request.parts[0][0])
        return False if request.parts[0][0] == "touch" else None

    async def rest(request: ApprovalRequest) -> str:
        assert isinstance(request, CommandApproval)
        return "accept" if request.command.endswith("'mkdir two'") else "decline"

    async def scene(codex: Any, model: ModelServer) -> None:
        assert statuses(await run(codex, tmp_path)) == ["completed", "declined", "completed", "declined"]
        assert asked == ["touch", "mkdir", "mkdir"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]

    rules = [allow_commands("mkdir one"), no_touching, rest, approve_all]
    lines = ("mkdir one", "touch x", "mkdir two", "mkdir three")
    play(scene, *map(command, lines), approvals=rules, mode=mode)


def test_a_line_with_more_in_it_is_not_allowed(play: Play, tmp_path: Path) -> None:
    lines = ["mkdir one; mkdir two", "mkdir one && $(mkdir two)", "mkdir one > two", "X=1 mkdir one"]

    async def scene(codex: Any, model: ModelServer) -> None:
        assert statuses(await run(codex, tmp_path)) == ["declined"] * len(lines)
        assert not list(tmp_path.iterdir())

    play(scene, *map(command, lines), approvals=[allow_commands("mkdir one"), read_only])


def test_a_shell_of_the_models_own_is_none(play: Play, tmp_path: Path) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        assert "completed" not in statuses(await run(codex, tmp_path))
        assert not (tmp_path / "made").exists()

    evil = tmp_path / "bash"
    evil.write_text("#!/bin/sh\ntouch made\n")
    evil.chmod(0o755)
    play(scene, command("git status", shell=str(evil)), approvals=[allow_commands("git status")])


@pytest.mark.parametrize("mode", TOOL_MODES)
def test_a_change_of_files_is_shown_with_its_diff(play: Play, tmp_path: Path, mode: str) -> None:
    shown: list[FileChangeApproval] = []

    def look(request: ApprovalRequest) -> None:
        assert isinstance(request, FileChangeApproval)
        shown.append(request)

    async def scene(codex: Any, model: ModelServer) -> None:
        assert statuses(await run(codex, tmp_path, sandbox="read-only")) == ["completed"]
        (request,) = shown
        found = {Path(change.path).name: change for change in request.changes}
        assert {name: change.kind for name, change in found.items()} == {
            "made": "add",
            "old": "update",
            "gone": "delete",
        }
        assert found["made"].diff == f"--- /dev/null\n+++ {tmp_path / 'made'}\n@@ -0,0 +1,2 @@\n+hello\n+there\n"
        old = tmp_path / "old"
        assert found["old"].diff == f"--- {old}\n+++ {old}\n@@ -1 +1 @@\n-before\n+after\n"
        assert found["gone"].diff == f"--- {tmp_path / 'gone'}\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-away\n"
        assert all(change.diff in request.diff for change in request.changes)
        assert old.read_text() == "after\n"

    (tmp_path / "old").write_text("before\n")
    (tmp_path / "gone").write_text("away\n")
    play(scene, patch(PATCH), approvals=[look, allow_paths(tmp_path)], mode=mode)


def test_files_elsewhere_are_not_allowed(play: Play, tmp_path: Path) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        assert "completed" not in statuses(await run(codex, tmp_path, sandbox="read-only"))
        assert not list((tmp_path / "else").iterdir())
        assert not (tmp_path / "x").exists()

    inside, outside = tmp_path / "in", tmp_path / "else"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    both = "*** Begin Patch\n*** Add File: in/made\n+x\n*** Add File: x\n+x\n*** End Patch\n"
    linked = "*** Begin Patch\n*** Add File: in/link/made\n+x\n*** End Patch\n"
    play(scene, patch(both), patch(linked), approvals=[allow_paths(inside)])


def test_permissions_are_granted_by_who_says_so(play: Play, tmp_path: Path) -> None:
    def network(request: ApprovalRequest) -> bool | None:
        if isinstance(request, PermissionsApproval):
            assert request.reason == "To look it up."
            return request.permissions == {"network": {"enabled": True}, "fileSystem": None}
        return None

    async def scene(codex: Any, model: ModelServer) -> None:
        await run(codex, tmp_path, "on-request")
        told = [str(output) for output in model.requests[-1].tool_outputs.values()]
        assert '"enabled":true' in told[0]
        assert '"scope":"session"' in told[0]

    rules = [read_only, allow_commands("*"), for_session(network)]
    play(scene, ToolCall("request_permissions", WISH), config_overrides=FEATURES, approvals=rules)


def test_tools_of_mcp_servers_are_allowed_by_name(play: Play, tmp_path: Path) -> None:
    seen: list[str] = []

    def look(request: ApprovalRequest) -> None:
        assert isinstance(request, McpToolApproval)
        assert request.arguments == {"path": "x"}
        seen.append(f"{request.server}/{request.tool}")

    async def scene(codex: Any, model: ModelServer) -> None:
        await run(codex, tmp_path)
        told = [str(output) for output in model.requests[-1].tool_outputs.values()]
        assert ["done" in each for each in told] == [True, True, False]
        assert seen == ["files/read_file", "files/write_file"]  # the second reading was not asked again

    server = Path(__file__).with_name("mcp_files.py")
    settings = (f"mcp_servers.files.command={str(sys.executable)!r}", f"mcp_servers.files.args=[{str(server)!r}]")
    calls = [ToolCall(name, {"path": "x"}, "mcp__files") for name in ("read_file", "read_file", "write_file")]
    rules = [look, for_session(allow_mcp_tools("files/read_*", "other/*"))]
    play(scene, *calls, config_overrides=settings, approvals=rules)


@pytest.mark.parametrize("rule", ["raises", "nonsense", "async"])
def test_a_rule_that_fails_declines(play: Play, tmp_path: Path, rule: str, caplog: pytest.LogCaptureFixture) -> None:
    def raises(request: ApprovalRequest) -> bool:
        raise StopIteration("oh")

    def nonsense(request: ApprovalRequest) -> Any:
        return "acceptWithExecpolicyAmendment"

    async def later(request: ApprovalRequest) -> bool:
        raise SystemExit(1)

    async def scene(codex: Any, model: ModelServer) -> None:
        assert statuses(await run(codex, tmp_path)) == ["declined"]
        assert "declined" in caplog.text
        assert {"raises": "raises", "nonsense": "nonsense", "async": "later"}[rule] in caplog.text

    rules = {"raises": raises, "nonsense": nonsense, "async": later}
    with caplog.at_level(logging.ERROR, "codex_app_server"):
        play(scene, command("mkdir x"), approvals=[rules[rule], approve_all])


def test_what_no_rule_decides_is_left_to_the_handler(play: Play, tmp_path: Path) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        assert statuses(await run(codex, tmp_path)) == ["declined", "completed"]
        codex.handlers = Handlers()

    handlers = Handlers(command_approval=lambda request: "y" in (request.command or ""))
    calls = command("mkdir x"), command("mkdir y")
    play(scene, *calls, handlers=handlers, approvals=[allow_commands("mkdir z")])


def test_without_a_terminal_nobody_is_asked(play: Play, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def scene(codex: Any, model: ModelServer) -> None:
        assert statuses(await run(codex, tmp_path)) == ["declined"]

    play(scene, command("mkdir x"), approvals=[ask_on_terminal])
    assert "declined, for this is no terminal and nobody can be asked: to run a command" in capfd.readouterr().err


class TestPaths:
    def asked(self, *paths: Path | str, **params: JsonValue) -> FileChangeApproval:
        changes: Any = [{"path": str(path), "kind": {"type": "add"}, "diff": ""} for path in paths]
        said: dict[str, Any] = {"threadId": "t", "turnId": "u", "itemId": "i", **params}
        request = request_of(ServerRequest(1, "item/fileChange/requestApproval", said), changes)
        assert isinstance(request, FileChangeApproval)
        return request

    def test_directories_and_files(self, tmp_path: Path) -> None:
        rule = allow_paths(tmp_path / "src", tmp_path / "a.txt")
        assert rule(self.asked(tmp_path / "src" / "x" / "y", tmp_path / "a.txt")) == "accept"
        assert rule(self.asked(tmp_path / "src" / ".." / "src" / "y")) == "accept"
        for path in ("srcx/y", "a.txt.bak", "src/../b", ".", "b"):
            assert rule(self.asked(tmp_path / "src" / "x", f"{tmp_path}/{path}")) is None

    def test_what_is_not_known_or_more_is_left_to_others(self, tmp_path: Path) -> None:
        rule = allow_paths(tmp_path)
        assert rule(self.asked()) is None
        assert rule(self.asked("x")) is None
        assert rule(self.asked(tmp_path / "x", grantRoot=str(tmp_path))) is None
        moved = changes_of(
            [{"path": str(tmp_path / "x"), "kind": {"type": "update", "move_path": "/etc/x"}, "diff": ""}]
        )
        assert rule(FileChangeApproval(thread_id="t", changes=moved)) is None

    def test_a_move_to_what_cannot_be_read_makes_all_changes_unknown(self, tmp_path: Path) -> None:
        known: JsonValue = {"path": str(tmp_path / "x"), "kind": {"type": "add"}, "diff": ""}
        kind: JsonValue = {"type": "update", "move_path": {"to": "/etc/x"}}
        rule = allow_paths(tmp_path)
        assert rule(FileChangeApproval(thread_id="t", changes=changes_of([known]))) == "accept"
        odd: list[JsonValue] = [{"path": str(tmp_path / "y"), "kind": kind}, {"path": ["x"]}, 5]
        for each in odd:
            assert rule(FileChangeApproval(thread_id="t", changes=changes_of([known, each]))) is None

    def test_a_root_that_cannot_be_read_is_asked_for_all_the_same(self, tmp_path: Path) -> None:
        assert allow_paths(tmp_path)(self.asked(tmp_path / "x", grantRoot={"path": str(tmp_path)})) is None

    @pytest.mark.parametrize("guarded", [".git/hooks/pre-commit", ".GIT/config", "sub/.codex/config.toml", ".agents/x"])
    def test_files_that_are_run_or_tell_agents_what_to_do_are_not_meant(self, tmp_path: Path, guarded: str) -> None:
        assert allow_paths(tmp_path)(self.asked(tmp_path / guarded)) is None
        assert allow_paths((tmp_path / guarded).parent)(self.asked(tmp_path / guarded)) == "accept"

    @pytest.mark.parametrize("name", [".git.", ".codex ", ".codex . .", ".git::$INDEX_ALLOCATION"])
    def test_nor_is_what_windows_takes_for_one_of_these(self, tmp_path: Path, name: str) -> None:
        assert allow_paths(tmp_path)(self.asked(tmp_path / name / "config")) is None

    @pytest.mark.parametrize("name", [".g\u200cit", ".GIT\u2060", ".agent\u017f"])
    def test_nor_is_what_file_systems_without_case_take_for_one_of_these(self, tmp_path: Path, name: str) -> None:
        assert allow_paths(tmp_path)(self.asked(tmp_path / name / "config")) is None

    @pytest.mark.parametrize(
        ("kind", "is_accepted"),
        [
            ({"type": "update"}, True),
            ({"type": "delete"}, False),
            ({"type": "erase"}, False),
            ({"type": "update", "move_path": "b"}, False),
        ],
    )
    def test_where_a_name_goes_it_is_that_of_the_link(
        self, tmp_path: Path, kind: dict[str, JsonValue], is_accepted: bool
    ) -> None:
        inside = tmp_path / "in"
        inside.mkdir()
        (inside / "a").touch()
        (tmp_path / "link").symlink_to(inside / "a")
        (tmp_path / "same").symlink_to(inside)
        if "move_path" in kind:
            kind = {**kind, "move_path": str(inside / "b")}

        def decided(path: str) -> object:
            changes = changes_of([{"path": f"{tmp_path}/{path}", "kind": kind, "diff": ""}])
            return allow_paths(inside)(FileChangeApproval(thread_id="t", changes=changes))

        assert decided("link") == decided("link/.") == ("accept" if is_accepted else None)
        assert decided("in/a") == decided("same/a") == "accept"


class TestMistakes:
    def test_an_empty_path_is_not_the_current_directory(self) -> None:
        with pytest.raises(ValueError, match="a path is empty"):
            allow_paths("src", "")
        with pytest.raises(TypeError, match="takes paths"):
            allow_paths(b"src")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="takes paths"):
            allow_paths(["src"])  # type: ignore[arg-type]

    @pytest.mark.parametrize("make", [allow_commands, allow_paths, allow_mcp_tools])
    def test_a_rule_names_what_it_allows(self, make: Callable[[], object]) -> None:
        with pytest.raises(ValueError, match="allows nothing"):
            make()

    @pytest.mark.parametrize("tool", ["find", "/find", "search/"])
    def test_a_tool_is_named_with_its_server(self, tool: str) -> None:
        with pytest.raises(ValueError, match="search/find"):
            allow_mcp_tools(tool)

    def test_rules_are_functions(self) -> None:
        with pytest.raises(TypeError, match="must be a function that takes the request"):
            AppServerConfig(approvals=["git status"])  # type: ignore[list-item]
        with pytest.raises(TypeError, match="approvals must be"):
            AppServerConfig(approvals=approve_all)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="for_session: the rule 'git status' must be a function"):
            for_session("git status")  # type: ignore[arg-type]

    @pytest.mark.parametrize("rule", [lambda: True, lambda request, more: True])
    def test_a_rule_takes_the_request_alone(self, rule: Any) -> None:
        with pytest.raises(TypeError, match="is called with one argument, the request"):
            AppServerConfig(approvals=[rule])
        with pytest.raises(TypeError, match="is called with one argument, the request"):
            for_session(rule)

    @pytest.mark.parametrize("make", [allow_commands, allow_paths, allow_mcp_tools, for_session])
    def test_what_makes_a_rule_is_none(self, make: Any) -> None:
        with pytest.raises(TypeError, match=rf"{make.__name__} makes one when it is called: {make.__name__}\(...\)"):
            AppServerConfig(approvals=[make])

    @pytest.mark.parametrize("cls", [bool, int, str])
    def test_a_class_is_no_rule(self, cls: Any) -> None:
        with pytest.raises(TypeError, match=f"{cls.__name__} is a class"):
            AppServerConfig(approvals=[cls])
        with pytest.raises(TypeError, match=f"not the class {cls.__name__}"):
            Handlers(command_approval=cls)

    def test_rules_of_ours_go_into_other_processes(self, tmp_path: Path) -> None:
        rules = [read_only, allow_commands("mkdir x"), allow_paths(tmp_path), for_session(allow_mcp_tools("a/*"))]
        sent = pickle.loads(pickle.dumps([*rules, approve_all, decline_all, ask_on_terminal]))
        assert str(sent[:4]) == str(rules)
        asked = CommandApproval(thread_id="t", command="bash -lc 'mkdir x'")
        assert [rule(asked) for rule in sent[:6]] == [None, "accept", None, None, "accept", "decline"]

    def test_rules_are_shown_as_they_are_written(self) -> None:
        rules = [read_only, for_session(allow_mcp_tools("a/b")), decline_all, ask_on_terminal]
        assert str(rules) == "[read_only, for_session(allow_mcp_tools('a/b')), decline_all, ask_on_terminal]"
