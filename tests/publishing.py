"""What tests of publishing share: a small release, built once, and a shop window to publish it to, with its faults.

The release has all six targets and their seven wheels, the client and its sdist; only its executables are small. The
index is devpi behind the proxy of `faulty_index`. After every upload that the index took, the promise is checked on the
index itself: who finds the client finds every runtime wheel.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import archives
import httpx
from fake_release import lay_out
from faulty_index import FaultyIndex
from programs import codex_release
from recording import Silent
from until import until

from codex_release.base.digests import file_digest
from codex_release.base.http import Web
from codex_release.base.patience import Clock, RetryPolicy
from codex_release.context import Context
from codex_release.facts.settings import Settings
from codex_release.facts.workspace import Workspace
from codex_release.index.client import PackageIndex
from codex_release.index.repository import Repository
from codex_release.publish.prepare import prepare
from codex_release.publish.publication import publish
from codex_release.publish.result import PublishResult
from codex_release.publish.serving import Inventory, Waiting
from codex_release.publish.upload import Uploader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codex_release.publish.plan import Plan
    from codex_release.rehearse.local_index import LocalIndex

__all__ = ["ANYBODY", "Notes", "SmallRelease", "Window", "pypi_server_window", "stage_window"]

TIMEOUT_S = 120
_PRAISING = Path(__file__).with_name("praising.py")
ANYBODY = {"TWINE_USERNAME": "", "TWINE_PASSWORD": ""}
"""twine's credentials for an index that wants none."""
_JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
_HASTY = RetryPolicy(attempts=3, first_delay_s=0.01, max_delay_s=0.02)
_LISTED = Waiting(wait_s=20.0, first_poll_s=0.05, max_poll_s=0.2)


class Notes(Silent):
    """Collects what would be shown."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        """Keep the line."""
        self.lines.append(text)


def attestation(name: str, sha256: str) -> dict[str, object]:
    """An attestation object (PEP 740) of a file, without a signature that anybody could verify."""
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": name, "digest": {"sha256": sha256}}]}
    encoded = base64.b64encode(json.dumps(statement).encode()).decode()
    return {"version": 1, "envelope": {"statement": encoded, "signature": ""}}


def sign(file: Path, *, name: str = "", sha256: str = "") -> None:
    """Put an attestation beside a finished file, of the file itself if nothing else is said."""
    attested = attestation(name or file.name, sha256 or file_digest(file).sha256)
    file.with_name(f"{file.name}.publish.attestation").write_text(json.dumps(attested), encoding="utf-8")


@dataclass(frozen=True)
class SmallRelease:
    """A release in miniature.

    Attributes:
        root: its checkout.
        dist: its finished files.
    """

    root: Path
    dist: Path

    @classmethod
    def at(cls, directory: Path) -> SmallRelease:
        """The one below a directory; it is built if it is not there."""
        made = cls(directory / "checkout", directory / "dist")
        if not made.dist.is_dir():
            root, served = lay_out(directory)
            env = {"CODEX_RELEASE_CACHE": str(directory / "cache")}
            common = ("--repo", root, "--source", served)
            codex_release("lock", archives.VERSION, *common, env=env)
            codex_release("build", "--all", "--out", made.dist, *common, env=env)
        return made

    @property
    def archives(self) -> Path:
        """The directory with the archives of its runtimes."""
        return self.root.parent / "archives"

    @property
    def runtime(self) -> list[str]:
        """The names of the runtime wheels, in the order of their upload."""
        return sorted(path.name for path in self.dist.glob("codex_cli_bin-*.whl"))

    @property
    def client(self) -> list[str]:
        """The names of the client's files, in the order of their upload."""
        return [path.name for path in (*self.dist.glob("codex_app*.whl"), *self.dist.glob("codex_app*.tar.gz"))]

    @property
    def names(self) -> list[str]:
        """All names, in the order of their upload."""
        return [*self.runtime, *self.client]

    def copy(self, directory: Path) -> Path:
        """Its finished files once more, to do harm to."""
        # Another test may publish from there at this moment, and leave its report.
        shutil.copytree(self.dist, directory, ignore=shutil.ignore_patterns(".codex-release-report*"))
        return directory


@dataclass
class Window:
    """An index to publish to, and what passers-by see.

    Attributes:
        release: what is published.
        proxy: what the publisher reaches the index through.
        upload_url: for uploads, through the proxy.
        direct_url: the simple API, past the proxy.
        broken_promises: the states of the index in which somebody would have found a client without its runtime.
        notes: what the publisher showed.
    """

    release: SmallRelease
    proxy: FaultyIndex
    upload_url: str
    direct_url: str
    broken_promises: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def index_url(self) -> str:
        """The simple API, through the proxy."""
        return self.direct_url.replace(self.proxy.upstream, self.proxy.url)

    def listed(self) -> list[str]:
        """The names of all files on the index."""
        names: list[str] = []
        with httpx.Client(trust_env=False, timeout=TIMEOUT_S) as client:
            for project in ("codex-cli-bin", "codex-app-server-sdk"):
                answer = client.get(f"{self.direct_url}{project}/", headers=_JSON)
                if answer.is_success and "json" in answer.headers["content-type"]:
                    names += [each["filename"] for each in answer.json()["files"]]
                elif answer.is_success:
                    names += re.findall(r">\s*([^<\s]+)\s*</a>", answer.text)
        return names

    def seed(self, file: Path | str) -> None:
        """Upload a file past the proxy, as somebody else would; a name stands for the release's own file."""
        file = self.release.dist / file
        project, version = file.name.split("-")[:2]
        form = {":action": "file_upload", "name": project, "version": version, "filetype": "bdist_wheel"}
        url = self.direct_url.replace("+simple/", "")
        with httpx.Client(trust_env=False, timeout=TIMEOUT_S) as client:
            answer = client.post(
                url, data={**form, "metadata_version": "2.1"}, files={"content": (file.name, file.read_bytes())}
            )
        assert answer.is_success, answer.text

    def observe(self) -> None:
        """Note it if the promise does not hold now."""
        names = self.listed()
        if set(names) & set(self.release.client) and set(self.release.runtime) - set(names):
            self.broken_promises.append(names)

    @contextlib.contextmanager
    def inventory(self, index_url: str | None = None) -> Iterator[Inventory]:
        """The index as the publisher reads it."""
        notes = Notes()
        web = Web(notes, RetryPolicy(attempts=4, first_delay_s=0.01, max_delay_s=0.05), Clock())
        with contextlib.closing(web):
            yield Inventory(PackageIndex(index_url or self.index_url, web))
            self.notes += notes.lines

    def plan(self, dist: Path | None = None) -> Plan:
        """What `publish` would do."""
        with self.inventory() as inventory:
            return self._plan(inventory, dist)

    def publish(
        self,
        dist: Path | None = None,
        *,
        waiting: Waiting = _LISTED,
        policy: RetryPolicy = _HASTY,
        start_s: float = 30.0,
    ) -> PublishResult:
        """Publish without patience, in this process; twine and pip run in their own."""
        with self.inventory() as inventory:
            plan = self._plan(inventory, dist)
            repository = Repository.read(None, self.upload_url, {})
            uploader = Uploader(repository, {**os.environ, **ANYBODY}, attested=plan.attested, start_s=start_s)
            return publish(plan, inventory, uploader, waiting, policy)

    def _plan(self, inventory: Inventory, dist: Path | None) -> Plan:
        web = inventory.index.web
        context = Context(lambda: Workspace(self.release.root), Settings.read({}), web.progress, web)
        return prepare(dist or self.release.dist, context, inventory)

    def command(self, *words: str | Path) -> subprocess.Popen[str]:
        """``codex-release publish`` in a process group of its own; faults that kill will kill it.

        The release was checked when it was built.
        """
        argv = ["publish", self.release.dist, "--repository-url", self.upload_url, "--repo", self.release.root, *words]
        process = subprocess.Popen(
            [sys.executable, str(_PRAISING), *map(str, argv)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **ANYBODY},
            start_new_session=True,
        )
        self.proxy.kill = lambda: _kill_group(process)
        return process

    def commanded(self, *words: str | Path) -> tuple[int, str, str]:
        """Run the command to its end, whatever that is: exit code (negative for a kill), output, complaints."""
        process = self.command(*words)
        try:
            out, err = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
        return process.returncode, out, err

    def completes(self) -> PublishResult:
        """A second run, with nothing in its way: it finishes what is missing and sends nothing that is there."""
        there, sent = set(self.listed()), len(self.proxy.diary)
        result = self.publish()
        assert result.problem == ""
        assert [entry.file for entry in self.proxy.diary[sent:]] == [
            name for name in self.release.names if name not in there
        ]
        assert sorted(self.listed()) == sorted(self.release.names)
        assert self.broken_promises == []
        return result


@contextlib.contextmanager
def window(upstream: str, upload_path: str, simple_path: str, release: SmallRelease) -> Iterator[Window]:
    """An index behind a proxy.

    Args:
        upstream: the root of the server, without a slash at the end.
        upload_path: where it takes uploads.
        simple_path: where its simple API is.
        release: what will be published.
    """
    with FaultyIndex(upstream) as proxy:
        shown = Window(release, proxy, f"{proxy.url}{upload_path}", f"{upstream}{simple_path}")
        proxy.observe = shown.observe
        yield shown


@contextlib.contextmanager
def stage_window(index: LocalIndex, name: str, release: SmallRelease) -> Iterator[Window]:
    """A new, empty index of devpi behind a proxy."""
    stage = index.stage(name)
    upload_path, simple_path = (url.removeprefix(index.url) for url in (stage.upload_url, stage.simple_url))
    with window(index.url, upload_path, simple_path, release) as shown:
        yield shown


@contextlib.contextmanager
def pypi_server_window(directory: Path, release: SmallRelease) -> Iterator[tuple[Window, Path]]:
    """A pypiserver behind a proxy, and the directory that it keeps its files in."""
    root = directory / "packages"
    root.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The standard library's server: others wait for all of an upload, and keep no half of it.
    argv = [
        "run",
        "--server",
        "wsgiref",
        "-i",
        "127.0.0.1",
        "-p",
        str(port),
        "-a",
        ".",
        "-P",
        ".",
        "--disable-fallback",
        str(root),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "pypiserver", *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: _answers(url))
        with window(url, "/", "/simple/", release) as shown:
            yield shown, root
    finally:
        process.kill()
        process.wait(TIMEOUT_S)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=TIMEOUT_S).is_success
    except httpx.TransportError:
        return False


def _kill_group(process: subprocess.Popen[str]) -> None:
    """Kill the publisher and its twine at one blow, and wait until they are gone."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, timeout=TIMEOUT_S)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(TIMEOUT_S)
