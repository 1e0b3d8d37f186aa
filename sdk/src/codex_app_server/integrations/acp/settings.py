"""What an editor's person may choose for a session: how much Codex may do, which model, and how long it thinks.

Pure: it keeps what was chosen and says what the next turn is given for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from acp import schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from codex_app_server.generated import Model

    Servers: TypeAlias = (
        Sequence[schema.HttpMcpServer | schema.SseMcpServer | schema.AcpMcpServer | schema.McpServerStdio] | None
    )

__all__ = ["MODES", "SETTINGS", "Settings", "offered", "servers_of"]

SETTINGS = "default"
"""The mode that is what Codex's own settings say, or what a stored thread has that is in none of the others."""

_MODES = {
    SETTINGS: ("Codex's settings", "What the configuration says of sandbox and approvals."),
    "read-only": ("Read only", "Reads; asks before it changes a file or uses the network."),
    "auto": ("Auto", "Reads, edits and runs commands in the workspace; asks before it leaves it."),
    "full-access": ("Full access", "Does everything without asking."),
}
_AS_IT_WAS = ("As it was", "What this thread has had of sandbox and approvals.")
_POLICIES: dict[str, dict[str, Any]] = {
    "read-only": {"approval_policy": "on-request", "sandbox_policy": {"type": "readOnly"}},
    "auto": {"approval_policy": "on-request", "sandbox_policy": {"type": "workspaceWrite"}},
    "full-access": {"approval_policy": "never", "sandbox_policy": {"type": "dangerFullAccess"}},
}
MODES = (*_POLICIES,)
"""The modes that may be offered beside it."""


class Settings:
    """Those of one session.

    Args:
        known: what the runtime said of the thread when it was opened.
        models: those that may be chosen.
        is_new: whether the thread has been begun just now: a stored one keeps what it may do.
        modes: those that are offered; a stored thread that is in another one goes on in the first of them.
    """

    def __init__(
        self, known: Mapping[str, Any], models: Sequence[Model], *, is_new: bool, modes: Sequence[str] = MODES
    ) -> None:
        mode = None if is_new else _mode_of(known)
        self._mode = mode or SETTINGS
        # What has a mode of its own from before does not say any more what the configuration was.
        kept = {SETTINGS, *modes} if mode is None else {*modes}
        modes_now = _MODES if is_new else {**_MODES, SETTINGS: _AS_IT_WAS}
        self._modes = {key: said for key, said in modes_now.items() if key in kept}
        self._models = models
        self._configured = {
            "approval_policy": known.get("approvalPolicy"),
            "sandbox_policy": known.get("sandbox"),
        }
        self._model = str(known.get("model") or "")
        self._effort = str(known.get("reasoningEffort") or "")
        self._changed: dict[str, Any] = {}
        if self._mode not in self._modes:
            self.choose_mode(modes[0])

    def turn_options(self) -> dict[str, Any]:
        """What the next turn is given; a thread keeps it, so a change is told once."""
        return {**self._changed}

    def are_told(self, told: Mapping[str, Any]) -> None:
        """A turn has begun with these options; what was chosen since is still to be told."""
        for name, value in told.items():
            if self._changed.get(name) is value:
                del self._changed[name]

    def choose_mode(self, mode: str) -> None:
        """Take another mode.

        Raises:
            ValueError: if there is none of this name.
        """
        if mode not in self._modes:
            raise ValueError(f"there is no mode {mode}: {', '.join(self._modes)}")
        self._mode = mode
        self._changed.update(_POLICIES.get(mode, self._configured))

    def choose(self, option: str, value: object) -> None:
        """Choose another value of an option.

        Raises:
            ValueError: if there is no such option, or no such value.
        """
        choices = {each.id: [choice.value for choice in each.options] for each in self._selects()}
        if value not in choices.get(option, []):
            raise ValueError(f"{option} cannot be {value}: {', '.join(choices.get(option, [])) or 'unknown'}")
        self._changed[option] = value
        if option == "effort":
            self._effort = str(value)
            return
        self._model = str(value)
        if (model := self._chosen()) is not None:
            self._effort = model.default_reasoning_effort
            self._changed["effort"] = self._effort

    def modes(self) -> schema.SessionModeState:
        """The modes, and which it is in."""
        modes = [schema.SessionMode(id=key, name=name, description=said) for key, (name, said) in self._modes.items()]
        return schema.SessionModeState(current_mode_id=self._mode, available_modes=modes)

    def config_options(self) -> list[schema.SessionConfigOptionSelect | schema.SessionConfigOptionBoolean]:
        """The options, each with what may be chosen."""
        return [*self._selects()]

    def _selects(self) -> list[schema.SessionConfigOptionSelect]:
        models = [_choice(each.id, each.display_name, each.description) for each in self._models]
        if self._chosen() is None and self._model:
            models.insert(0, _choice(self._model, self._model))
        selects = [_select("model", "Model", self._model, models)] if models else []
        if (model := self._chosen()) is not None:
            efforts = [
                _choice(each.reasoning_effort, each.reasoning_effort, each.description)
                for each in model.supported_reasoning_efforts
            ]
            current = self._effort or model.default_reasoning_effort
            selects.append(_select("effort", "Reasoning effort", current, efforts))
        return selects

    def _chosen(self) -> Model | None:
        return next((each for each in self._models if each.id == self._model), None)


def _mode_of(known: Mapping[str, Any]) -> str | None:
    """Which of the modes a thread is in, if one; without a sandbox it is in no other, whoever is asked."""
    sandbox = known.get("sandbox")
    kind = sandbox.get("type") if isinstance(sandbox, dict) else sandbox
    for mode, policy in _POLICIES.items():
        same = known.get("approvalPolicy") == policy["approval_policy"] or kind == "dangerFullAccess"
        if kind == policy["sandbox_policy"]["type"] and same:
            return mode
    return None


def offered(modes: Sequence[str]) -> Sequence[str]:
    """The same modes.

    Raises:
        ValueError: if there are none, or none of such a name.
    """
    unknown = [each for each in modes if each not in MODES]
    if unknown or not modes:
        raise ValueError(f"modes must be some of {', '.join(MODES)}, not {', '.join(unknown) or 'none'}")
    return modes


def servers_of(servers: Servers) -> dict[str, Any]:
    """The editor's MCP servers, as settings of a thread.

    Raises:
        ValueError: if one speaks a transport that Codex does not.
    """
    found: dict[str, Any] = {}
    for server in servers or []:
        if isinstance(server, schema.SseMcpServer | schema.AcpMcpServer):
            name = f"the MCP server {server.name}"
            raise ValueError(f"{name} is neither a command nor an HTTP server")  # noqa: TRY004 - it is of a known type
        if isinstance(server, schema.McpServerStdio):
            environment = {each.name: each.value for each in server.env}
            found[server.name] = {"command": server.command, "args": server.args, "env": environment}
        else:
            found[server.name] = {"url": server.url, "http_headers": {each.name: each.value for each in server.headers}}
    return {"mcp_servers": found} if found else {}


def _select(
    option: str, name: str, value: str, choices: list[schema.SessionConfigSelectOption]
) -> schema.SessionConfigOptionSelect:
    category: Any = "model" if option == "model" else "thought_level"
    return schema.SessionConfigOptionSelect(
        id=option, name=name, type="select", category=category, current_value=value, options=choices
    )


def _choice(value: str, name: str, said: str | None = None) -> schema.SessionConfigSelectOption:
    return schema.SessionConfigSelectOption(value=str(value), name=str(name), description=said)
