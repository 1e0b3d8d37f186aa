"""`map` over a Ray cluster: two nodes on this machine, of which one goes; and what can be told without one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

import codex_app_server
from codex_app_server import Codex, MapOutcome, RunResult
from codex_app_server.mapping.journal import Journal, Keys
from codex_app_server.mapping.parts import Parts
from codex_app_server.testing import ModelServer, Text

SOURCE = str(Path(codex_app_server.__file__).parents[1])
PROGRAM = Path(__file__).parent / "ray_cluster.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ray has no clusters of several nodes there")
@pytest.mark.skipif(sys.version_info >= (3, 15), reason="it has no wheels for this Python")
def test_nothing_is_lost_with_a_node(codex_binary: Path, tmp_path: Path) -> None:
    ray_directory = tempfile.mkdtemp(prefix="r", dir="/tmp")  # the paths of its sockets may be no longer
    lean = tmp_path / "lean"
    lean.mkdir()
    # Each of Ray's dozen of processes loads jsonschema, which would load this and take a second for it.
    (lean / "rfc3987_syntax.py").write_text("raise ImportError\n", encoding="utf-8")
    surroundings = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([SOURCE, str(lean)]),
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_TMPDIR": ray_directory,
        "RAY_USAGE_STATS_ENABLED": "0",
        "TMPDIR": str(tmp_path),
    }
    try:
        ran = subprocess.run(
            [sys.executable, str(PROGRAM), str(codex_binary), str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env=surroundings,
        )
    finally:
        shutil.rmtree(ray_directory, ignore_errors=True)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    lost, again = found["lost"], found["again"]
    assert lost["done"] == sorted(f"p{number}" for number in range(12))
    assert lost["progress"] == 12
    assert lost["keys"] == 12  # each prompt has its own, which the runtime knows too
    assert lost["asked"] > 12  # some were begun twice
    assert again == {"reused": 12, "output": 7, "error": "InvalidRequestError", "cancelled": True}
    # On a busy machine Ray still tells of the node that went, in between.
    said = [line for line in found["example"] if " from the journal" in line or " flows into the " in line]
    assert said[:3] == ["0 of 2 from the journal", "2 of 5 from the journal", "The Danube flows into the Black Sea."]
    assert len(said) == 7
    assert found["lacking"] == (
        "on a worker of the Ray cluster codex_app_server is not installed: "
        'pip install "codex-app-server-sdk[ray]", there or by runtime_env in actor_options'
    )


def test_a_journal_may_be_wherever_files_can_be_written(codex_binary: Path) -> None:
    url = "memory://runs/rivers.jsonl"
    with ModelServer(default=Text("Into the sea.")) as model, Codex(model.config(codex_bin=codex_binary)) as codex:
        first = list(codex.map(["The Nile?", "The Rhine?"], journal=url))
        assert [outcome.is_reused for outcome in first] == [False, False]
        again = list(codex.map(["The Rhine?", "The Indus?"], journal=url, in_order=True))
    assert [outcome.is_reused for outcome in again] == [True, False]


def test_parts_of_a_journal_are_lines_of_the_same_journal(tmp_path: Path) -> None:
    result: RunResult[None] = RunResult.from_dict({"thread_id": "t", "turn_id": "u"})
    keys = [Keys({}, None).key(prompt) for prompt in ("a", "b")]
    for number, key in enumerate(keys):
        journal = Journal(f"file://{tmp_path}/runs/j.jsonl", None)
        journal.add(key, MapOutcome(number, "x", result))
        journal.close()
    parts = sorted((tmp_path / "runs").iterdir())
    assert len(parts) == 2
    joined = tmp_path / "j.jsonl"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    local = Journal(joined, None)
    assert [local.done(key) is not None for key in keys] == [True, True]
    local.close()


def test_without_the_extra_one_line_says_how_to_get_it() -> None:
    program = (
        "import sys; sys.modules['ray'] = sys.modules['fsspec'] = None\n"
        "from codex_app_server.mapping.journal import Journal\n"
        "for attempt in (lambda: __import__('codex_app_server.integrations.ray'), lambda: Journal('s3://b/j', None)):\n"
        "    try: attempt()\n"
        "    except ImportError as error: print(error)\n"
    )
    surroundings = {**os.environ, "PYTHONPATH": SOURCE}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=surroundings)
    assert ran.stdout.splitlines() == [
        'ray is not installed: pip install "codex-app-server-sdk[ray]"',
        "a journal that is a URL needs fsspec: pip install fsspec",
    ]


def test_no_line_is_lost_where_many_threads_write_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codex_app_server.mapping.parts._EVERY_S", 0.0)
    parts = Parts(f"file://{tmp_path}/run.jsonl")

    def write(number: int) -> None:
        for line in range(300):
            parts.write(b"%d %d\n" % (number, line))
            parts.flush()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    parts.close()
    written = [line for line in parts.read().splitlines() if line]
    assert sorted(written) == sorted(b"%d %d" % (number, line) for number in range(4) for line in range(300))
