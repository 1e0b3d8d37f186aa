"""Carrying out a plan in the order that keeps the promise.

All runtime wheels are uploaded; then the index must list every one with our digest, and pip must resolve each of their
platforms; only then the client is uploaded. A kill at any moment leaves the promise kept, because nothing that resolves
to a missing runtime has been sent yet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codex_release.base.digests import file_digest
from codex_release.base.errors import PackageIndexError, PublishError, ReleaseError, system_errors_as
from codex_release.base.http import HttpError
from codex_release.base.patience import RetryPolicy, TransientError
from codex_release.base.words import byte_count, counted
from codex_release.publish.plan import CLASH, PRESENT, UPLOAD, Candidate, Plan, PlannedFile
from codex_release.publish.result import PublishedFile, PublishResult, Steps
from codex_release.publish.serving import (
    Inventory,
    Waiting,
    client_expectations,
    runtime_expectations,
    wait_until_served,
)
from codex_release.publish.upload import Fate, Uploader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_release.index.resolution import Expectation

__all__ = ["UPLOAD_POLICY", "publish", "untouched"]

UPLOAD_POLICY = RetryPolicy(attempts=6, first_delay_s=2.0, max_delay_s=60.0)
"""How often a file is sent: an index that is down for a minute is waited for."""


def publish(
    plan: Plan,
    inventory: Inventory,
    uploader: Uploader,
    waiting: Waiting | None = None,
    policy: RetryPolicy = UPLOAD_POLICY,
) -> PublishResult:
    """Upload what is missing, all of it or nothing that anybody could break on.

    Args:
        plan: what to do.
        inventory: the index that the uploads appear on.
        uploader: sends files.
        waiting: how long to wait for the index.
        policy: how often to send a file.

    Returns:
        what came of it; a failure is told in it, so that what was done before is known.

    Raises:
        PublishError: if the plan has problems; nothing was uploaded then.
    """
    if plan.problems:
        raise PublishError("the release is not published", problems=plan.problems)
    return _Publication(plan, inventory, uploader, waiting or Waiting(), policy).run()


def untouched(plan: Plan) -> tuple[PublishedFile, ...]:
    """How the files of a plan stand before any of it is carried out."""
    return tuple(
        PublishedFile(
            each.file.name,
            each.file.digest.sha256,
            "planned" if each.action == UPLOAD else each.action,
            detail=each.detail,
        )
        for each in plan.files
    )


class _Publication:
    """One run; it collects what is done, so that whatever ends it can tell."""

    def __init__(
        self, plan: Plan, inventory: Inventory, uploader: Uploader, waiting: Waiting, policy: RetryPolicy
    ) -> None:
        self._plan = plan
        self._inventory = inventory
        self._uploader = uploader
        self._waiting = waiting
        self._policy = policy
        self._web = inventory.index.web
        self._began = self._web.clock.monotonic()
        self._steps = Steps(self._web.clock.monotonic)
        self._files = {each.name: each for each in untouched(plan)}

    def run(self) -> PublishResult:
        """The publication, from the first upload to the last look."""
        runtime = [each.file for each in self._plan.runtime]
        client = [each.file for each in self._plan.client]
        python = self._plan.python
        try:
            self._publish_part("the runtime wheels", self._plan.runtime, runtime, runtime_expectations(runtime, python))
            self._publish_part(
                "the client", self._plan.client, [*runtime, *client], client_expectations(runtime, client, python)
            )
        except ReleaseError as error:
            return self._result("failed", str(error))
        except KeyboardInterrupt:
            self._web.progress.note(self._so_far())
            raise
        return self._result("published")

    def _publish_part(
        self, what: str, planned: Sequence[PlannedFile], served: list[Candidate], expected: list[Expectation]
    ) -> None:
        """Upload a part of the release, and wait until the index serves it with all that was before."""
        missing = [each.file for each in planned if each.action == UPLOAD]
        if missing:
            with self._steps.step(f"upload {what}") as say:
                for number, file in enumerate(missing, 1):
                    self._web.progress.note(
                        f"uploading {file.name} ({byte_count(file.digest.size)}), {number} of {len(missing)} of {what}"
                    )
                    self._upload(file)
                say(counted(len(missing), "file"))
        with self._steps.step(f"wait until the index serves {what} and pip resolves them") as say:
            say(wait_until_served(self._inventory, served, expected, self._waiting))

    def _upload(self, file: Candidate) -> None:
        """Send a file until the index has it."""
        began, attempts, detail = self._web.clock.monotonic(), 0, ""

        def note(outcome: str, detail: str) -> None:
            seconds = self._web.clock.monotonic() - began
            self._files[file.name] = replace(
                self._files[file.name], outcome=outcome, seconds=seconds, attempts=attempts, detail=detail
            )

        def send() -> str:
            nonlocal attempts
            attempts += 1
            return self._sent(file)

        try:
            detail = self._web.retrying(self._inventory.index.url, send, self._policy)
        except HttpError as error:
            note("failed", error.what)
            raise PublishError(
                f"{file.name} cannot be uploaded to {self._uploader.repository}: {error.what}",
                remedy="run again: what is there is not uploaded again",
            ) from error
        except PublishError as error:
            note(CLASH if isinstance(error, _ClashError) else "failed", error.what)
            raise
        except KeyboardInterrupt:
            note("failed", "interrupted; it may have arrived")
            raise
        note("uploaded", detail)

    def _sent(self, file: Candidate) -> str:
        """Send a file once; what is worth knowing about it.

        Raises:
            TransientError: if another try may help.
            PublishError: if none can.
        """
        _require_unchanged(file)
        sent = self._uploader.send(file)
        if sent.fate is Fate.ACCEPTED:
            return ""
        try:
            # The acknowledgement may be what was lost: what the index has counts, not what twine was told.
            (state,) = self._inventory.look([file])
        except (HttpError, PackageIndexError) as error:  # a cache on the way may answer anything for a while
            raise TransientError(f"{sent.said}, and {error.what}") from error
        if state.action == PRESENT:
            return f"it arrived although twine says: {sent.said}"
        if state.action == CLASH:
            raise _ClashError(f"{file.name} is not what was uploaded: {state.detail}")
        if sent.fate is Fate.EXISTS:
            return f"not listed yet, but the index says: {sent.said}"
        if sent.fate is Fate.TRANSIENT:
            raise TransientError(f"{file.name}: {sent.said}")
        raise PublishError(
            f"{self._uploader.repository} does not accept {file.name}: {sent.said}",
            remedy="mend that, and run again: what is there is not uploaded again",
        )

    def _so_far(self) -> str:
        done = [each.name for each in self._files.values() if each.outcome in {"uploaded", PRESENT}]
        there = f"on {self._inventory.index.url} are {', '.join(done)}" if done else "nothing is uploaded"
        doubtful = [each.name for each in self._files.values() if each.outcome == "failed"]
        maybe = f", and maybe {', '.join(doubtful)}" if doubtful else ""
        return f"interrupted: {there}{maybe}; run again to finish, what is there is not uploaded again"

    def _result(self, outcome: str, problem: str = "") -> PublishResult:
        return PublishResult(
            index=self._inventory.index.url,
            outcome=outcome,
            files=tuple(self._files.values()),
            steps=tuple(self._steps.taken),
            seconds=self._web.clock.monotonic() - self._began,
            attested=self._uploader.attested,
            problem=problem,
        )


def _require_unchanged(file: Candidate) -> None:
    """Refuse to send other bytes than those that were checked: hours may lie between the check and the upload.

    Raises:
        PublishError: if the file is not what it was.
    """
    with system_errors_as(PublishError, f"{file.path} cannot be read any more", "put it back, and run again"):
        found = file_digest(file.path)
    if found != file.digest:
        raise PublishError(
            f"{file.path} has changed since it was checked, so it is not uploaded",
            remedy="find out what wrote to it, and run again: all files are checked anew",
        )


class _ClashError(PublishError):
    """The index has other bytes under a name."""
