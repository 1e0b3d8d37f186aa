"""What pip would install from one index alone, on any platform and Python, without installing it.

The decision is pip's: ``pip install --dry-run --report``, as many as are asked for, one after another in one process,
because starting pip takes ten times as long as its answer. Other indexes, ``find-links`` and constraints that pip is
configured with are left out; how it reaches an index (certificates, proxies) is kept.

Where an index serves metadata beside its wheels (PEP 658), no wheel is transferred. Elsewhere pip reads the metadata
out of the wheel with a few range requests; where those are not answered either, it downloads the wheel. The pip that is
asked is that of this environment, which the toolkit requires.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from codex_release.base.errors import PackageIndexError
from codex_release.base.shown import shown_text
from codex_release.base.table import Table
from codex_release.base.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_release.index.client import PackageIndex

__all__ = ["Expectation", "Question", "Resolution", "ResolvedFile", "pip_environ", "reported", "resolve"]

_FROM_RANGES = "--use-feature=fast-deps"
"""pip reads the metadata of a wheel through range requests where the index does not serve it beside the wheel."""
_NOTHING_FITS = re.compile("No matching distribution|Could not find a version|requires a different Python")
"""What pip says when it understood all that the index has; asking it in another way would change nothing."""
_PIP_ALONE = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_NO_INPUT": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
_OTHER_PIP = "give the toolkit's environment a pip that it works with; requirements/release.txt names one"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_REPORT = "report.json"
_TIMEOUT_S = 300.0
"""Longer than any answer takes, also where pip has to download a wheel."""


@dataclass(frozen=True)
class Question:
    """What to resolve, and for whom.

    Attributes:
        requirements: e.g. ``("codex-cli-bin==0.169.0",)``.
        platforms: the platform tags that the machine accepts (PEP 425), best first. pip adds older macOS ones itself,
            older manylinux and musllinux ones not.
        python: the version of CPython, e.g. ``3.12``.
    """

    requirements: tuple[str, ...]
    platforms: tuple[str, ...]
    python: str

    def __str__(self) -> str:
        """As a person says it."""
        return f"{' '.join(self.requirements)} on {self.platforms[0]} with Python {self.python}"


@dataclass(frozen=True)
class ResolvedFile:
    """A file that pip installs.

    Attributes:
        project: whose it is, normalized.
        version: as its metadata has it.
        name: its file name.
        sha256: as the index states it, or as it was found; `None` if neither.
        url: where it comes from; empty if that is no matter.
    """

    project: str
    version: str
    name: str
    sha256: str | None
    url: str = ""


@dataclass(frozen=True)
class Resolution:
    """pip's answer.

    Attributes:
        question: what was asked.
        files: what it would install; empty if it would not.
        reason: why not, as pip says it; empty if it would.
    """

    question: Question
    files: tuple[ResolvedFile, ...] = ()
    reason: str = ""

    def file(self, project: str) -> ResolvedFile | None:
        """What it would install of one project, `None` if nothing."""
        name = canonicalize_name(project)
        return next((each for each in self.files if each.project == name), None)


@dataclass(frozen=True)
class Expectation:
    """A question, and what pip must answer.

    Attributes:
        question: what is asked.
        files: what it must install, of their projects; if there are none, it must find nothing.
    """

    question: Question
    files: tuple[ResolvedFile, ...] = ()

    def wrong(self, answer: Resolution) -> str:
        """What is wrong with pip's answer; empty if nothing."""
        if answer.reason:
            return f"pip takes nothing: {shown_text(answer.reason)}" if self.files else ""
        if not self.files:
            return f"pip takes {answer.files[0].name}, which cannot run there"
        for file in self.files:
            found = answer.file(file.project)
            if found is None or found.name != file.name:
                return f"pip takes {found.name if found else 'nothing'}, not {file.name}"
            if found.sha256 not in {None, file.sha256}:
                return f"pip takes {file.name} with sha256 {found.sha256}, ours is {file.sha256}"
        return ""


def resolve(index: PackageIndex, questions: Sequence[Question]) -> tuple[Resolution, ...]:
    """Ask pip.

    Args:
        index: the only index that is asked.
        questions: what to resolve.

    Returns:
        an answer to each question, in their order.

    Raises:
        PackageIndexError: if pip cannot be asked; that it finds nothing is an answer.
    """
    if not questions:
        return ()
    answers = list(_asked(index, questions, _FROM_RANGES))
    # An index may answer no such requests: plainly, then.
    again = [number for number, each in enumerate(answers) if each.reason and not _NOTHING_FITS.search(each.reason)]
    for number, answer in zip(again, _asked(index, [questions[each] for each in again]), strict=True):
        answers[number] = answer
    return tuple(answers)


def _asked(index: PackageIndex, questions: Sequence[Question], *features: str) -> tuple[Resolution, ...]:
    """One process with pip, and its answers: it may carry features over, so all of its questions ask for the same."""
    answers = []
    # The index is told by the environment: its URL may hold a password, which is in no list of processes then.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environ |= pip_environ(index)
    with (
        tempfile.TemporaryDirectory(prefix="codex-resolve-") as scratch,
        Worker("codex_release.base.worker", timeout_s=_TIMEOUT_S, environ=environ) as pip,
    ):
        for question in questions:
            order = {"module": "pip", "words": [*_words(question, Path(scratch)), *features]}
            ran = pip.ask(order)
            if why := ran.get("error", ran.get("broke")):
                raise PackageIndexError(
                    f"pip cannot be asked about {index.url}: {why}",
                    remedy="look whether this works: python -m pip --version",
                )
            answers.append(_resolution(question, ran, Path(scratch, _REPORT)))
    return tuple(answers)


def pip_environ(index: PackageIndex) -> dict[str, str]:
    """The environment for pip: this index and no configuration but the means of transport."""
    if urlsplit(index.url).hostname in _LOOPBACK:  # not through a proxy
        return {**_PIP_ALONE, "PIP_INDEX_URL": index.full_url, "NO_PROXY": "*", "no_proxy": "*"}
    kept = {f"PIP_{name.replace('-', '_').upper()}": value for name, value in index.settings.transport.items()}
    return {**_PIP_ALONE, **kept, "PIP_INDEX_URL": index.full_url}


def _words(question: Question, scratch: Path) -> list[str]:
    words = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--report", str(scratch / _REPORT)]
    words += ["--target", str(scratch / "target"), "--only-binary", ":all:", "--pre", "--implementation", "cp"]
    words += ["--python-version", question.python, *(f"--platform={each}" for each in question.platforms)]
    return [*words, *question.requirements]


def _resolution(question: Question, ran: dict[str, Any], report: Path) -> Resolution:
    """The report, or the last complaint."""
    if ran["code"] == 0 and report.is_file():
        found = json.loads(report.read_text(encoding="utf-8"))
        report.unlink()
        table = Table(found, f"pip's report on {question}", PackageIndexError, _OTHER_PIP)
        return Resolution(question, reported(table))
    lines = [line.strip() for line in ran["said"].splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    reason = (errors or lines or [f"pip ended with exit code {ran['code']}"])[-1]
    if "no such option" in reason:  # where nothing has to be found, this must not count as that
        raise PackageIndexError(f"this pip cannot say what it would install: {reason}", remedy=_OTHER_PIP)
    return Resolution(question, reason=reason)


def reported(report: Table) -> tuple[ResolvedFile, ...]:
    """The files in a report of pip's (``--report``, version 1), dependencies too."""
    return tuple(_file(entry) for entry in report.tables("install"))


def _file(entry: Table) -> ResolvedFile:
    download, metadata = entry.table("download_info"), entry.table("metadata")
    archive, url = download.table("archive_info"), download.text("url")
    return ResolvedFile(
        project=canonicalize_name(metadata.text("name")),
        version=metadata.text("version"),
        name=unquote(urlsplit(url).path.rpartition("/")[2]),
        sha256=archive.table("hashes").get("sha256") if "hashes" in archive else None,
        url=url,
    )
