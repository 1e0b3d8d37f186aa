"""Celery: a client in each worker process, made after the fork, for a connection belongs to its process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config
from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

from codex_app_server import AppServerConfig, Codex, is_retryable_error

app = Celery("reports")
app.conf.task_acks_late = True  # a task whose worker dies is done by another one
app.conf.worker_prefetch_multiplier = 1
CLIENTS: list[Codex] = []


@worker_process_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
def begin(**_: object) -> None:
    """Here, and not at import: the module is imported before the fork."""
    CLIENTS.append(Codex(AppServerConfig()))


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def end(**_: object) -> None:
    while CLIENTS:
        CLIENTS.pop().close()


@app.task(bind=True, name="ask", max_retries=3)  # type: ignore[untyped-decorator]
def ask(self, question: str) -> str:  # type: ignore[no-untyped-def]  # Celery says nothing of what a bound task gets
    try:
        return CLIENTS[0].thread_start(sandbox="read-only", ephemeral=True).run(question, timeout=300).text
    except Exception as error:
        if is_retryable_error(error):
            raise self.retry(exc=error, countdown=1) from error
        raise


def configure(folder: str) -> None:
    """A broker of files, so that nothing has to be installed; a real one is `redis://…` or `amqp://…`."""
    names = ("data_folder_in", "data_folder_out", "control_folder")
    app.conf.broker_url, app.conf.broker_transport_options = "filesystem://", dict.fromkeys(names, folder)
    app.conf.result_backend = Path(folder).as_uri()


def main(config: AppServerConfig, folder: str) -> None:
    configure(folder)
    where = {"EXAMPLE_BROKER": folder, **{name: str(value) for name, value in (config.env or {}).items()}}
    words = ["-A", "sync", "--quiet", "worker", "--pool=prefork", "--concurrency=2", "--loglevel=ERROR"]
    command = [sys.executable, "-m", "celery", *words]
    here, quiet = Path(__file__).parent, subprocess.DEVNULL
    with subprocess.Popen(command, cwd=here, env={**os.environ, **where}, stdout=quiet, stderr=quiet) as worker:
        try:
            answers = [ask.delay(question) for question in ("Name a river.", "Name a sea.")]
            print(*(answer.get(timeout=60) for answer in answers), sep="\n")
        finally:
            worker.terminate()


if folder := os.environ.get("EXAMPLE_BROKER"):  # in the worker
    configure(folder)

if __name__ == "__main__":
    with example_config(__file__) as config, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        main(config, folder)
