"""From archives to finished wheels and to an installed runtime: this toolkit against the plain way, in turn.

The plain way is what one would write without it: ``tarfile``, a copy into the package, ``python -m build --wheel
--no-isolation``. Ours is ``codex-release build`` of the same pinned archives, with nothing but them in the cache,
every proof and check included; it makes the client too.

Plain, a runtime gets into an environment by a download, ``tarfile``, a copy into the package and ``pip install
--target``; ours is ``codex-release bootstrap`` into a fresh virtual environment. A server on loopback has the archive.

All are whole processes, timed from outside; the median of several counts.

    python3 scripts/dev.py bench                    everything, about ten minutes on two cores
    python3 scripts/dev.py bench --runs 1           once
    python3 scripts/dev.py bench --only bootstrap   the rows of the runtime in an environment
"""

from __future__ import annotations

import argparse
import base64
import compileall
import contextlib
import hashlib
import http.server
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from rich.console import Console
from rich.table import Table

from codex_release.base.http import Web
from codex_release.base.progress import Lines
from codex_release.context import Context
from codex_release.facts.lock import Runtime
from codex_release.facts.settings import Settings
from codex_release.facts.targets import Catalog
from codex_release.facts.workspace import Workspace
from codex_release.runtime.inspection import inspect_tree
from codex_release.wheels.stage import fill_runtime

if TYPE_CHECKING:
    from codex_release.facts.targets import Target
    from codex_release.runtime.tags import Variant
    from codex_release.runtime.tree import RuntimeTree

ROOT = Path(__file__).resolve().parent.parent
LINUX = "x86_64-unknown-linux-musl"


@dataclass(frozen=True)
class Plain:
    """What the plain way needs of each target: the archive, and the template with the tag its wheel has to carry."""

    target: Target
    archive: Path
    stage: Path


def main() -> int:
    """Measure and print; exit code 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs of each side that count (3)")
    parser.add_argument("--only", choices=("wheels", "bootstrap"), help="not all rows")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--plain", type=Path, help=argparse.SUPPRESS)  # this program as its own plain side
    arguments = parser.parse_args()
    if arguments.plain:
        plain_side(arguments.plain)
        return 0
    with tempfile.TemporaryDirectory(prefix="codex-bench-") as scratch:
        rows = measure(Path(scratch), arguments.runs, arguments.only)
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        table = Table("work", "plain", "ours", "ratio or figure", "bound", title=f"median of {arguments.runs}")
        for row in rows:
            table.add_row(*(str(row[key]) for key in ("work", "plain", "ours", "figure", "bound")))
        Console(width=140 if not sys.stdout.isatty() else None).print(table)
    return 0 if all(row["held"] for row in rows) else 1


def measure(scratch: Path, runs: int, only: str | None) -> list[dict[str, object]]:
    """All figures, as rows of a table."""
    compileall.compile_dir(ROOT / "release" / "src", quiet=1)  # as an installation does
    archives = fetch_archives(scratch / "archives")
    rows = measure_wheels(scratch, runs, archives) if only != "bootstrap" else []
    return rows + (measure_bootstrap(scratch, runs, archives) if only != "wheels" else [])


def measure_wheels(scratch: Path, runs: int, archives: dict[str, Plain]) -> list[dict[str, object]]:
    """The rows of the wheels."""
    one_plain, one_ours = in_turn(runs, lambda: plain(scratch, archives, [LINUX]), lambda: ours(scratch, [LINUX]))
    size_plain, size_ours = next(sizes(scratch))
    six_plain, six_ours = in_turn(runs, lambda: plain(scratch, archives, list(archives)), lambda: ours(scratch, []))
    largest = max(mine / theirs for theirs, mine in sizes(scratch))
    unchanged = [ours(scratch, [], fresh=False) for _ in range(runs)]
    memory = ours(scratch, [], measure=peak_memory)
    return [
        _ratio("one Linux wheel, archive to wheel", one_plain, one_ours, 0.30),
        _row("its size", f"{size_plain:,} B", f"{size_ours:,} B", size_ours / size_plain, "at most 1", 1.0),
        _ratio("all six targets, plain one after another", six_plain, six_ours, 1 / 6),
        _row("their sizes, the least favourable", "", "", largest, "at most 1.001", 1.001),
        _row("all six, peak memory of the process tree", "", f"{memory:.0f} MiB", memory, "at most 1024", 1024.0),
        _row("build with nothing changed", "", "", statistics.median(unchanged), "under 2 s", 2.0),
    ]


def measure_bootstrap(scratch: Path, runs: int, archives: dict[str, Plain]) -> list[dict[str, object]]:
    """The rows of the runtime in an environment of this machine."""
    here = next(each for each in archives.values() if each.target == Catalog.load(Workspace(ROOT).targets_file).host())
    with serving(here) as registry:
        sides: list[Callable[[], float]] = [
            lambda: plain_install(scratch, here, registry),
            lambda: bootstrap(scratch, registry, cache=False),
            lambda: bootstrap(scratch, registry),
            lambda: call(scratch),
            lambda: bootstrap(scratch, registry, environment=False),
        ]
        theirs, cold, warm, calls, whole = zip(*([side() for side in sides] for _ in range(runs)), strict=True)
    return [
        _ratio("a runtime into an environment, archive on a server", theirs, cold, 1 / 7),
        _ratio("the same, runtime in the cache", theirs, warm, 1 / 25),
        _row("installed already, the call", "", "", statistics.median(calls), "under 0.3 s", 0.3),
        _row("installed already, the whole process", "", "", statistics.median(whole), "", math.inf),
    ]


def sizes(scratch: Path) -> Iterator[tuple[int, int]]:
    """The bytes of each wheel of the plain way, and of ours with the same name."""
    for path in (scratch / "plain-out").glob("*.whl"):
        yield path.stat().st_size, (scratch / "dist" / path.name).stat().st_size


def in_turn(runs: int, first: Callable[[], float], second: Callable[[], float]) -> tuple[list[float], list[float]]:
    """Two sides A B A B …, so that a drift of the machine's speed meets both."""
    pairs = [(first(), second()) for _ in range(runs)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def fetch_archives(directory: Path) -> dict[str, Plain]:
    """The pinned archives in a directory of their own, and the templates for the plain side."""
    web = Web(Lines(Console(stderr=True)))
    context = Context(lambda: Workspace(ROOT), Settings.read(os.environ), web.progress, web)
    version, found = context.lock.version, {}
    for target in context.catalog.targets:
        tree = context.fetcher.tree(context.runtime(version, target))
        archive = next(iter(context.lock.targets[target.triple].archives.values()))
        cached = context.cache.find_archive(archive.digest.sha256)
        if cached is None:
            sys.exit(
                f"{archive.name} is not in the cache; empty it with `codex-release cache clear` and run this again"
            )
        directory.mkdir(exist_ok=True)
        shutil.copyfile(cached, directory / archive.digest.sha256)
        variant = inspect_tree(tree, target, context.catalog.layout).variants[0]
        found[target.triple] = Plain(
            target, directory / archive.digest.sha256, _template(directory, context, tree, variant, target)
        )
    web.close()
    return found


def _template(directory: Path, context: Context, tree: RuntimeTree, variant: Variant, target: Target) -> Path:
    stage = directory / f"template-{target.triple}"
    runtime = Runtime(context.lock.version, target)
    stage.mkdir()
    fill_runtime(stage, tree.files, variant, runtime, catalog=context.catalog, workspace=context.workspace)
    return stage


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Run a process to its end; its wall seconds. What was written before it is on disk, and takes none of its time."""
    if hasattr(os, "sync"):
        os.sync()
    begun = time.perf_counter()
    subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def peak_memory(command: list[str], environment: dict[str, str]) -> float:
    """Run a process to its end; the peak of the memory of it and all its children (PSS, in MiB), ten samples a second.

    The lesser of two samples in a row counts: a child that is just being started still has its parent's memory, and
    shows it a second time. Not while the clock runs: taking such a sample holds up the process.
    """
    peak = before = 0
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            now = _proportional(watched)
            peak, before = max(peak, min(before, now)), now
            time.sleep(0.1)
    if process.returncode != 0:
        sys.exit(f"{command} failed with exit code {process.returncode}")
    return peak / 2**20


def _proportional(process: psutil.Process) -> int:
    """The memory of a process tree, pages that processes share counted once; 0 where the system does not tell."""
    total = 0
    try:
        for each in (process, *process.children(recursive=True)):
            total += getattr(each.memory_full_info(), "pss", 0)
    except psutil.Error:
        pass  # it ended in between
    return total


Measure = Callable[[list[str], dict[str, str]], float]
"""Runs a command with an environment and gives a figure."""


def ours(scratch: Path, triples: list[str], *, fresh: bool = True, measure: Measure = timed) -> float:
    """``codex-release build``; if `fresh`, with the archives on disk, as in any cache, and nothing made of them yet."""
    if fresh:
        shutil.rmtree(scratch / "dist", ignore_errors=True)
        shutil.rmtree(scratch / "cache", ignore_errors=True)
        (scratch / "cache" / "archives").mkdir(parents=True)
        for archive in (scratch / "archives").glob("[0-9a-f]*"):
            (scratch / "cache" / "archives" / archive.name).hardlink_to(archive)
    targets = [word for triple in triples for word in ("--target", triple)] or ["--all"]
    program = [sys.executable, "-m", "codex_release", "build", *targets, "--repo", str(ROOT)]
    return measure([*program, "--out", str(scratch / "dist")], {"CODEX_RELEASE_CACHE": str(scratch / "cache")})


def plain(scratch: Path, archives: dict[str, Plain], triples: list[str]) -> float:
    """The plain way for these targets, one after another, in one process."""
    shutil.rmtree(scratch / "plain-out", ignore_errors=True)
    work = [[str(archives[triple].archive), str(archives[triple].stage), triple] for triple in triples]
    order = scratch / "plain.json"
    order.write_text(json.dumps({"work": work, "scratch": str(scratch)}), encoding="utf-8")
    return timed([sys.executable, __file__, "--plain", str(order)], {})


@contextlib.contextmanager
def serving(archive: Plain) -> Iterator[str]:
    """A registry on loopback that has one archive; its URL."""
    digest = base64.b64encode(hashlib.sha512(archive.archive.read_bytes()).digest()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served, is_tarball = archive.archive, self.path.endswith(".tgz")
            dist = {"tarball": f"{url}/archive.tgz", "integrity": f"sha512-{digest}"}
            document = json.dumps({"dist": dist}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(served.stat().st_size if is_tarball else len(document)))
            self.end_headers()
            if is_tarball:
                self.wfile.flush()
                with served.open("rb") as file:
                    self.connection.sendfile(file)
            else:
                self.wfile.write(document)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        urllib.request.urlopen(f"{url}/archive.tgz").read()  # both sides find the archive in the server's memory
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bootstrap(scratch: Path, registry: str, *, cache: bool = True, environment: bool = True) -> float:
    """``codex-release bootstrap``.

    Args:
        scratch: where everything is.
        registry: whom to ask.
        cache: keep what was fetched by an earlier run.
        environment: into a new environment; else into that of an earlier run.
    """
    if not cache:
        shutil.rmtree(scratch / "bootstrap-cache", ignore_errors=True)
    if environment:
        shutil.rmtree(scratch / "environment", ignore_errors=True)
        venv.create(scratch / "environment", symlinks=os.name != "nt")
    python = str(_python(scratch / "environment"))
    program = [sys.executable, "-m", "codex_release", "bootstrap", "--python", python, "--repo", str(ROOT)]
    settings = {"CODEX_RELEASE_CACHE": str(scratch / "bootstrap-cache"), "NPM_CONFIG_REGISTRY": registry}
    return timed([*program, "--source", "npm"], settings)


def call(scratch: Path) -> float:
    """``ensure_runtime_package_installed`` in a fresh interpreter, whose start and import are not counted."""
    code = (
        "import sys, time; from codex_release.bootstrap import ensure_runtime_package_installed as ensure\n"
        "begun = time.perf_counter(); ensure(sys.argv[1]); print(time.perf_counter() - begun)"
    )
    argv = [sys.executable, "-c", code, str(_python(scratch / "environment"))]
    return float(subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def _python(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def plain_install(scratch: Path, archive: Plain, registry: str) -> float:
    """The plain way of a runtime into a directory of packages."""
    shutil.rmtree(scratch / "plain-target", ignore_errors=True)
    order = scratch / "plain.json"
    work = [[f"{registry}/archive.tgz", str(archive.stage), archive.target.triple]]
    order.write_text(json.dumps({"work": work, "scratch": str(scratch), "install": True}), encoding="utf-8")
    return timed([sys.executable, __file__, "--plain", str(order)], {})


def plain_side(order: Path) -> None:
    """Download if need be, extract, copy, build or install: what the plain way does for each archive."""
    asked = json.loads(order.read_text(encoding="utf-8"))
    scratch = Path(asked["scratch"])
    for archive, template, triple in asked["work"]:
        if asked.get("install"):
            archive, _ = urllib.request.urlretrieve(archive, scratch / "plain-archive")  # noqa: PLW2901
        extracted, stage = scratch / "plain-tree", scratch / "plain-stage"
        with tarfile.open(archive) as tar:
            tar.extractall(extracted, filter="data")
        shutil.copytree(template, stage)
        tree = extracted / "package" / "vendor" / triple
        shutil.copytree(
            tree, stage / "src" / "codex_cli_bin", dirs_exist_ok=True, ignore=shutil.ignore_patterns("voice")
        )
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(scratch / "plain-out")]
        if asked.get("install"):
            command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target"]
            command.append(str(scratch / "plain-target"))
        subprocess.run([*command, str(stage)], check=True, capture_output=True)
        shutil.rmtree(extracted)
        shutil.rmtree(stage)


def _ratio(work: str, theirs: Sequence[float], mine: Sequence[float], bound: float) -> dict[str, object]:
    ratio = statistics.median(mine) / statistics.median(theirs)
    return _row(
        work,
        f"{statistics.median(theirs):.1f} s",
        f"{statistics.median(mine):.2f} s",
        ratio,
        f"at most {bound:.3f}",
        bound,
    )


def _row(work: str, plain_figure: str, our_figure: str, figure: float, bound: str, limit: float) -> dict[str, object]:
    return {
        "work": work,
        "plain": plain_figure,
        "ours": our_figure,
        "figure": f"{figure:.3f}",
        "bound": bound,
        "held": figure <= limit,
    }


if __name__ == "__main__":
    sys.exit(main())
