"""Stands where a program should start, and has it run as a fork, see `forked`: ``python standin.py SOCKET ORDER``.

Its files, environment and directory are the fork's; it ends as the fork ends, and the fork with it.
"""

import json
import os
import signal
import socket
import sys


def _main(address: str, order: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("r") as answers:
        connection.connect(address)
        umask = os.umask(0o022)
        place = os.getcwd()  # noqa: PTH109 - pathlib takes longer to load than all of this
        data = json.dumps({**json.loads(order), "env": dict(os.environ), "cwd": place, "umask": umask}).encode()
        socket.send_fds(connection, [len(data).to_bytes(8, "big")], [0, 1, 2])
        connection.sendall(data)
        for descriptor in (0, 1):  # an end that nobody holds but the fork is what others wait for
            os.close(descriptor)
        _, status = answers.readline(), int(answers.readline())
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1)


if __name__ == "__main__":
    _main(*sys.argv[1:])
