"""Django under WSGI: a client for each worker process, made when it is first asked and closed when the process ends."""

from __future__ import annotations

import atexit
import functools
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import django
from _bootstrap import example_config
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.urls import path

from codex_app_server import AppServerConfig, Codex

LOCK = threading.Lock()


@functools.cache
def begun() -> Codex:
    client = Codex(settings.CODEX)
    atexit.register(client.close)
    return client


def codex() -> Codex:
    """Not at import: gunicorn's `--preload` imports, and then forks. Two first requests at once still make one."""
    with LOCK:
        return begun()


def ask(request: HttpRequest) -> JsonResponse:
    """Threads of a server share the client; each of their turns has a thread of Codex to itself."""
    known = request.GET.get("thread")
    thread = codex().thread_resume(known) if known else codex().thread_start(sandbox="read-only")
    try:
        result = thread.run(request.GET["question"], timeout=120)
    except TimeoutError:
        return JsonResponse({"error": "it took too long"}, status=504)
    return JsonResponse({"thread": thread.id, "answer": result.text})


urlpatterns = [path("ask", ask)]


def main(config: AppServerConfig) -> None:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"], CODEX=config)
    django.setup()
    browser = Client()
    first = browser.get("/ask", {"question": "Name a river."}).json()
    print(first["answer"])
    print(browser.get("/ask", {"question": "And where does it flow?", "thread": first["thread"]}).json()["answer"])
    codex().close()


if __name__ == "__main__":
    with example_config(__file__) as config:
        main(config)
