"""Python programs that start in a moment: each is the fork of a process that has imported already what it will use.

`Programs.run` takes the place of `subprocess.run` for ``python -m MODULE …`` of this interpreter, if it knows the
module: the program has a process, arguments, an environment, a directory and an exit code of its own, and only the
seconds in which it would import are saved. `Programs.stand_ins` do the same for the processes that the toolkit itself
starts, be it used here or by such a program. It needs POSIX. Whatever is asked for in another way is started as ever.

As a script, it is the process that forks: ``python forked.py SOCKET``, which ends with the process that started it.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from codex_release.base import programs as usual

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    _Argv = Callable[..., list[str]]

__all__ = ["STARTED", "Programs"]

_TOOLKIT = ("codex_release.cli", "codex_release.commands.*", "codex_release.context")
_HATCHLING = ("hatchling.build", "hatchling.builders.wheel", "hatchling.builders.sdist", "hatchling.metadata.core")
_PIP = (
    "pip._internal.cli.main",
    "pip._internal.commands.download",
    "pip._internal.commands.install",
    "pip._internal.resolution.resolvelib.resolver",
)
_CONTENTS = ("check_wheel_contents.checker", "click", "wheel_filename")
_DEVPI = ("devpi_server.init", "devpi_server.main")
_TWINE = ("twine.cli", "twine.commands.check", "twine.commands.upload", "rich._emoji_codes")
_PRELOADED: dict[str, tuple[str, ...]] = {
    "codex_release": _TOOLKIT,
    str(Path(__file__).with_name("killed_at.py")): _TOOLKIT,
    "codex_release.base.worker": ("codex_release.base.worker", *_PIP, *_CONTENTS, *_TWINE),
    "codex_release.wheels.backend": ("codex_release.wheels.backend", "build", *_HATCHLING),
    "codex_release.rehearse.index_server": ("codex_release.rehearse.index_server", *_DEVPI),
    "pip": _PIP,
    "twine": _TWINE,
}
STARTED: Mapping[str, _Argv] = {
    "codex_release.base.worker.python_argv": usual.python_argv,
    "codex_release.index.configured.module_argv": usual.module_argv,
    "codex_release.publish.upload.module_argv": usual.module_argv,
    "codex_release.rehearse.local_index.python_argv": usual.python_argv,
}
"""What says how a program of ours is started, by the places where `Programs.stand_ins` take its place."""
_OPTIONS = {
    "capture_output", "check", "cwd", "encoding", "env", "errors", "input", "stderr", "stdin", "stdout", "text",
    "timeout",
}  # fmt: skip
_OF_THE_START = ("PYTHON", "LC_", "LANG", "LD_", "COVERAGE_")
"""The variables that an interpreter looks at when it starts."""
_READY_S = 60.0
_run: Any = subprocess.run  # what options there are is looked at when it is called


class Programs:
    """Runs programs as forks of a process of its own, which is started when there is something to run.

    Args:
        directory: for its socket; its name must be short (POSIX: about 100 characters).
    """

    def __init__(self, directory: Path) -> None:
        self._address = str(directory / "forks")
        self._starting = threading.Lock()
        self._alive: socket.socket | None = None
        self._environ = dict(os.environ)  # a test may have changed it by the time that the process is started
        self._at_start = _at_start(self._environ)

    def close(self) -> None:
        """End the process that forks."""
        if self._alive is not None:
            self._alive.close()
            self._alive = None

    def run(self, argv: Any, **options: Any) -> subprocess.CompletedProcess[Any]:
        """What `subprocess.run` does."""
        if not _can_be_forked(argv, options, self._at_start):
            return cast("subprocess.CompletedProcess[Any]", _run(argv, **options))
        if options.get("capture_output"):
            options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._start()
        with contextlib.ExitStack() as stack:
            nothing = stack.enter_context(Path(os.devnull).open("r+b"))
            given, kept = [nothing.fileno()], []
            for number, wanted in enumerate((options.get("stdout"), options.get("stderr")), 1):
                file = stack.enter_context(tempfile.TemporaryFile()) if wanted == subprocess.PIPE else None
                kept.append(file)
                places = {None: number, subprocess.DEVNULL: given[0], subprocess.STDOUT: given[-1]}
                given.append(file.fileno() if file else places[wanted])
            try:
                code = self._ended(argv, options, given, stack)
            except subprocess.TimeoutExpired as late:
                late.stdout, late.stderr = (cast("Any", _said(file, options)) for file in kept)
                raise
            said = [_said(file, options) for file in kept]
        ran = subprocess.CompletedProcess(argv, code, *said)
        if options.get("check"):
            ran.check_returncode()
        return ran

    def stand_ins(self) -> dict[str, _Argv]:
        """What to put into the places of `STARTED`."""
        return _stand_ins(self._address, self._start)

    def _ended(self, argv: Any, options: dict[str, Any], given: list[int], stack: contextlib.ExitStack) -> int:
        """Let the program run to its end; its exit code, as `subprocess` counts."""
        connection = stack.enter_context(socket.socket(socket.AF_UNIX))
        connection.connect(self._address)
        umask = os.umask(0o022)
        os.umask(umask)
        order = {
            "words": _words(argv),
            "env": dict(os.environ if options.get("env") is None else options["env"]),
            "cwd": os.fspath(options.get("cwd") or Path.cwd()),
            "umask": umask,
        }
        data = json.dumps(order).encode()
        socket.send_fds(connection, [len(data).to_bytes(8, "big")], given)
        connection.sendall(data)
        answers = stack.enter_context(connection.makefile("r"))
        process_id = int(answers.readline())
        connection.settimeout(options.get("timeout"))
        try:
            status = int(answers.readline())
        except TimeoutError:
            os.kill(process_id, signal.SIGKILL)
            raise subprocess.TimeoutExpired(argv, options["timeout"]) from None
        return os.waitstatus_to_exitcode(status)

    def _start(self) -> None:
        with self._starting:
            if self._alive is not None:
                return
            self._alive, its = socket.socketpair()
            with its:
                # It leaves a child behind, which is nobody's, so that tests may ask for all children of this process.
                argv = [sys.executable, __file__, self._address]
                _run(argv, stdin=its, check=True, timeout=_READY_S, env=self._environ)


def _can_be_forked(argv: Any, options: dict[str, Any], at_start: dict[str, str]) -> bool:
    env = os.environ if options.get("env") is None else options["env"]
    return (
        isinstance(argv, list | tuple)
        and argv[0] == sys.executable
        and _words(argv)[0] in _PRELOADED
        and options.keys() <= _OPTIONS
        and options.get("stdin") in {None, subprocess.DEVNULL}
        and options.get("input") is None
        and all(options.get(name) in {None, *_SPECIAL} for name in ("stdout", "stderr"))
        and _at_start(env) == at_start
    )


def _stand_ins(address: str, start: Callable[[], object] = lambda: None) -> dict[str, _Argv]:
    """For each place of `STARTED` what gives the arguments that run a fork of the process at an address."""
    at_start = _at_start(os.environ)

    def stand_in(place: str) -> _Argv:
        def argv(module: str, *words: str) -> list[str]:
            if _at_start(os.environ) != at_start:
                return STARTED[place](module, *words)
            start()
            order: dict[str, Any] = {"words": [module, *words]}
            if STARTED[place] is usual.python_argv:
                order["path"] = [each for each in sys.path if each]
            return [sys.executable, "-I", "-S", str(Path(__file__).with_name("standin.py")), address, json.dumps(order)]

        return argv

    return {place: stand_in(place) for place in STARTED}


_SPECIAL = (subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL)


def _words(argv: Any) -> list[str]:
    """The name of the module, or the path of the script, and the words for it."""
    return [os.fspath(word) for word in argv[2 if argv[1] == "-m" else 1 :]]


def _at_start(env: Any) -> dict[str, str]:
    return {name: env[name] for name in env if name.startswith(_OF_THE_START) and name != "PYTHONUTF8"}


def _said(file: IO[bytes] | None, options: dict[str, Any]) -> str | bytes | None:
    if file is None:
        return None
    file.seek(0)
    data = file.read()
    if not (options.get("text") or options.get("encoding") or options.get("errors")):
        return data
    text = data.decode(options.get("encoding") or "utf-8", options.get("errors") or "strict")
    return text.replace("\r\n", "\n")


# --- The process that forks


def _serve(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(16)
        if os.fork():
            return
        os.setsid()
        alive = socket.socket(fileno=os.dup(0))
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for place, argv in _stand_ins(address).items():
            module, _, name = place.rpartition(".")
            setattr(importlib.import_module(module), name, argv)
        _until_left(listener, alive)


def _until_left(listener: socket.socket, alive: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(alive, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if alive in ready:
                return
            connection, _ = listener.accept()
            with connection:
                given: list[int] = []
                try:
                    head, given, *_ = socket.recv_fds(connection, 8, 3)
                    with connection.makefile("rb") as stream:
                        order = json.loads(stream.read(int.from_bytes(head, "big")))
                except (OSError, ValueError):  # who asked was killed before all was said
                    for descriptor in given:
                        os.close(descriptor)
                    continue
                for module in _PRELOADED[order["words"][0]]:
                    _preload(module)
                gc.freeze()  # so that nobody writes to the pages that all share
                if os.fork() == 0:
                    alive.close()
                    listener.close()
                    _watch(connection, order, given)
                for descriptor in set(given):
                    os.close(descriptor)


def _preload(name: str) -> None:
    package = importlib.import_module(name.removesuffix(".*"))
    if name.endswith(".*"):
        for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(each.name)


def _watch(connection: socket.socket, order: dict[str, Any], given: list[int]) -> None:
    """In a process of its own: run the program in another, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    process_id = os.fork()
    if process_id == 0:
        connection.close()
        raise _Program(order, given)
    has_ended = threading.Event()
    threading.Thread(target=_end_with, args=(connection, process_id, has_ended), daemon=True).start()
    with contextlib.suppress(OSError):  # nobody is there any more to be told
        connection.sendall(f"{process_id}\n".encode())
    _, status = os.waitpid(process_id, 0)
    has_ended.set()
    with contextlib.suppress(OSError):
        connection.sendall(f"{status}\n".encode())
    os._exit(0)


def _end_with(connection: socket.socket, process_id: int, has_ended: threading.Event) -> None:
    """Who asked for the program and is gone had it killed with it."""
    with contextlib.suppress(OSError):  # also with what it was told still unread
        connection.recv(1)
    if not has_ended.is_set():
        os.kill(process_id, signal.SIGKILL)


class _Program(BaseException):
    """Carries what is to be run out of everything that stands on the stack."""

    def __init__(self, order: dict[str, Any], given: list[int]) -> None:
        self.order = order
        self.given = given


def _become(order: dict[str, Any], given: list[int]) -> None:
    for number, descriptor in enumerate(given):
        os.dup2(descriptor, number)
    for descriptor in set(given):
        if descriptor > 2:
            os.close(descriptor)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    os.umask(order["umask"])
    if "PYTHONIOENCODING" in order["env"]:
        encoding, _, errors = order["env"]["PYTHONIOENCODING"].partition(":")
        sys.stdout = open(1, "w", encoding=encoding or None, errors=errors or None, closefd=False)  # noqa: SIM115
    name, *words = sys.argv = order["words"]
    try:
        if "path" in order:
            sys.argv, sys.path[:] = ["-c", "", *words], order["path"]
            importlib.import_module(name).main()
        elif os.path.isabs(name):  # noqa: PTH117 - a script, as it stands in `_PRELOADED`
            sys.path[0] = str(Path(name).parent)
            runpy.run_path(name, run_name="__main__")
        else:
            sys.path[0] = order["cwd"]
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        code: object = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if code is not None and not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    atexit._run_exitfuncs()  # and then at once: to take all modules down one by one is as slow as loading them
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit((code or 0) & 0xFF)


def _main(address: str) -> None:
    try:
        _serve(address)
    except _Program as program:
        order, given = program.order, program.given
    else:
        return
    _become(order, given)


if __name__ == "__main__":
    _main(sys.argv[1])
