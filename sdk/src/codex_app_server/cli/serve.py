"""``serve``: an app-server that other programs connect to, with a token, for as long as the command runs."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from codex_app_server.config import AppServerConfig
from codex_app_server.ending import describe_exit
from codex_app_server.errors import RuntimeStartError, TransportClosedError
from codex_app_server.remote.address import Address
from codex_app_server.remote.serving import AppServer, write_token

__all__ = ["serve"]


def serve(listen: str, *, token_file: Path | None, codex_bin: str | None, cwd: Path | None, out: TextIO) -> int:
    """Start an app-server, print its address, and wait for its end, or for `KeyboardInterrupt`; returns the exit code.

    Two lines are printed: its address, and the file with the token. A socket in the file system has no token: its
    permissions say who may use it.

    Raises:
        RuntimeStartError: if the server does not start, or there is something wrong with the token's file.
        TransportClosedError: if the server ends by itself.
    """
    with ExitStack() as stack:
        try:
            if Address.read(listen).path:
                if token_file is not None:
                    raise RuntimeStartError(f"{listen} has no token: its permissions say who may use it")
            else:
                token_file = token_file or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "token"
                write_token(token_file)
            config = AppServerConfig(codex_bin=codex_bin, cwd=cwd)
            server = stack.enter_context(AppServer(config, listen, token_file, is_tied=True))
            if (warning := Address.read(server.url).warning(has_token=True)) is not None:
                sys.stderr.write(f"warning: {warning}\n")
            out.write(f"{server.url}\n" + (f"{token_file}\n" if token_file is not None else ""))
            out.flush()
            code = server.wait()
            raise TransportClosedError(describe_exit(code), exit_code=code, stderr_tail=server.stderr_tail)
        except ValueError as error:
            raise RuntimeStartError(str(error)) from error
        except KeyboardInterrupt:
            return 0
