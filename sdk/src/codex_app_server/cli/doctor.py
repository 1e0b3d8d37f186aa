"""``doctor``: what is installed, whether it fits together, and how to mend what does not.

It starts the runtime once, as any program would, and asks it; it needs no model and no network. No token is read or
shown, and of an account only its kind and plan: what this prints is made to be pasted into a report.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from codex_app_server._version import __version__
from codex_app_server.config import AppServerConfig
from codex_app_server.errors import AppServerError, JsonRpcError, RequestTimeoutError
from codex_app_server.generated.registry import CLIENT_REQUESTS, NOTIFICATIONS, OLDER, SCHEMA_VERSION
from codex_app_server.runtime import find_executable
from codex_app_server.sync.driver import Driver
from codex_app_server.terminal import line_of, visible

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["Findings", "as_json", "as_text", "examine"]

_DISTRIBUTION = "codex-app-server-sdk"
_PIN = re.compile(r"codex[-_.]cli[-_.]bin\s*\(?==\s*([^\s;,)]+)", re.IGNORECASE)
_PRE_RELEASE = re.compile(r"-(alpha|beta|rc)\.?(\d+)")
_PATIENCE_S = 30.0
_NAMED = 5


@dataclass(frozen=True)
class Problem:
    """Something that is wrong.

    Attributes:
        what: it is.
        remedy: how to mend it; empty if `what` says it.
        is_fatal: whether nothing works with it.
    """

    what: str
    remedy: str = ""
    is_fatal: bool = False


@dataclass(frozen=True)
class Coverage:
    """How many of the names of this client the runtime knows.

    Attributes:
        total: how many there are.
        unknown: those that it does not know.
    """

    total: int
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class ProtocolLevel:
    """The protocol that the client was made for, against that which the runtime speaks.

    Attributes:
        schema_version: of the runtime that the client's methods and models were generated from.
        methods: what the client can call.
        notifications: what the client has a model for.
    """

    schema_version: str
    methods: Coverage
    notifications: Coverage


@dataclass(frozen=True)
class Login:
    """Who the runtime works as.

    Attributes:
        account: what kind of account, e.g. ``chatgpt`` or ``apiKey``; None if nobody is logged in.
        plan: of the account, if it has one.
        is_needed: whether the model provider of the settings asks for a login at OpenAI.
    """

    account: str | None
    plan: str | None
    is_needed: bool


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What there is; None is what could not be found out.

    Attributes:
        python: its version and implementation.
        platform: system and machine.
        client_version: of this package.
        pin: the version of ``codex-cli-bin`` that the installed package requires (PEP 440); None in a checkout.
        runtime_path: the executable.
        runtime_version: as it says itself.
        fits_pin: whether the runtime is the required one; None where there is no pin.
        protocol: how much of the client's protocol the runtime knows.
        login: who it works as.
        home: where Codex keeps settings and logins.
        problems: what is wrong, the worst first.
    """

    python: str
    platform: str
    client_version: str
    pin: str | None
    runtime_path: str | None
    runtime_version: str | None
    fits_pin: bool | None
    protocol: ProtocolLevel | None
    login: Login | None
    home: str | None
    problems: tuple[Problem, ...]

    @property
    def is_usable(self) -> bool:
        """Whether turns can be run with it at all."""
        return not any(problem.is_fatal for problem in self.problems)


def examine(codex_bin: str | None) -> Findings:
    """Look at everything.

    Args:
        codex_bin: another executable than the installed one.
    """
    config = AppServerConfig(codex_bin=codex_bin, request_timeout_s=_PATIENCE_S)
    pin = _pin()
    path = version = login = protocol = None
    problems: list[Problem] = []
    try:
        path = find_executable(config)
        version, login, wrong = _asked(config)
    except AppServerError as error:
        problems.append(Problem(line_of(error), is_fatal=True))
    else:
        protocol = _protocol(path)
        problems += _skew(version, pin, protocol, is_installed=codex_bin is None)
        problems += _login_problems(login, path)
        problems += wrong
    return Findings(
        python=f"{platform.python_version()} ({platform.python_implementation()})",
        platform=f"{platform.platform()} ({platform.machine()})",
        client_version=__version__,
        pin=pin,
        runtime_path=None if path is None else str(path),
        runtime_version=version,
        fits_pin=None if pin is None or version is None else _pep440(version) == pin,
        protocol=protocol,
        login=login,
        home=os.environ.get("CODEX_HOME") or _home(),
        problems=tuple(problems),
    )


def as_json(findings: Findings) -> str:
    """The findings for a program: one JSON object, with their names."""
    return json.dumps({"is_usable": findings.is_usable, **asdict(findings)}, indent=2)


def as_text(findings: Findings) -> str:
    """The findings for a person."""
    lines = [
        ("Python", f"{findings.python} on {findings.platform}"),
        ("client", f"{findings.client_version}, {_pin_in_words(findings)}"),
        ("runtime", f"{findings.runtime_version or 'of an unknown version'}, {findings.runtime_path or 'not found'}"),
        ("protocol", _protocol_in_words(findings.protocol)),
        ("login", _login_in_words(findings.login)),
        ("home", findings.home or "unknown"),
    ]
    said = [f"{name:<9} {text}" for name, text in lines]
    said += [""] if findings.problems else ["", "Everything fits."]
    for problem in findings.problems:
        level = "error" if problem.is_fatal else "warning"
        said.append(f"{level}: {problem.what}" + (f"; {problem.remedy}" if problem.remedy else ""))
    return "\n".join(map(visible, said))


def _home() -> str | None:
    """Where Codex keeps things if nothing else is said; None for a user without a home, as there are in containers."""
    try:
        return str(Path.home() / ".codex")
    except RuntimeError:
        return None


def _pin() -> str | None:
    """The runtime's version that the installed client requires."""
    try:
        requirements = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return None
    return next((found[1] for text in requirements if (found := _PIN.match(text))), None)


def _pep440(version: str) -> str:
    """A version of Codex as a Python package has it: ``0.115.0-alpha.11`` is ``0.115.0a11``."""
    return _PRE_RELEASE.sub(lambda found: {"alpha": "a", "beta": "b", "rc": "rc"}[found[1]] + found[2], version)


def _asked(config: AppServerConfig) -> tuple[str | None, Login | None, list[Problem]]:
    """Start the runtime and ask it.

    Returns:
        its version, e.g. ``0.169.0``; who it works as, None if it would not say; and what is wrong with its login and
        settings.

    Raises:
        AppServerError: if it does not start, or does not do the handshake.
    """
    # The driver and not a client: this must also work where pydantic does not.
    driver = Driver(config)
    try:
        version = driver.metadata.server_version
        login = None
        problems: list[Problem] = []
        try:
            login = _login(driver.call("account/read", {}))
        except (JsonRpcError, RequestTimeoutError) as error:
            problems.append(Problem(f"it is not known who is logged in: {line_of(error)}"))
        try:
            driver.call("config/read", {})
        except (JsonRpcError, RequestTimeoutError) as error:
            what = f"the settings cannot be read: {line_of(error)}"
            problems.append(Problem(what, "correct them; until then Codex uses its defaults"))
        return version, login, problems
    finally:
        driver.close()


def _login(answer: JsonValue) -> Login:
    """From the answer to ``account/read``."""
    fields = answer if isinstance(answer, dict) else {}
    account = fields.get("account")
    is_needed = fields.get("requiresOpenaiAuth") is not False
    if not isinstance(account, dict):
        return Login(None, None, is_needed)
    plan = account.get("planType")
    return Login(str(account.get("type")), plan if isinstance(plan, str) else None, is_needed)


def _protocol(path: Path) -> ProtocolLevel | None:
    """What the runtime knows by its own account: it prints its schema. None if it does not."""
    with tempfile.TemporaryDirectory(prefix="codex-doctor-") as directory:
        command = [str(path), "app-server", "generate-json-schema", "--experimental", "--out", directory]
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S, check=True)
            requests = _methods(Path(directory) / "ClientRequest.json")
            notifications = _methods(Path(directory) / "ServerNotification.json")
        except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError):
            return None
    return ProtocolLevel(
        SCHEMA_VERSION, _coverage(CLIENT_REQUESTS, requests), _coverage(NOTIFICATIONS.keys() - OLDER, notifications)
    )


def _methods(schema: Path) -> set[str]:
    """The methods in a schema that has one alternative for each."""
    alternatives = json.loads(schema.read_text(encoding="utf-8"))["oneOf"]
    return {method for each in alternatives for method in each["properties"]["method"]["enum"]}


def _coverage(ours: Collection[str], theirs: set[str]) -> Coverage:
    return Coverage(len(ours), tuple(sorted(set(ours) - theirs)))


def _skew(
    version: str | None, pin: str | None, protocol: ProtocolLevel | None, *, is_installed: bool
) -> Iterator[Problem]:
    """What does not fit between client and runtime."""
    if pin is not None and version is not None and _pep440(version) != pin:
        remedy = f"install codex-cli-bin=={pin}" if is_installed else "without --codex-bin the installed one is used"
        yield Problem(f"the runtime is {version}, but this client is made for {pin}", remedy)
    if protocol is not None:
        for what, coverage in (("methods", protocol.methods), ("notifications", protocol.notifications)):
            if coverage.unknown:
                count = len(coverage.unknown)
                more = f" and {count - _NAMED} more" if count > _NAMED else ""
                yield Problem(
                    f"the runtime does not know {count} of this client's {what}: "
                    f"{', '.join(coverage.unknown[:_NAMED])}{more}",
                    f"do without them, or use Codex {protocol.schema_version}",
                )


def _login_problems(login: Login | None, path: Path) -> Iterator[Problem]:
    if login is not None and login.account is None and login.is_needed:
        yield Problem("nobody is logged in", f"log in with: {path} login")


def _pin_in_words(findings: Findings) -> str:
    if findings.pin is None:
        return "pinned to no runtime: this is no release of it"
    agree = {True: ", as found", False: ", which is not what was found", None: ""}[findings.fits_pin]
    return f"pinned to codex-cli-bin=={findings.pin}{agree}"


def _protocol_in_words(protocol: ProtocolLevel | None) -> str:
    if protocol is None:
        return f"made for {SCHEMA_VERSION}; what the runtime knows of it is unknown"
    parts = [
        f"{coverage.total - len(coverage.unknown)} of {coverage.total} {what}"
        for what, coverage in (("methods", protocol.methods), ("notifications", protocol.notifications))
    ]
    return f"made for {protocol.schema_version}; the runtime knows {' and '.join(parts)}"


def _login_in_words(login: Login | None) -> str:
    if login is None:
        return "unknown"
    if login.account is None:
        return "none" if login.is_needed else "none; the model provider of the settings needs none"
    return login.account if login.plan is None else f"{login.account}, plan {login.plan}"
