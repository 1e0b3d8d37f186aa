"""The three spellings of one release, and the only place that converts between them or reads a version out of a name.

Codex says ``0.115.0-alpha.11`` (SemVer), its git tag ``rust-v0.115.0-alpha.11``, a Python index ``0.115.0a11``
(PEP 440). Any of them is accepted anywhere; `packaging` does the parsing.

The client has a version of its own: that of the runtime it is pinned to, or a post release of it (``0.115.0.post1``)
where the same runtime gets a better client.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from packaging.version import Version

from codex_release.base.errors import UsageError

__all__ = ["ReleaseVersion", "client_version", "identity", "printed_version"]

_TAG_PREFIX = "rust-v"
_PHASES = {"a": "alpha", "b": "beta", "rc": "rc"}
# A number has at most 18 digits: enough for a date and time, and nothing that Python takes long to convert.
_SPELLING = re.compile(r"(?:rust-v|v)?N\.N\.N(?:-(?:alpha|beta|rc)\.N|(?:a|b|rc)N)?".replace("N", "[0-9]{1,18}"))


@functools.total_ordering
@dataclass(frozen=True)
class ReleaseVersion:
    """One Codex release, e.g. ``ReleaseVersion.parse("rust-v0.115.0-alpha.11")``; releases have an order (PEP 440).

    Attributes:
        pep440: the canonical version of the Python packages, e.g. ``0.115.0a11``.
    """

    pep440: str

    @classmethod
    def parse(cls, text: str) -> ReleaseVersion:
        """Read any of the three spellings.

        Raises:
            UsageError: if `text` is none of them.
        """
        if not _SPELLING.fullmatch(text):
            raise UsageError(
                f"{text[:80]!r} is not a Codex version",
                remedy="write it like 0.169.0, 0.170.0-alpha.2, 0.170.0a2 or rust-v0.169.0",
            )
        return cls(str(Version(text.removeprefix(_TAG_PREFIX))))

    @property
    def codex(self) -> str:
        """As Codex itself and npm write it, e.g. ``0.115.0-alpha.11``."""
        version = Version(self.pep440)
        if version.pre is None:
            return version.base_version
        phase, number = version.pre
        return f"{version.base_version}-{_PHASES[phase]}.{number}"

    @property
    def tag(self) -> str:
        """The git tag and GitHub release name, e.g. ``rust-v0.115.0-alpha.11``."""
        return _TAG_PREFIX + self.codex

    def __lt__(self, other: ReleaseVersion) -> bool:
        """Whether a release comes before another (PEP 440)."""
        return Version(self.pep440) < Version(other.pep440)

    def __str__(self) -> str:
        """The spelling of Codex itself."""
        return self.codex


def client_version(text: str | None, runtime: ReleaseVersion) -> str:
    """The version of a client in PEP 440's canonical spelling; the runtime's if none is given.

    Raises:
        UsageError: if `text` is neither the runtime's version nor a post release of it, and so hides which that is.
    """
    if text is None:
        return runtime.pep440
    # One spelling each, as tags are compared as they are written: .post01, .POST1 and -1 would all mean .post1.
    for spelling in (runtime.pep440, runtime.codex):
        if found := re.fullmatch(rf"(?:rust-v|v)?{re.escape(spelling)}(\.post[1-9][0-9]{{0,17}})?", text):
            return runtime.pep440 + (found[1] or "")
    raise UsageError(
        f"{text!r} is no version of a client for Codex {runtime}",
        remedy=f"name {runtime.pep440}, or {runtime.pep440}.post1 and so on to release a client again; "
        "or move the pin: codex-release bump",
    )


def identity(name: str) -> tuple[str, str] | None:
    """The normalized project and the version (PEP 440) that the name of a wheel or sdist says; `None` if none."""
    # What knows of file names takes as long to load as all else that an installation is held against.
    from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

    try:
        project, version, *_ = parse_wheel_filename(name) if name.endswith(".whl") else parse_sdist_filename(name)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
    return project, str(version)


def printed_version(said: str) -> str:
    """The version in what ``codex --version`` prints, e.g. ``codex-cli 0.115.0``; empty if it printed nothing."""
    return said.strip().rpartition(" ")[2]
