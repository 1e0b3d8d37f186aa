"""Every failure this toolkit expects, as one tree.

A message is one line: what was being done, to which file or URL, and what was found; `remedy` says what to do next.
Where several things do not hold, each is a line of its own (`problems`) above it.
Anything that is not a `ReleaseError` is a bug and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "ArchiveError",
    "BuildError",
    "CacheError",
    "CheckError",
    "DiskError",
    "DownloadError",
    "InspectError",
    "LockError",
    "PackageIndexError",
    "ProtocolError",
    "PublishError",
    "RehearsalError",
    "ReleaseError",
    "RuntimeSetupError",
    "SignatureError",
    "SourceError",
    "StageError",
    "TrialError",
    "UsageError",
    "VerifyError",
    "WorkspaceError",
    "first_of",
    "system_errors_as",
]


class ReleaseError(Exception):
    """Something did not hold; the program exits with `exit_code`.

    Args:
        what: one sentence without a full stop: the act, its object, and what was found.
        remedy: what a person can do about it, as an imperative; shown after the message.
        problems: all that does not hold, a line each; `what` says what they are about.
    """

    exit_code = 1

    def __init__(self, what: str, *, remedy: str | None = None, problems: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """The message, the first of several problems, and the remedy on one line."""
        what = f"{self.what}: {first_of(self.problems)}" if self.problems else self.what
        return f"{what}; {self.remedy}" if self.remedy else what


def first_of(problems: Sequence[str]) -> str:
    """Several problems where there is room for a line only; nothing if there are none."""
    return "".join(problems[:1]) + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")


@contextlib.contextmanager
def system_errors_as(kind: type[ReleaseError], what: str, remedy: str | None = None) -> Iterator[None]:
    """A block whose failures at files, a full disk or a closed directory, are told with what was being done.

    Args:
        kind: the error to raise in their place.
        what: what does not come about; the system's own words follow it, and the file if it is not named here.
        remedy: what a person can do about it.

    Raises:
        ReleaseError: of that kind, in place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise kind(f"{what}: {_said(error, what)}", remedy=remedy) from error


def _said(error: OSError, what: str) -> str:
    """The system's words, with the files that they are about unless the sentence before names them."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):  # of each file of a tree, in its own words
        return first_of([str(why) for _, _, why in error.args[0]])
    if not error.strerror:
        return str(error)
    files = [each for each in (error.filename, error.filename2) if each is not None]
    words = re.split(r"[\s,:;]+", what)
    if all(os.fsdecode(each) in words for each in files if not isinstance(each, int)):
        return error.strerror
    return f"{error.strerror}: {' -> '.join(map(repr, files))}"


class UsageError(ReleaseError):
    """The words of a command do not make sense together, or name something that does not exist."""

    exit_code = 2


class WorkspaceError(ReleaseError):
    """No checkout was found, or its data files cannot be read."""


class SourceError(ReleaseError):
    """A source does not serve the archive that was asked for."""


class DownloadError(ReleaseError):
    """The bytes of an archive could not be brought here, or were not the expected ones."""


class DiskError(ReleaseError):
    """This machine does not let a file be written or read, whoever served it: its disk is full, or it refuses."""


class CacheError(DiskError):
    """The cache directory cannot be used."""


class ArchiveError(ReleaseError):
    """An archive breaks a rule of safe extraction, is damaged, or is not laid out as a runtime."""


class LockError(ReleaseError):
    """The lock cannot be read, does not know a version, or disagrees with a file's bytes."""


class SignatureError(ReleaseError):
    """A signature does not hold, or cannot be judged."""


class InspectError(ReleaseError):
    """An executable cannot be read, or is not what its target promises."""


class ProtocolError(ReleaseError):
    """The runtime's schema cannot be had, or is not what the generator of the client's types understands."""


class StageError(ReleaseError):
    """A staging directory cannot be made."""


class BuildError(ReleaseError):
    """A wheel or sdist could not be built."""


class CheckError(ReleaseError):
    """A finished distribution does not hold what it promises."""


class RehearsalError(ReleaseError):
    """A release cannot be rehearsed on this machine, or its rehearsal failed."""


class TrialError(ReleaseError):
    """What was released cannot be installed into a fresh environment, or does not answer there."""


class RuntimeSetupError(ReleaseError):
    """The runtime cannot be installed into an environment, or it cannot be told which one."""


class PackageIndexError(ReleaseError):
    """A package index does not answer as one, or it cannot be told which one is meant."""


class PublishError(ReleaseError):
    """A release cannot be published as it is, or its publication broke off."""


class VerifyError(ReleaseError):
    """What an index serves is not what was published."""
