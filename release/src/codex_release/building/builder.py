"""Building a release: runtime wheels of many targets and the client pinned to them, checked before they appear.

Everything is made in a scratch directory beside the output and moved there at the end, all at once, when all of it has
passed; a failure leaves the output as it was. What did not change since the last build is not made again.
"""

from __future__ import annotations

import contextlib
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING

from codex_release.base.errors import BuildError, StageError, system_errors_as
from codex_release.base.once import made_once
from codex_release.base.scratch import scratch_directory
from codex_release.base.switch import exclusive, finish_broken_off, put_alone
from codex_release.base.words import counted
from codex_release.building.build_record import (
    RECORD,
    Artifact,
    BuildRecord,
    digest_of,
    fingerprint,
    toolkit_fingerprint,
)
from codex_release.check.metadata import MetadataCheck
from codex_release.check.release import FileVerdict, check_files, require_passed
from codex_release.check.runtime import Assembled
from codex_release.facts.lock import LockedArchive, LockedTarget, Runtime
from codex_release.wheels.assembler import Shipment, assemble, repack_sdist
from codex_release.wheels.backend import Backend
from codex_release.wheels.deflater import Deflater
from codex_release.wheels.payload import Payload
from codex_release.wheels.stage import fill_runtime, fill_sdk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from codex_release.base.digests import FileDigest
    from codex_release.context import Context
    from codex_release.facts.targets import Target
    from codex_release.facts.versions import ReleaseVersion
    from codex_release.fetching.download import StoredArchive

    _Judged = Future[list[FileVerdict]]
    _Made = tuple[Artifact, _Judged]

__all__ = ["BuildRequest", "Built", "build"]

_CLIENT = "client"
_SWITCH = "codex-release-build"
_APART = 3
"""How many targets it takes for two of them to be kept apart."""


@dataclass(frozen=True)
class BuildRequest:
    """What to build.

    Attributes:
        version: the runtime.
        targets: the platforms to make wheels for; none, if only the client is wanted.
        out: where the files go.
        sdk_version: the client's version (PEP 440).
        store: leave payloads uncompressed.
        unlocked: take what a source's published digest vouches for, without the lock.
        with_client: make the client too.
    """

    version: ReleaseVersion
    targets: Sequence[Target]
    out: Path
    sdk_version: str
    store: bool = False
    unlocked: bool = False
    with_client: bool = True


@dataclass(frozen=True)
class Built:
    """One file of a finished build, and whether it was there unchanged."""

    artifact: Artifact
    reused: bool


def build(request: BuildRequest, context: Context) -> list[Built]:
    """Build, check, and put everything into the output directory.

    Returns:
        every file of the request, the runtimes in the order of the targets and the client last.

    Raises:
        ReleaseError: if anything does not hold; the output is as it was then.
    """
    out = request.out
    if not request.unlocked:
        for target in request.targets:
            context.lock.require(request.version, target)
    if out.exists() and not out.is_dir():
        raise BuildError(f"{out} is no directory", remedy="name one to build into with --out")
    remedy = "make room there and let it be written, or name another directory with --out"
    with system_errors_as(BuildError, f"{out} cannot be built into", remedy), contextlib.ExitStack() as stack:
        scratch = stack.enter_context(scratch_directory(out))
        with exclusive(out, _SWITCH):
            finish_broken_off(_SWITCH, (out,))
        record, inputs = BuildRecord.read(out), _inputs(request, context)
        pool = stack.enter_context(ThreadPoolExecutor(context.jobs))
        found = pool.map(lambda part: record.unchanged(part, inputs[part], out), inputs)
        unchanged = dict(zip(inputs, found, strict=True))
        fresh = {part: digest for part, digest in inputs.items() if not unchanged[part]}
        made = _made(request, context, fresh, scratch) if fresh else {}
    return [Built(artifact, reused=part not in made) for part in inputs for artifact in made.get(part, unchanged[part])]


def _inputs(request: BuildRequest, context: Context) -> dict[str, str]:
    """For each part of the build, the digest of all that decides its bytes.

    Without a lock the payload is not known beforehand, so nothing counts as unchanged.
    """
    workspace = context.workspace
    common = {
        "version": request.version.codex,
        "epoch": context.settings.epoch,
        "toolkit": toolkit_fingerprint(),
        "tools": {name: metadata.version(name) for name in ("deflate", "hatchling")},
        "facts": fingerprint([workspace.targets_file, workspace.license]),
    }
    template = fingerprint([workspace.runtime_template])
    parts = {}
    for target in request.targets:
        runtime = time.time_ns() if request.unlocked else asdict(context.lock.targets[target.triple])
        parts[target.triple] = digest_of({**common, "template": template, "runtime": runtime, "store": request.store})
    if request.with_client:
        sdk = workspace.sdk
        sources = fingerprint([sdk / "pyproject.toml", sdk / "README.md", sdk / "src"])
        parts[_CLIENT] = digest_of({**common, "sources": sources, "sdk_version": request.sdk_version})
    return parts


def _made(
    request: BuildRequest, context: Context, inputs: Mapping[str, str], scratch: Path
) -> dict[str, tuple[Artifact, ...]]:
    """The parts of one build that changed, in the output once all have passed."""
    with (
        Backend(context.settings.epoch) as backend,
        MetadataCheck(aside=True) as programs,
        ThreadPoolExecutor(1) as aside,
    ):
        made, verdicts = _Build(request, context, inputs, scratch, backend, programs, aside).make()
    require_passed(verdicts)
    parts: dict[str, tuple[Artifact, ...]] = {}
    for artifact in made:
        part = artifact.target or _CLIENT
        parts[part] = (*parts.get(part, ()), artifact)
    _put(parts, scratch, request.out, {*context.catalog.triples, _CLIENT})
    return parts


def _put(made: Mapping[str, tuple[Artifact, ...]], scratch: Path, out: Path, known: Collection[str]) -> None:
    """Move what was made to the output, with the note of it.

    Files of earlier builds that it supersedes go, and those of parts that are not known any more.
    """
    comes = {each.name: scratch / each.name for listed in made.values() for each in listed}
    what = f"{', '.join(comes)} cannot be moved to {out}, which is as it was"
    remedy = "close what uses those files, look whether the directory may be written, and build again"
    # Two builds may share a directory: each finds what the other has noted.
    with system_errors_as(BuildError, what, remedy), exclusive(out, _SWITCH):
        record = BuildRecord.read(out)
        parts = {part: listed for part, listed in {**record.parts, **made}.items() if part in known}
        kept = {each.name for listed in parts.values() for each in listed}
        gone = [each.name for listed in record.parts.values() for each in listed if each.name not in kept]
        put_alone(out, _SWITCH, {**comes, RECORD: BuildRecord(parts).dumps()}, gone)


@contextlib.contextmanager
def _staging(directory: Path) -> Iterator[None]:
    """A new directory to stage in, made in its place: it lies in the scratch directory, where nobody else looks."""
    with system_errors_as(StageError, f"{directory} cannot be staged"):
        directory.mkdir(parents=True)
        yield


@dataclass(frozen=True)
class _Build:
    """The parts of one build that changed, on their way.

    Attributes:
        inputs: of these parts, the digest of all that decides their bytes.
        scratch: where the files are made.
        programs: check the metadata.
        aside: a thread beside those that compress.
    """

    request: BuildRequest
    context: Context
    inputs: Mapping[str, str]
    scratch: Path
    backend: Backend
    programs: MetadataCheck
    aside: ThreadPoolExecutor

    @made_once
    def judging(self) -> Context:
        """What files are held against: what is not compressed stays here, and may be larger than an index takes."""
        unlimited = self.context.catalog.limited(sys.maxsize)
        return self.context.replaced(catalog=unlimited) if self.request.store else self.context

    def make(self) -> tuple[list[Artifact], list[FileVerdict]]:
        """Make and judge them."""
        client = self.aside.submit(self._client) if _CLIENT in self.inputs else None
        try:
            made = self._wheels() + (client.result() if client else [])
            verdicts = [verdict for _, judged in made for verdict in judged.result()]
        except BaseException:  # what waits to be judged need not be
            self.aside.shutdown(wait=False, cancel_futures=True)
            raise
        return [artifact for artifact, _ in made], verdicts

    def _judge(self, path: Path, known: Assembled | None = None) -> _Judged:
        """Check a finished file aside, while others are compressed."""
        return self.aside.submit(
            check_files,
            [path],
            self.judging,
            unlocked=self.request.unlocked,
            known={path.name: known} if known else None,
            metadata=self.programs,
        )

    def _wheels(self) -> list[_Made]:
        """The changed targets' wheels: as many at a time as there are jobs, the largest first."""
        targets = [target for target in self.request.targets if target.triple in self.inputs]
        if not targets:
            return []
        jobs = self.context.jobs
        self.context.progress.note(f"building the wheels of {counted(len(targets), 'platform')}")
        # The outer pool is left last: closing the deflater first ends whoever still waits for it.
        with ThreadPoolExecutor(jobs) as pool, Deflater(jobs) as deflater:
            begun = {}
            for turn, target in enumerate(self._in_turn(targets)):
                payload = Payload(target, self.context.catalog.layout, deflater, store=self.request.store, turn=turn)
                begun[target.triple] = pool.submit(self._wheels_of, payload)
            try:
                return [wheel for target in targets for wheel in begun[target.triple].result()]
            finally:
                for each in begun.values():
                    each.cancel()

    def _in_turn(self, targets: Sequence[Target]) -> list[Target]:
        """The largest first, so that none of them is left over at the end; but beside the very largest the smallest.

        The two largest together would not fit into the memory there is, and one core would have nothing to do.
        """
        if self.request.unlocked:
            return list(targets)
        locked = self.context.lock.targets
        size = {target: sum(each.size for each in locked[target.triple].files.values()) for target in targets}
        order = sorted(targets, key=lambda target: -size[target])
        if len(order) > _APART:
            order.insert(1, order.pop())
        return order

    def _wheels_of(self, payload: Payload) -> list[_Made]:
        """One target's wheels: read the archive into memory, verify, compress, assemble."""
        begun, triple, catalog = time.monotonic(), payload.target.triple, self.context.catalog
        try:
            files, runtime = self._read(payload)
            wheels = []
            variants = payload.inspection().variants
            for number, variant in enumerate(variants):
                work = self.scratch / f"{triple}-{number}"
                stage = work / "stage"
                with _staging(stage):
                    fill_runtime(stage, files, variant, runtime, catalog=catalog, workspace=self.context.workspace)
                skeleton = self.backend.build("wheel", stage, work / "skeleton", {"payload": "omit"})
                shipped = {path: digest for path, digest in files.items() if path not in variant.left_out}
                entry = partial(payload.entry, keep=variant != variants[-1])
                shipment = Shipment(shipped, entry, catalog.module, catalog.layout)
                path, digest = assemble(skeleton, self.scratch, epoch=self.context.settings.epoch, shipment=shipment)
                known = Assembled(shipped, payload.inspection(variant.left_out))
                wheels.append((self._artifact(path, digest, triple, begun), self._judge(path, known)))
            return wheels
        finally:
            payload.release()

    def _read(self, payload: Payload) -> tuple[Mapping[str, FileDigest], Runtime]:
        """Read a runtime into a payload; what its files are, and where they come from.

        With a lock that is what the lock says, whoever served the bytes today: so they give the same wheel.
        """
        unlocked, fetcher = self.request.unlocked, self.context.fetcher
        runtime = self.context.runtime(self.request.version, payload.target, unlocked=unlocked)
        alone = len(self.inputs.keys() - {_CLIENT}) == 1

        def read(stored: StoredArchive) -> tuple[Mapping[str, FileDigest], Runtime]:
            payload.release()  # what an archive before this one left
            files = self.context.catalog.layout.payload(fetcher.read(stored, payload, runtime, alone=alone))
            found = LockedTarget({stored.source: LockedArchive(stored.name, stored.digest)}, files)
            return files, replace(runtime, known=runtime.known or found)

        return fetcher.archive(runtime, read)

    def _client(self) -> list[_Made]:
        """The client's wheel and sdist, pinned to the runtime."""
        request, stage = self.request, self.scratch / "stage-client"
        with _staging(stage):
            fill_sdk(
                stage,
                request.version,
                sdk_version=request.sdk_version,
                catalog=self.context.catalog,
                workspace=self.context.workspace,
            )
        made = []
        for kind, write in (("wheel", assemble), ("sdist", repack_sdist)):
            begun = time.monotonic()
            built = self.backend.build(kind, stage, self.scratch / "client")
            path, digest = write(built, self.scratch, epoch=self.context.settings.epoch)
            made.append((self._artifact(path, digest, "", begun), self._judge(path)))
        return made

    def _artifact(self, path: Path, digest: FileDigest, target: str, begun: float) -> Artifact:
        kind = "wheel" if path.suffix == ".whl" else "sdist"
        tag = path.stem.split("-", 2)[2] if kind == "wheel" else ""
        inputs, seconds = self.inputs[target or _CLIENT], round(time.monotonic() - begun, 2)
        return Artifact(path.name, kind, tag, target, digest.size, digest.sha256, inputs, seconds)
