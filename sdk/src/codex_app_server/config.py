"""How the runtime is started and spoken to: one frozen value, resolved before anything runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codex_app_server.handlers import Handlers
from codex_app_server.secrecy import hidden, is_secret
from codex_app_server.suggesting import checked, suggesting
from codex_app_server.timeouts import seconds

if TYPE_CHECKING:
    import ssl

    from codex_app_server.approvals.rules import ApprovalRule
    from codex_app_server.limits import Limits
    from codex_app_server.observers import Observers
    from codex_app_server.telemetry import Telemetry

__all__ = ["AppServerConfig", "config_of"]


@dataclass(frozen=True, kw_only=True)
class AppServerConfig:
    """The options of a client.

    Attributes:
        codex_bin: the Codex executable to run; without it, the one of the installed package ``codex-cli-bin``.
        launch_args_override: the whole command line to run instead, program first (looked up like any command);
            `codex_bin` and `config_overrides` are not used then. What it starts must speak the protocol on stdio.
        api_key: a key for the model's API. The runtime gets it over its stdin and keeps it in memory: it is in no
            environment, command line or file, and a login that is stored there stays. Not shown by `repr`.
        base_url: the address of the model's API, if it is not OpenAI's. It needs an `api_key`, because otherwise the
            stored login would be sent there.
        codex_home: the directory of settings, logins and threads; without it, ``CODEX_HOME`` or ``~/.codex``.
        config: settings that override those in ``config.toml``, under the same keys, with mappings for tables, e.g.
            ``{"model": "gpt-5", "tools": {"web_search": True}}``; a table is merged with the one in the file.
        features: features of Codex to turn on or off, by name.
        strict: whether a key that the runtime does not know, or a ``config.toml`` that it cannot read, is an error;
            otherwise it ignores them.
        config_overrides: like `config`, as strings ``key=value`` with the value in TOML, e.g. ``model="gpt-5"``. They
            are passed on as ``--config key=value``, and override `config`.
        cwd: the working directory of the runtime; without it, the current one.
        env: variables added to the inherited environment, e.g. ``{"EXAMPLE_TOKEN": "..."}``; None removes one. Not
            shown by `repr`, because there may be keys in it.
        inherit_env: whether the runtime gets this process's environment; or the names of the variables that it gets.
            With `False` it gets only `env`, and what the system cannot do without.
        client_name: who the client says it is; the runtime carries it in its user agent, so it must be a valid HTTP
            header value.
        client_title: the client's name for people.
        client_version: the client's version; without it, the version of this package.
        experimental_api: whether methods and fields that Codex marks as experimental may be used.
        handlers: the functions that answer the runtime's questions, such as approvals; what has none is declined.
        approvals: rules that decide what Codex may do, asked in order until one decides, e.g.
            ``[allow_commands("git status"), ask_on_terminal]``: those of `approvals.rules`, and functions of yours.
            What none decides is left to the function of `handlers` for it.
        observers: functions that are shown everything the runtime sends, and change nothing.
        telemetry: where measurements go, as `integrations.otel.OpenTelemetry`.
        limits: how much all turns together may take; beyond that they are interrupted, and further ones refused.
        max_buffered_events: how many events of one turn may wait to be read; for more, whoever reads it gets an
            `EventOverflowError`.
        max_buffered_bytes: how many bytes these may have together.
        max_line_bytes: how long a message of the runtime may be, in bytes; a longer one ends the connection.
        url: the address of an app-server that runs already: ``ws://HOST:PORT``, ``wss://HOST:PORT`` or
            ``unix:///PATH``. Then nothing is started, and `close` only ends the connection. Needs the extra ``ws``.
            Options of a runtime that is started are refused beside it.
        token: the bearer token for that server; or a function that returns it, which is called for each connection, so
            that it may be a new one. Not shown by `repr`.
        ssl_context: how TLS is spoken with ``wss://``; without it, as the standard library does by default.
        reconnect_timeout_s: for how long the client tries to make a broken connection to `url` again, in seconds; with
            0 it does not try.
        startup_timeout_s: how long starting may take, up to the answer to ``initialize``, in seconds.
        request_timeout_s: how long a request may wait for its answer, in seconds; None is without limit.

    Raises:
        TypeError: if an option is of another type, or a list of strings is given as one string.
        ValueError: if a number is out of range, a variable of `env` cannot be set, an override is no ``key=value``,
            `launch_args_override` is empty, or given together with what it has no place for, or `config`,
            `config_overrides` or `base_url` has in it what looks like a secret; or `url` is none, or given together
            with what is said to a runtime that is started.
    """

    codex_bin: str | os.PathLike[str] | None = None
    launch_args_override: Sequence[str] | None = None
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    codex_home: str | os.PathLike[str] | None = None
    config: Mapping[str, object] | None = None
    features: Mapping[str, bool] | None = None
    strict: bool = False
    config_overrides: Sequence[str] = ()
    cwd: str | os.PathLike[str] | None = None
    env: Mapping[str, str | None] | None = field(default=None, repr=False)
    inherit_env: bool | Sequence[str] = True
    client_name: str = "codex_app_server_sdk"
    client_title: str = "Codex app-server Python SDK"
    client_version: str | None = None
    experimental_api: bool = False
    handlers: Handlers | None = None
    approvals: Sequence[ApprovalRule] = ()
    observers: Observers | None = None
    limits: Limits | None = None
    telemetry: Telemetry | None = None
    max_buffered_events: int = 100_000
    max_buffered_bytes: int = 64 << 20
    max_line_bytes: int = 256 << 20
    url: str | None = None
    token: str | Callable[[], str] | None = field(default=None, repr=False)
    ssl_context: ssl.SSLContext | None = None
    reconnect_timeout_s: float = 60.0
    startup_timeout_s: float = 30.0
    request_timeout_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse what could only fail later, with a message about something else."""
        for name, kinds in _KINDS.items():
            if not isinstance(value := getattr(self, name), kinds):
                shown = type(value).__name__ if name in _MAY_BE_SECRET else hidden(repr(value))
                raise TypeError(f"{name} must be {' or '.join(_spelled(kind) for kind in kinds)}, not {shown}")
        for name in ("launch_args_override", "config_overrides", "inherit_env"):
            _check_words(name, getattr(self, name))
        _check_overrides(self.config_overrides)
        if self.launch_args_override is not None and not self.launch_args_override:
            raise ValueError("launch_args_override is empty: it must at least name a program")
        self._check_remote()
        self._check_model()
        self.overrides()
        _check_rules(self.approvals)
        _check_watching(self.observers, self.limits)
        telemetry = self.telemetry
        if telemetry is not None and (isinstance(telemetry, type) or not callable(getattr(telemetry, "tracing", None))):
            raise TypeError(f"telemetry must be as OpenTelemetry(), not {self.telemetry!r}")
        _check_variables(self.env or {})
        for name in ("max_buffered_events", "max_buffered_bytes", "max_line_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("reconnect_timeout_s", "startup_timeout_s", "request_timeout_s"):
            object.__setattr__(self, name, seconds(getattr(self, name), name))

    def _check_remote(self) -> None:
        if self.url is not None:
            from codex_app_server.remote.address import Address

            address = Address.read(self.url)
            if not (address.path or address.port):
                raise ValueError(f"url: {self.url} has port 0, which nobody listens at")
            for name in _FOR_A_CHILD:
                if getattr(self, name) != getattr(AppServerConfig, name):
                    raise ValueError(f"{name} is for a runtime that is started, and {self.url} runs already")
            if self.ssl_context is not None and not address.is_secure:
                raise ValueError(f"ssl_context is for wss://, and url is {self.url}")
        elif self.token is not None or self.ssl_context is not None:
            raise ValueError("token and ssl_context are for the app-server at `url`, and there is no url")

    def _check_model(self) -> None:
        for name in ("api_key", "base_url", "config", "features", "strict"):
            if getattr(self, name) and self.launch_args_override is not None:
                raise ValueError(f"launch_args_override is the whole command line, which has no place for {name}")
        if self.api_key == "":
            raise ValueError("api_key is empty")
        if self.base_url is not None and self.api_key is None:
            raise ValueError("base_url needs an api_key: the person's own login would be sent there otherwise")
        if self.base_url is not None and is_secret(self.base_url):
            raise ValueError("base_url has a secret in it, and everybody on this machine can read a command line")
        for name, on in (self.features or {}).items():
            if not isinstance(on, bool):
                raise TypeError(f"features: {hidden(str(name))} is True or False, not {type(on).__name__}")

    def overrides(self) -> Sequence[str]:
        """All settings that go onto the runtime's command line, each ``key=value``; the last one of a key wins."""
        if self.api_key is None and not self.config and not self.features:
            return self.config_overrides
        from codex_app_server.overrides import as_overrides

        settings: dict[str, object] = {}
        if self.api_key is not None:
            # So that it is not written into the home, and no other provider is asked.
            settings = {"cli_auth_credentials_store": "ephemeral", "model_provider": "openai"}
        if self.base_url is not None:
            settings["openai_base_url"] = self.base_url
        if self.features:
            settings["features"] = self.features
        return [*as_overrides(settings), *as_overrides(self.config or {}), *self.config_overrides]


_FOR_A_CHILD = (
    "codex_bin",
    "launch_args_override",
    "api_key",
    "base_url",
    "codex_home",
    "config",
    "features",
    "strict",
    "config_overrides",
    "cwd",
    "env",
    "inherit_env",
)
_MAY_BE_SECRET = {
    "token",
    "api_key",
    "env",
    "inherit_env",
    "config",
    "config_overrides",
    "features",
    "launch_args_override",
}
_NONE = type(None)
_KINDS: dict[str, tuple[type, ...]] = {
    "codex_bin": (str, os.PathLike, _NONE),
    "launch_args_override": (Sequence, _NONE),
    "api_key": (str, _NONE),
    "base_url": (str, _NONE),
    "codex_home": (str, os.PathLike, _NONE),
    "config": (Mapping, _NONE),
    "features": (Mapping, _NONE),
    "strict": (bool,),
    "config_overrides": (Sequence,),
    "inherit_env": (bool, Sequence),
    "cwd": (str, os.PathLike, _NONE),
    "env": (Mapping, _NONE),
    "client_name": (str,),
    "client_title": (str,),
    "client_version": (str, _NONE),
    "experimental_api": (bool,),
    "handlers": (Handlers, _NONE),
    "max_buffered_events": (int,),
    "max_buffered_bytes": (int,),
    "max_line_bytes": (int,),
    "url": (str, _NONE),
    "token": (str, Callable, _NONE),  # type: ignore[dict-item]  # what `isinstance` takes
    "reconnect_timeout_s": (int, float),
    "startup_timeout_s": (int, float),
}


def config_of(given: AppServerConfig | None) -> AppServerConfig:
    """The configuration that a client was given; without one, that of the installed runtime with its own settings.

    Raises:
        TypeError: if it is something else; what it is stays unsaid, for it may be a key.
    """
    if given is None:
        return AppServerConfig()
    if not isinstance(given, AppServerConfig):
        raise TypeError(f"config must be an AppServerConfig, e.g. Codex(AppServerConfig(...)), not {_kind(given)}")
    return given


def _kind(given: object) -> str:
    return f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__


def _check_words(name: str, words: object) -> None:
    # A string is a sequence of strings, so no type checker sees this mistake.
    if isinstance(words, str):
        raise TypeError(f"{name} must be a sequence of strings, not one string")
    if isinstance(words, Sequence) and not all(isinstance(word, (str, os.PathLike)) for word in words):
        raise TypeError(f"{name} must be a sequence of strings, all of it")


def _check_overrides(overrides: Sequence[str]) -> None:
    if overrides:
        from codex_app_server.overrides import check_override

        for number, override in enumerate(overrides):
            if "=" not in override:
                raise ValueError(f"config_overrides: {hidden(repr(override))} is not of the form key=value")
            check_override(override, f"config_overrides[{number}]")


def _check_rules(rules: object) -> None:
    if not isinstance(rules, Sequence):
        one = f"; write [{rules!r}]" if callable(rules) else ""
        raise TypeError(f"approvals must be a list of rules, not {rules!r}{one}")
    if rules:
        from codex_app_server.approvals.rules import check_rule

        for rule in rules:
            check_rule("approvals", rule)


def _check_watching(observers: Observers | None, limits: Limits | None) -> None:
    # They are imported where there are some.
    if observers is not None:
        from codex_app_server.observers import Observers

        checked(Observers, observers)
    if limits is not None:
        from codex_app_server.limits import Limits

        checked(Limits, limits)


def _check_variables(variables: Mapping[Any, object]) -> None:
    for name, text in variables.items():
        # Without the value: keys travel here.
        if not isinstance(name, str):
            raise TypeError(f"env must be of strings; a name in it is {type(name).__name__}")
        if not isinstance(text, (str, _NONE)):
            raise TypeError(f"env must be of strings; what {name!r} is set to is {type(text).__name__}")
        if not name or "=" in name or not _is_sayable(name):
            raise ValueError(f"env: {name!r} is no name of a variable")
        if text is not None and not _is_sayable(text):
            raise ValueError(f"env: what {name!r} is set to has a character that no environment can hold")


def _is_sayable(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _spelled(kind: type) -> str:
    return "None" if kind is _NONE else kind.__name__


# A misspelt option is answered with the one that was probably meant.
AppServerConfig.__init__ = suggesting(AppServerConfig.__init__)  # type: ignore[method-assign]
