"""How the runtime is started and spoken to: one frozen value, resolved before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from codex_app_server.handlers import Handlers

__all__ = ["AppServerConfig"]


@dataclass(frozen=True, kw_only=True)
class AppServerConfig:
    """The options of a client.

    Attributes:
        codex_bin: the Codex executable to run; without it, the one of the installed package ``codex-cli-bin``.
        launch_args_override: the whole command line to run instead, program first (looked up like any command);
            `codex_bin` and `config_overrides` then have no say. What it starts must speak the protocol on stdio.
        config_overrides: settings that win over Codex's own ``config.toml``, each ``key=value`` with the value in TOML,
            e.g. ``model="gpt-5"``; passed on as ``--config key=value``.
        cwd: the working directory of the runtime; without it, the current one.
        env: variables added to the inherited environment, e.g. ``{"CODEX_HOME": "..."}``; one that is None is taken
            out of it. Not shown by `repr`: this is where keys travel.
        client_name: who the client says it is; the runtime carries it in its user agent, so it must be a valid HTTP
            header value.
        client_title: the client's name for people.
        client_version: the client's version; without it, the version of this package.
        experimental_api: whether methods and fields that Codex marks as experimental may be used.
        handlers: the functions that answer the runtime's questions, approvals for one; without them all are declined.
        max_buffered_events: how many events of one turn may wait to be read, before its consumer gets an error.
        max_buffered_bytes: how many bytes they may have.
        max_line_bytes: how long a message of the runtime may be, in bytes; a longer one ends the connection.
        startup_timeout_s: how long starting may take, up to the answer to ``initialize``, in seconds.
        request_timeout_s: how long a request may wait for its answer, in seconds; None is without limit.

    Raises:
        TypeError: if a list of strings is given as one string.
        ValueError: if an override is no ``key=value``, or `launch_args_override` is empty.
    """

    codex_bin: str | os.PathLike[str] | None = None
    launch_args_override: Sequence[str] | None = None
    config_overrides: Sequence[str] = ()
    cwd: str | os.PathLike[str] | None = None
    env: Mapping[str, str | None] | None = field(default=None, repr=False)
    client_name: str = "codex_app_server_sdk"
    client_title: str = "Codex app-server Python SDK"
    client_version: str | None = None
    experimental_api: bool = False
    handlers: Handlers | None = None
    max_buffered_events: int = 100_000
    max_buffered_bytes: int = 64 << 20
    max_line_bytes: int = 256 << 20
    startup_timeout_s: float = 30.0
    request_timeout_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse what could only fail later, with a message about something else."""
        for name in ("launch_args_override", "config_overrides"):
            # A string is a sequence of strings, so no type checker sees this mistake.
            if isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a sequence of strings, not one string")
        for override in self.config_overrides:
            if "=" not in override:
                raise ValueError(f"config_overrides: {override!r} is not of the form key=value")
        if self.launch_args_override is not None and not self.launch_args_override:
            raise ValueError("launch_args_override is empty: it must at least name a program")
