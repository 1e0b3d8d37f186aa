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

from codex_release.base.errors import BuildError, system_errors_as
from codex_release.base.switch import exclusive, finish_broken_off, put_alone
from codex_release.base.words import counted
from codex_release.base.workplace import workplace
from codex_release.building.build_record import (
    RECORD,
    Artifact,
    BuildRecord,
    digest_of,
    fingerprint,
    toolkit_fingerprint,
)
from codex_release.check.metadata import MetadataCheck
from codex_release.check.release import check_files, require_passed
from codex_release.check.runtime import Assembled
from codex_release.facts.lock import Lock, LockedArchive
from codex_release.wheels.assembler import Shipment, assemble, repack_sdist
from codex_release.wheels.backend import Backend
from codex_release.wheels.deflater import Deflater
from codex_release.wheels.payload import Payload
from codex_release.wheels.sbom import Provenance
from codex_release.wheels.stage import stage_runtime, stage_sdk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from codex_release.base.digests import FileDigest
    from codex_release.base.progress import Progress
    from codex_release.check.release import FileVerdict
    from codex_release.facts.targets import Catalog, Target
    from codex_release.facts.versions import ReleaseVersion
    from codex_release.facts.workspace import Workspace
    from codex_release.fetching.download import StoredArchive
    from codex_release.fetching.fetcher import Fetcher

    _Judged = Future[list[FileVerdict]]
    _Made = tuple[Artifact, _Judged]

__all__ = ["BuildRequest", "Builder", "Built"]

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
        epoch: the date of everything, in seconds since 1970.
        jobs: how many things to do at a time.
        with_client: make the client too.
    """

    version: ReleaseVersion
    targets: Sequence[Target]
    out: Path
    sdk_version: str
    store: bool = False
    epoch: int = 0
    jobs: int = 1
    with_client: bool = True


@dataclass(frozen=True)
class Built:
    """One file of a finished build, and whether it was there unchanged."""

    artifact: Artifact
    reused: bool


@dataclass(frozen=True)
class Builder:
    """Builds releases of one checkout.

    Attributes:
        catalog: the data file.
        workspace: the checkout.
        fetcher: brings runtimes here.
        lock: what payloads must be; `None` builds what a source's published digest vouches for.
        progress: where to say what is going on.
    """

    catalog: Catalog
    workspace: Workspace
    fetcher: Fetcher
    lock: Lock | None
    progress: Progress

    def build(self, request: BuildRequest) -> list[Built]:
        """Build, check, and put everything into the output directory.

        Returns:
            every file of the request, the runtimes in the order of the targets and the client last.

        Raises:
            ReleaseError: if anything does not hold; the output is as it was then.
        """
        if self.lock is not None:
            for target in request.targets:
                self.lock.require(request.version, target)
        if request.out.exists() and not request.out.is_dir():
            raise BuildError(f"{request.out} is no directory", remedy="name one to build into with --out")
        remedy = "make room there and let it be written, or name another directory with --out"
        with contextlib.ExitStack() as stack:
            with system_errors_as(BuildError, f"{request.out} cannot be built into", remedy):
                scratch = stack.enter_context(workplace(request.out))
                with exclusive(request.out, _SWITCH):
                    finish_broken_off(_SWITCH, (request.out,))
            record, inputs = BuildRecord.read(request.out), self._inputs(request)
            pool = stack.enter_context(ThreadPoolExecutor(request.jobs))
            found = pool.map(lambda part: record.unchanged(part, inputs[part], request.out), inputs)
            unchanged = dict(zip(inputs, found, strict=True))
            fresh = {part: digest for part, digest in inputs.items() if not unchanged[part]}
            made = self._make(request, fresh, scratch) if fresh else {}
        return [
            Built(artifact, reused=part not in made) for part in inputs for artifact in made.get(part, unchanged[part])
        ]

    def _inputs(self, request: BuildRequest) -> dict[str, str]:
        """For each part of the build, the digest of all that decides its bytes.

        Without a lock the payload is not known beforehand, so nothing counts as unchanged.
        """
        common = {
            "version": request.version.codex,
            "epoch": request.epoch,
            "toolkit": toolkit_fingerprint(),
            "tools": {name: metadata.version(name) for name in ("deflate", "hatchling")},
            "facts": fingerprint([self.workspace.targets_file, self.workspace.license]),
        }
        template = fingerprint([self.workspace.runtime_template])
        parts = {}
        for target in request.targets:
            locked = self.lock.targets[target.triple] if self.lock else None
            runtime = asdict(locked) if locked else time.time_ns()
            parts[target.triple] = digest_of(
                {**common, "template": template, "runtime": runtime, "store": request.store}
            )
        if not request.with_client:
            return parts
        sdk = self.workspace.sdk
        sources = fingerprint([sdk / "pyproject.toml", sdk / "README.md", sdk / "src"])
        parts[_CLIENT] = digest_of({**common, "sources": sources, "sdk_version": request.sdk_version})
        return parts

    def _make(self, request: BuildRequest, inputs: Mapping[str, str], scratch: Path) -> dict[str, tuple[Artifact, ...]]:
        """Make the parts that changed, and move them to the output once all have passed."""
        # What is stored uncompressed stays on this machine, and may be larger than an index takes.
        unlimited = dict.fromkeys(self.catalog.size_limits, sys.maxsize)
        catalog = replace(self.catalog, size_limits=unlimited) if request.store else self.catalog
        with Backend(request.epoch) as backend, MetadataCheck(aside=True) as programs, ThreadPoolExecutor(1) as aside:

            def judge(path: Path, known: Assembled | None) -> _Judged:
                listed = {path.name: known} if known else {}
                return aside.submit(
                    check_files, [path], catalog, self.lock, listed, metadata=programs, workspace=self.workspace
                )

            making = _Making(request, inputs, scratch, backend, judge)
            client = aside.submit(self._client, making) if _CLIENT in inputs else None
            try:
                made = self._wheels(making) + (client.result() if client else [])
                verdicts = [verdict for _, judged in made for verdict in judged.result()]
            except BaseException:  # what waits to be judged need not be
                aside.shutdown(wait=False, cancel_futures=True)
                raise
        require_passed(verdicts)
        parts: dict[str, tuple[Artifact, ...]] = {}
        for artifact, _ in made:
            part = artifact.target or _CLIENT
            parts[part] = (*parts.get(part, ()), artifact)
        self._put(request.out, scratch, parts)
        return parts

    def _put(self, out: Path, scratch: Path, made: Mapping[str, tuple[Artifact, ...]]) -> None:
        """Move what was made to the output, with the note of it; files of earlier builds that it supersedes go."""
        comes = {each.name: scratch / each.name for listed in made.values() for each in listed}
        what = f"{', '.join(comes)} cannot be moved to {out}, which is as it was"
        remedy = "close what uses those files, look whether the directory may be written, and build again"
        # Two builds may share a directory: each finds what the other has noted.
        with system_errors_as(BuildError, what, remedy), exclusive(out, _SWITCH):
            record = BuildRecord.read(out)
            parts = {**record.parts, **made}
            kept = {each.name for listed in parts.values() for each in listed}
            gone = [each.name for listed in record.parts.values() for each in listed if each.name not in kept]
            put_alone(out, _SWITCH, {**comes, RECORD: BuildRecord(parts).dumps()}, gone)

    def _wheels(self, making: _Making) -> list[_Made]:
        """The changed targets' wheels: as many at a time as there are jobs, the largest first."""
        request = making.request
        targets = [target for target in request.targets if target.triple in making.inputs]
        if not targets:
            return []
        self.progress.note(f"building the wheels of {counted(len(targets), 'platform')}")
        # The outer pool is left last: closing the deflater first ends whoever still waits for it.
        with ThreadPoolExecutor(request.jobs) as pool, Deflater(request.jobs) as deflater:
            begun = {}
            for turn, target in enumerate(self._in_turn(targets)):
                payload = Payload(target, self.catalog.layout, deflater, store=request.store, turn=turn)
                begun[target.triple] = pool.submit(self._wheels_of, payload, making)
            try:
                return [wheel for target in targets for wheel in begun[target.triple].result()]
            finally:
                for each in begun.values():
                    each.cancel()

    def _in_turn(self, targets: Sequence[Target]) -> list[Target]:
        """The largest first, so that none of them is left over at the end; but beside the very largest the smallest.

        The two largest together would not fit into the memory there is, and one core would have nothing to do.
        """
        if self.lock is None:
            return list(targets)
        locked = self.lock.targets
        size = {target: sum(each.size for each in locked[target.triple].files.values()) for target in targets}
        order = sorted(targets, key=lambda target: -size[target])
        if len(order) > _APART:
            order.insert(1, order.pop())
        return order

    def _wheels_of(self, payload: Payload, making: _Making) -> list[_Made]:
        """One target's wheels: read the archive into memory, verify, compress, assemble."""
        begun = time.monotonic()
        target, request = payload.target, making.request
        try:
            files, provenance = self._read(request.version, payload)
            wheels = []
            variants = payload.inspection().variants
            for number, variant in enumerate(variants):
                work = making.scratch / f"{target.triple}-{number}"
                stage = work / "stage"
                stage_runtime(stage, files, variant, provenance, catalog=self.catalog, workspace=self.workspace)
                skeleton = making.backend.build("wheel", stage, work / "skeleton", {"payload": "omit"})
                shipped = {path: digest for path, digest in files.items() if path not in variant.left_out}
                entry = partial(payload.entry, keep=variant != variants[-1])
                shipment = Shipment(shipped, entry, self.catalog.module, self.catalog.layout)
                path, digest = assemble(skeleton, making.scratch, epoch=request.epoch, shipment=shipment)
                artifact = _artifact(path, digest, target.triple, making.inputs[target.triple], begun)
                wheels.append((artifact, making.judge(path, Assembled(shipped, payload.inspection(variant.left_out)))))
            return wheels
        finally:
            payload.release()

    def _read(self, version: ReleaseVersion, payload: Payload) -> tuple[Mapping[str, FileDigest], Provenance]:
        """Read a runtime into a payload; what its files are, and where they come from.

        With a lock that is what the lock says, whoever served the bytes today: so they give the same wheel.
        """
        target = payload.target
        locked = self.lock.require(version, target) if self.lock else None

        def read(stored: StoredArchive) -> tuple[Mapping[str, FileDigest], Provenance]:
            payload.release()  # what an archive before this one left
            files = self.catalog.layout.payload(self.fetcher.read(stored, payload, version, target, locked))
            if locked:
                return files, Provenance.of(version, target, locked)
            return files, Provenance(version, target, {stored.source: LockedArchive(stored.name, stored.digest)})

        return self.fetcher.archive(version, target, locked, read)

    def _client(self, making: _Making) -> list[_Made]:
        """The client's wheel and sdist, pinned to the runtime."""
        request, stage = making.request, making.scratch / "stage-client"
        stage_sdk(
            stage, request.version, sdk_version=request.sdk_version, catalog=self.catalog, workspace=self.workspace
        )
        made = []
        for kind, write in (("wheel", assemble), ("sdist", repack_sdist)):
            begun = time.monotonic()
            built = making.backend.build(kind, stage, making.scratch / "client")
            path, digest = write(built, making.scratch, epoch=request.epoch)
            made.append((_artifact(path, digest, "", making.inputs[_CLIENT], begun), making.judge(path, None)))
        return made


@dataclass(frozen=True)
class _Making:
    """What the parts of one build are made with.

    Attributes:
        request: what is asked for.
        inputs: of the parts that changed, the digest of all that decides their bytes.
        scratch: where the files are made.
        backend: who makes what is not payload.
        judge: checks a finished file aside, while others are compressed.
    """

    request: BuildRequest
    inputs: Mapping[str, str]
    scratch: Path
    backend: Backend
    judge: Callable[[Path, Assembled | None], _Judged]


def _artifact(path: Path, digest: FileDigest, target: str, inputs: str, begun: float) -> Artifact:
    kind = "wheel" if path.suffix == ".whl" else "sdist"
    tag = path.stem.split("-", 2)[2] if kind == "wheel" else ""
    seconds = round(time.monotonic() - begun, 2)
    return Artifact(path.name, kind, tag, target, digest.size, digest.sha256, inputs, seconds)
