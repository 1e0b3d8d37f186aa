"""The output of a command, decoded, and its result."""

from __future__ import annotations

import base64
import codecs
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_app_server.models.encoding import encode_options
from codex_app_server.timeouts import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from codex_app_server.generated import SandboxPolicy
    from codex_app_server.protocol.messages import JsonValue, Notification

__all__ = ["CommandFold", "CommandOutput", "CommandResult", "exec_params", "exit_code_of", "size_of", "write_params"]


@dataclass(frozen=True)
class CommandOutput:
    """A piece of what a command writes.

    Attributes:
        data: the bytes that it wrote.
        text: the same, decoded as UTF-8. A character that is split between two pieces is in the second one; bytes that
            are no UTF-8 become ``�``.
        stream: where it wrote them; at a terminal, everything is ``stdout``.
        is_cut: whether nothing more of this stream follows, because there was too much of it.
    """

    data: bytes
    text: str
    stream: Literal["stdout", "stderr"]
    is_cut: bool = False


@dataclass(frozen=True)
class CommandResult:
    """The result of a command.

    Attributes:
        exit_code: its exit code; 124 if its time was up, 137 if it was terminated.
        stdout: the bytes that it wrote to its standard output.
        stderr: the bytes that it wrote to its standard error.
        is_cut: whether it wrote more than is kept (see `output_limit` of `command`); the rest is lost.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    is_cut: bool = False

    @property
    def text(self) -> str:
        """What it wrote to ``stdout``, decoded as UTF-8; bytes that are none become ``�``."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        """What it wrote to ``stderr``, decoded in the same way."""
        return self.stderr.decode("utf-8", "replace")


class CommandFold:
    """Takes the events of one command, one after another."""

    def __init__(self) -> None:
        self.is_kept = True
        """Whether all that is written is kept, for the result."""
        self._data: dict[Literal["stdout", "stderr"], list[bytes]] = {"stdout": [], "stderr": []}
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {"stdout": decoder("replace"), "stderr": decoder("replace")}
        self._is_cut = False

    def add(self, event: Notification) -> CommandOutput | None:
        """The next event: what was written, if it tells that."""
        params = event.params
        if event.method != "command/exec/outputDelta" or not isinstance(params, dict):
            return None
        stream: Literal["stdout", "stderr"] = "stderr" if params.get("stream") == "stderr" else "stdout"
        data = base64.b64decode(str(params.get("deltaBase64") or ""))
        is_cut = params.get("capReached") is True
        if self.is_kept:
            self._data[stream].append(data)
        self._is_cut = self._is_cut or is_cut
        return CommandOutput(data, self._decoders[stream].decode(data), stream, is_cut)

    def result(self, answer: JsonValue) -> CommandResult:
        """What came of it, when the runtime has answered."""
        whole = {stream: b"".join(pieces) for stream, pieces in self._data.items()}
        return CommandResult(exit_code_of(answer), whole["stdout"], whole["stderr"], self._is_cut)


def exit_code_of(answer: JsonValue) -> int:
    """What a command returned, when the runtime has answered; -1 if it does not say so."""
    code = answer.get("exitCode") if isinstance(answer, dict) else None
    return code if isinstance(code, int) else -1


def exec_params(
    argv: Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str | None] | None,
    sandbox_policy: SandboxPolicy | None,
    stdin: bool,
    tty: bool | tuple[int, int],
    timeout: float | None,
    output_limit: int | None,
) -> dict[str, JsonValue]:
    """The parameters of ``command/exec`` for a command whose output is streamed, under a name of its own.

    Raises:
        TypeError: if `argv` is a string, or something is of the wrong type.
        ValueError: if `argv` is empty, or a number makes no sense.
    """
    if isinstance(argv, str | bytes):
        raise TypeError(f"a command is a list of words, not {argv!r}; for a shell line, e.g. ['sh', '-c', line]")
    if not argv:
        raise ValueError("a command has at least one word, its program")
    limit = seconds(timeout, "timeout")
    options = {
        "command": list(argv),
        "processId": f"command-{os.urandom(8).hex()}",
        "streamStdoutStderr": True,
        "streamStdin": stdin or bool(tty),
        "cwd": cwd,
        "env": env,
        "sandboxPolicy": sandbox_policy,
        "outputBytesCap": output_limit,
        **({"disableTimeout": True} if limit is None else {"timeoutMs": round(limit * 1000)}),
        **({"tty": True} if tty else {}),
        **({"size": size_of(*tty)} if isinstance(tty, tuple) else {}),
    }
    return encode_options(options)


def size_of(columns: int, lines: int) -> dict[str, JsonValue]:
    """The size of a terminal, as the protocol says it.

    Raises:
        ValueError: if it has no room, or too much.
    """
    if not (0 < columns < 1 << 16 and 0 < lines < 1 << 16):
        raise ValueError(f"a terminal has 1 to 65535 columns and lines, not {columns} and {lines}")
    return {"cols": columns, "rows": lines}


def write_params(process_id: str, data: bytes | str, *, is_last: bool) -> dict[str, JsonValue]:
    """The parameters of ``command/exec/write``."""
    given = data.encode() if isinstance(data, str) else bytes(data)
    params: dict[str, JsonValue] = {"processId": process_id, "closeStdin": is_last}
    if given:
        params["deltaBase64"] = base64.b64encode(given).decode("ascii")
    return params
