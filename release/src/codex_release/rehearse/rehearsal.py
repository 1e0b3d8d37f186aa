"""The whole release on one machine: from the lock to a turn of what a stranger would install, on an index of its own.

Every step is the code that a real release runs; only the index is `local_index`. It may be rehearsed for some targets
alone: then a release counts as complete with their wheels, which no public index is ever told.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from codex_release.base.digests import file_digest
from codex_release.base.errors import RehearsalError, ReleaseError, system_errors_as
from codex_release.base.scratch import scratch_directory
from codex_release.base.words import by_number, byte_count, counted
from codex_release.building.builder import BuildRequest, Built, build
from codex_release.check.release import FileVerdict, check_files, require_passed
from codex_release.facts.versions import client_version
from codex_release.index.client import PackageIndex
from codex_release.index.configured import PipSettings
from codex_release.index.repository import Repository
from codex_release.index.resolution import pip_environ
from codex_release.pin.observation import hold, observed
from codex_release.publish.plan import Candidate
from codex_release.publish.prepare import prepare_checked
from codex_release.publish.publication import publish
from codex_release.publish.result import PublishResult, Step, Steps
from codex_release.publish.serving import Inventory, Waiting
from codex_release.publish.upload import Fate, Uploader
from codex_release.rehearse.local_index import IndexStage, local_index
from codex_release.verify.files import installed_problem
from codex_release.verify.index import verify
from codex_release.verify.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from codex_release.context import Context
    from codex_release.facts.targets import Target
    from codex_release.verify.findings import Verification

__all__ = ["RehearsalResult", "rehearse"]

_WAITING = Waiting(wait_s=60.0, first_poll_s=0.1, max_poll_s=1.0)
"""There are no caches between us and the index."""
_ON_THIS_MACHINE = ("install", "codex --version", "initialize", "turn")
"""What only a machine that is one of the targets can do."""


@dataclass(frozen=True)
class RehearsalResult:
    """What came of a rehearsal.

    Attributes:
        version: the runtime, as Codex writes it.
        outcome: ``passed`` or ``failed``.
        targets: the triples that were rehearsed.
        files: the sha256 of each file that was built, by its name.
        steps: in the order they were taken; the last one is the one that failed, if one did.
        seconds: how long all of it took.
        publish: what `publish` did, if it came to that.
        verification: what `verify-index` found, if it came to that.
        problem: why it failed, as one line.
    """

    version: str
    outcome: str
    targets: tuple[str, ...]
    files: Mapping[str, str]
    steps: tuple[Step, ...]
    seconds: float
    publish: PublishResult | None = None
    verification: Verification | None = None
    problem: str = ""

    def data(self) -> dict[str, Any]:
        """For a machine."""
        return {**asdict(self), "verification": self.verification.data() if self.verification else None}


def rehearse(context: Context, targets: Sequence[Target], out: Path, sdk_version: str | None = None) -> RehearsalResult:
    """Rehearse the release of the locked version.

    Args:
        context: what commands share.
        targets: the platforms to release for.
        out: where the built files go and stay; the index and the environment lie there too while it takes.
        sdk_version: the client's version; the runtime's if not given.

    Returns:
        what came of it; a failure is told in it, so that what was done before is known.
    """
    run = _Run(context, targets, out, sdk_version)
    problem = ""
    with contextlib.ExitStack() as stack:
        try:
            run.take(stack)
        except ReleaseError as error:
            problem = str(error)
    return run.result(problem)


class _Run:
    """One rehearsal; it collects what is done, so that whatever ends it can tell."""

    def __init__(self, context: Context, targets: Sequence[Target], out: Path, sdk_version: str | None) -> None:
        self._context = context
        self._targets = targets
        self._out = out
        self._client = client_version(sdk_version, context.lock.version)
        # A release is complete with these platforms' wheels, and its index on this machine.
        self._narrowed = context.replaced(
            catalog=context.catalog.only(target.triple for target in targets),
            environ={**context.settings.environ, "NO_PROXY": "*", "no_proxy": "*"},
        )
        self._begun = time.monotonic()
        self._steps = Steps(time.monotonic)
        self._built: list[Built] = []
        self._publish: PublishResult | None = None
        self._verification: Verification | None = None

    def take(self, stack: contextlib.ExitStack) -> None:
        """All steps.

        Raises:
            ReleaseError: if one fails; it is the last one then.
        """
        context = self._context
        is_host = any(target.is_host for target in self._targets)
        with self._step("check the lock") as say:
            hold(context.lock, observed(context.lock.version, self._targets, context), context.progress)
            say(f"{len(self._targets)} of {counted(len(context.catalog.targets), 'platform')} served as pinned")
        with self._step("build", writes=True) as say:
            say(self._build())
        with self._step("check") as say:
            verdicts = self._check()
            say(f"{counted(len(verdicts), 'file')} checked")
        self._steps.taken.extend(_runs(verdicts))
        with self._step("start an index", writes=True) as say:
            scratch = stack.enter_context(scratch_directory(self._out))
            server = stack.enter_context(local_index(scratch / "index"))
            dependencies = server.stage("dependencies")
            stage = server.stage("release", bases=["dependencies"])
            say("devpi-server on loopback")
        web = server.web(context.progress)
        stack.callback(web.close)
        index = PackageIndex(stage.simple_url, web, PipSettings())
        if is_host:
            with self._step("bring the client's dependencies") as say:
                trial = Trial.begin(scratch / "env", context.settings.environ)
                say(counted(self._bring_dependencies(trial, dependencies, scratch / "dependencies"), "wheel"))
        with self._step("publish") as say:
            inventory = Inventory(index)
            plan = prepare_checked(verdicts, self._narrowed.catalog, inventory)
            self._publish = publish(plan, inventory, self._uploader(stage), _WAITING)
            if self._publish.problem:
                raise RehearsalError(self._publish.problem)
            size = byte_count(sum(each.file.digest.size for each in plan.files))
            say(f"{counted(len(plan.files), 'file')}, {size}, the runtimes first")
        with self._step("verify the index") as say:
            say(self._verify(index, verdicts))
        if is_host:
            self._try(trial, index)
        else:
            why = "this machine is none of the platforms"
            self._steps.taken.extend(Step(name, 0.0, "skipped", why) for name in _ON_THIS_MACHINE)

    def result(self, problem: str) -> RehearsalResult:
        """What came of it."""
        return RehearsalResult(
            version=self._context.lock.version.codex,
            outcome="failed" if problem else "passed",
            targets=tuple(target.triple for target in self._targets),
            files=self._files(),
            steps=tuple(self._steps.taken),
            seconds=round(time.monotonic() - self._begun, 2),
            publish=self._publish,
            verification=self._verification,
            problem=problem,
        )

    def _files(self) -> dict[str, str]:
        """The sha256 of each file that was built, by its name."""
        return {each.artifact.name: each.artifact.sha256 for each in self._built}

    def _build(self) -> str:
        request = BuildRequest(
            version=self._context.lock.version, targets=self._targets, out=self._out, sdk_version=self._client
        )
        self._built = build(request, self._context)
        reused = sum(each.reused for each in self._built)
        return counted(len(self._built), "file") + (f", {reused} of them unchanged" if reused else "")

    def _check(self) -> list[FileVerdict]:
        paths = [self._out / each.artifact.name for each in self._built]
        verdicts = check_files(paths, self._narrowed, runs=True)
        require_passed(verdicts, self._narrowed.catalog)
        return verdicts

    def _bring_dependencies(self, trial: Trial, stage: IndexStage, directory: Path) -> int:
        """Put what the client depends on beside the release, so that its index alone is enough."""
        uploader = self._uploader(stage)
        wheels = trial.download(self._context.workspace.client_requirements, directory)
        for path in wheels:
            sent = uploader.send(Candidate(path, "", "", file_digest(path), is_runtime=False))
            if sent.fate is not Fate.ACCEPTED:
                raise RehearsalError(
                    f"the local index does not accept {path.name}: {sent.said}",
                    remedy="look whether requirements/client.txt asks for a wheel that this devpi-server can serve",
                )
        return len(wheels)

    def _uploader(self, stage: IndexStage) -> Uploader:
        """Twine, with the settings of nobody's home."""
        words = ("--repository-url", stage.upload_url, "--config-file", os.devnull)
        environ = {
            name: value for name, value in self._narrowed.settings.environ.items() if not name.startswith("TWINE_")
        }
        return Uploader(
            Repository("rehearsal", stage.upload_url, words), {**environ, "TWINE_USERNAME": "", "TWINE_PASSWORD": ""}
        )

    def _verify(self, index: PackageIndex, verdicts: Sequence[FileVerdict]) -> str:
        self._verification = verify(
            self._narrowed,
            self._context.lock.version,
            self._client,
            index,
            files=[each.path for each in verdicts],
            are_checked=True,
            installs=False,  # what follows does so, as a user would
        )
        if problems := self._verification.problems:
            raise RehearsalError(
                f"{counted(len(problems), 'check')} of the local index {by_number(len(problems), 'fails', 'fail')}",
                problems=[f"{each.subject}: {each.problem}" for each in problems],
            )
        held = len(self._verification.findings)
        return f"{counted(held, 'check')} {by_number(held, 'passes', 'pass')}"

    def _try(self, trial: Trial, index: PackageIndex) -> None:
        """Do what a stranger does who has read one line of the client's page."""
        with self._step("install") as say:
            installed = trial.install([self._context.catalog.client], pip_environ(index))
            elsewhere = [
                each.project for each in installed if not each.url.startswith(index.url.partition("/root/")[0])
            ]
            problem = installed_problem(installed, self._files()) or (
                f"{', '.join(elsewhere)} came from elsewhere" if elsewhere else ""
            )
            if problem:
                raise RehearsalError(problem)
            say(", ".join(f"{each.project} {each.version}" for each in installed))
        for name, ask in zip(_ON_THIS_MACHINE[1:], (trial.codex_version, trial.handshake, trial.turn), strict=True):
            with self._step(name) as say:
                answer = ask()
                if answer.version not in {None, self._context.lock.version.codex}:
                    raise RehearsalError(
                        f"{name} says it is {answer.version}, not {self._context.lock.version}",
                        remedy="look with codex-release inspect what the wheel carries, and whether the lock is right",
                    )
                say(answer.text)

    @contextlib.contextmanager
    def _step(self, name: str, *, writes: bool = False) -> Iterator[Callable[[str], None]]:
        self._context.progress.note(f"rehearsal: {name}")
        # What else the system refuses, a connection or a program, no room and no other directory would mend.
        remedy = "make room there and let it be written, or name another directory with --out" if writes else None
        what = f"the rehearsal in {self._out} broke off at the step {name!r}"
        with self._steps.step(name) as say, system_errors_as(RehearsalError, what, remedy):
            yield say


def _runs(verdicts: Sequence[FileVerdict]) -> list[Step]:
    """A step for each target: what was run of it, or that it was only read."""
    runs = {each.run.target: each.run for each in verdicts if each.run}
    return [
        Step(f"run {triple}", run.seconds, "passed" if run.asked else "skipped", str(run))
        for triple, run in runs.items()
    ]
