"""What can go wrong, how it shows, and how to try again."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config

from codex_app_server import (
    AppServerConfig,
    Codex,
    InvalidRequestError,
    ServerBusyError,
    TransportClosedError,
    TurnFailedError,
    is_retryable_error,
    retry_on_overload,
)


def main(config: AppServerConfig) -> None:
    codex = Codex(config)
    thread = codex.thread_start(sandbox="read-only")

    # A request that the runtime refuses: a subclass of JsonRpcError, by its code.
    try:
        codex.thread_resume("00000000-0000-0000-0000-000000000000")
    except InvalidRequestError as error:
        print("refused:  ", error.message)

    # A turn that fails: `Thread.run` raises, and the error carries the result. The thread can be used again.
    try:
        thread.run("Say hello.", model="no-such-model")
    except TurnFailedError as error:
        print("failed:   ", error.result.failure)
    print("again:    ", thread.run("Say hello.", model="gpt-5.5").final_response)

    # A turn that takes too long is interrupted.
    try:
        thread.run("Count slowly to a thousand.", timeout=1.0)
    except TimeoutError:
        print("too long:  interrupted")

    # A runtime with too much to do says so: try again, later each time. This operation is busy twice, then works.
    attempts: list[str] = []

    def models() -> int:
        attempts.append("try")
        if len(attempts) < 3:
            raise ServerBusyError(-32001, "server overloaded")
        return len(codex.models().data)

    count = retry_on_overload(models, max_attempts=5, initial_delay_s=0.05)
    print(f"retried:   {len(attempts)} attempts, then {'some' if count else 'no'} models")

    # After the end, every call fails at once. No kind of error but a busy runtime is worth a second try.
    codex.close()
    try:
        thread.run("Anybody there?")
    except TransportClosedError as error:
        print("closed:    worth another try?", is_retryable_error(error))


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
