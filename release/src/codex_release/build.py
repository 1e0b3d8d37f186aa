"""Building a release: runtime wheels of many targets and the client pinned to them, checked before they appear.

Everything is made in a scratch directory beside the output and moved there at the end, when all of it has passed; a
failure leaves the output as it was. What did not change since the last build is not made again.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from codex_release.atomic import remove_tree
from codex_release.atomic import replace as move
from codex_release.build_record import Artifact, BuildRecord, digest_of, fingerprint, toolkit_fingerprint
from codex_release.check import check_files
from codex_release.deflater import Deflater
from codex_release.digests import FileDigest, file_digest
from codex_release.errors import CheckError, LockError
from codex_release.inspect import inspect_tree
from codex_release.lock import Lock, LockedArchive
from codex_release.sbom import Provenance
from codex_release.stage import stage_runtime, stage_sdk
from codex_release.tree import tree_key
from codex_release.wheel import assemble, build_distribution, submit_payload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from codex_release.fetch import Fetcher
    from codex_release.platform_tags import Variant
    from codex_release.progress import Progress
    from codex_release.targets import Catalog, Target
    from codex_release.tree import RuntimeTree
    from codex_release.versions import ReleaseVersion
    from codex_release.workspace import Workspace

__all__ = ["BuildRequest", "Builder", "Built"]

_CLIENT = "client"


@dataclass(frozen=True)
class BuildRequest:
    """What to build.

    Attributes:
        version: the runtime.
        targets: the platforms to make wheels for.
        out: where the files go.
        sdk_version: the client's version (PEP 440); the runtime's if `None`.
        store: leave payloads uncompressed.
        epoch: the date of everything, in seconds since 1970.
        jobs: how many things to do at a time.
    """

    version: ReleaseVersion
    targets: Sequence[Target]
    out: Path
    sdk_version: str | None = None
    store: bool = False
    epoch: int = 0
    jobs: int = 1


@dataclass(frozen=True)
class Built:
    """One file of a finished build, and whether it was there unchanged."""

    artifact: Artifact
    reused: bool


@dataclass(frozen=True)
class _Wheel:
    """A runtime wheel in the making."""

    target: Target
    tree: RuntimeTree
    variant: Variant
    provenance: Provenance
    inputs: str
    fetch_seconds: float


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
        request.out.mkdir(parents=True, exist_ok=True)
        record = BuildRecord.read(request.out)
        inputs = self._inputs(request)
        with ThreadPoolExecutor(request.jobs) as pool:
            unchanged = dict(
                zip(
                    inputs,
                    pool.map(lambda part: record.unchanged(part, inputs[part], request.out), inputs),
                    strict=True,
                )
            )
        fresh = {part: digest for part, digest in inputs.items() if not unchanged[part]}
        made = self._make(request, fresh) if fresh else {}
        self._remember(request, record, made)
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
            payload = tree_key(locked.files) if locked else str(time.time_ns())
            archives = {name: each.digest.sha256 for name, each in locked.archives.items()} if locked else {}
            parts[target.triple] = digest_of(
                {**common, "template": template, "payload": payload, "archives": archives, "store": request.store}
            )
        sdk = self.workspace.sdk
        sources = fingerprint([sdk / "pyproject.toml", sdk / "README.md", sdk / "src"])
        parts[_CLIENT] = digest_of({**common, "sources": sources, "sdk_version": request.sdk_version})
        return parts

    def _make(self, request: BuildRequest, inputs: Mapping[str, str]) -> dict[str, tuple[Artifact, ...]]:
        """Make the parts that changed, and move them to the output once all have passed."""
        scratch = Path(tempfile.mkdtemp(prefix=".codex-release-", dir=request.out))
        try:
            with ThreadPoolExecutor(1) as aside:
                client = aside.submit(self._client, request, inputs[_CLIENT], scratch) if _CLIENT in inputs else None
                wheels = self._trees(request, inputs)
                made, known = self._assemble(request, wheels, scratch)
                made += client.result() if client else []
            files = [scratch / artifact.name for _, artifact in made]
            for verdict in check_files(files, self.catalog, self.lock, known, request.jobs):
                if verdict.problems:
                    raise CheckError(f"{verdict.path.name} does not pass: {' | '.join(verdict.problems)}")
            for file in files:
                move(file, request.out / file.name)
        finally:
            remove_tree(scratch)
        parts: dict[str, tuple[Artifact, ...]] = {}
        for part, artifact in made:
            parts[part] = (*parts.get(part, ()), artifact)
        return parts

    def _trees(self, request: BuildRequest, inputs: Mapping[str, str]) -> list[_Wheel]:
        """The verified trees of the changed targets, and the wheels that follow from their executables."""
        targets = [target for target in request.targets if target.triple in inputs]

        def plan(target: Target) -> list[_Wheel]:
            begun = time.monotonic()
            archives: Mapping[str, LockedArchive]
            if self.lock is not None:
                locked = self.lock.require(request.version, target)
                fetched = self.fetcher.locked(request.version, target, locked)
                archives = locked.archives
            else:
                fetched = self.fetcher.published(request.version, target)
                if fetched.archive is None:  # pragma: no cover - an unlocked fetch always unpacks
                    raise LockError(f"nothing vouches for {request.version} on {target.triple}")
                archives = {fetched.archive.source: LockedArchive(fetched.archive.name, fetched.archive.digest)}
            inspection = inspect_tree(fetched.tree, target, self.catalog.layout)
            provenance = Provenance(request.version, target, archives)
            spent = (time.monotonic() - begun) / len(inspection.variants)
            return [
                _Wheel(target, fetched.tree, variant, provenance, inputs[target.triple], spent)
                for variant in inspection.variants
            ]

        with ThreadPoolExecutor(request.jobs) as pool:
            return [wheel for planned in pool.map(plan, targets) for wheel in planned]

    def _assemble(
        self, request: BuildRequest, wheels: Sequence[_Wheel], scratch: Path
    ) -> tuple[list[tuple[str, Artifact]], dict[str, RuntimeTree]]:
        """Skeletons by hatchling, then all wheels at once; the deflater bounds threads and memory."""
        if not wheels:
            return [], {}
        self.progress.note(f"compressing {len(wheels)} wheel{'s' if len(wheels) > 1 else ''}")
        made: list[tuple[str, Artifact]] = []
        known: dict[str, RuntimeTree] = {}
        # The outer pool is left last: closing the deflater first ends whoever still waits for it.
        with ThreadPoolExecutor(len(wheels)) as pool, Deflater(request.jobs) as deflater:
            shipped = [wheel.tree.without(wheel.variant.left_out) for wheel in wheels]
            for tree in shipped:
                submit_payload(tree, deflater, store=request.store)
            skeletons = self._skeletons(request, wheels, scratch)

            def finish(index: int) -> tuple[str, Artifact]:
                begun = time.monotonic()
                path, digest = assemble(
                    skeletons[index],
                    shipped[index],
                    scratch,
                    module=self.catalog.module,
                    layout=self.catalog.layout,
                    deflater=deflater,
                    epoch=request.epoch,
                )
                wheel = wheels[index]
                seconds = wheel.fetch_seconds + time.monotonic() - begun
                return path.name, _artifact(path, digest, wheel.target.triple, wheel.inputs, seconds)

            finished = list(pool.map(finish, range(len(wheels))))
        for wheel, tree, (name, artifact) in zip(wheels, shipped, finished, strict=True):
            made.append((wheel.target.triple, artifact))
            known[name] = tree
        return made, known

    def _skeletons(self, request: BuildRequest, wheels: Sequence[_Wheel], scratch: Path) -> list[Path]:
        """Hatchling's wheels without payload, one for each wheel to make."""

        def make(index: int) -> Path:
            wheel = wheels[index]
            stage = scratch / f"stage-{index}"
            stage_runtime(
                stage,
                wheel.tree,
                wheel.variant,
                wheel.provenance,
                catalog=self.catalog,
                workspace=self.workspace,
                payload=False,
            )
            out = scratch / f"skeleton-{index}"
            return build_distribution("wheel", stage, out, epoch=request.epoch, settings={"payload": "omit"})

        with ThreadPoolExecutor(request.jobs) as pool:
            return list(pool.map(make, range(len(wheels))))

    def _client(self, request: BuildRequest, inputs: str, scratch: Path) -> list[tuple[str, Artifact]]:
        """The client's wheel and sdist, pinned to the runtime."""
        stage = scratch / "stage-client"
        stage_sdk(
            stage, request.version, sdk_version=request.sdk_version, catalog=self.catalog, workspace=self.workspace
        )

        def make(kind: str) -> tuple[str, Artifact]:
            begun = time.monotonic()
            path = build_distribution(kind, stage, scratch, epoch=request.epoch)
            return _CLIENT, _artifact(path, file_digest(path), "", inputs, time.monotonic() - begun)

        with ThreadPoolExecutor(request.jobs) as pool:
            return list(pool.map(make, ("wheel", "sdist")))

    def _remember(self, request: BuildRequest, record: BuildRecord, made: Mapping[str, tuple[Artifact, ...]]) -> None:
        """Note what was made; files of earlier builds that it supersedes go."""
        if not made:
            return
        parts = {**record.parts, **made}
        kept = {artifact.name for listed in parts.values() for artifact in listed}
        for listed in record.parts.values():
            for artifact in listed:
                if artifact.name not in kept:
                    (request.out / artifact.name).unlink(missing_ok=True)
        BuildRecord(parts).write(request.out)


def _artifact(path: Path, digest: FileDigest, target: str, inputs: str, seconds: float) -> Artifact:
    kind = "wheel" if path.suffix == ".whl" else "sdist"
    tag = path.stem.split("-", 2)[2] if kind == "wheel" else ""
    return Artifact(path.name, kind, tag, target, digest.size, digest.sha256, inputs, round(seconds, 2))
