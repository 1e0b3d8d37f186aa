"""Where the checkout is, and where its data files lie in it.

The toolkit may be installed anywhere; the facts it works on (targets, lock, template, client) belong to a checkout.
It is found by ``--repo``, by the place of ``scripts/update_sdk_artifacts.py``, or upwards from the working directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from codex_release.base.errors import WorkspaceError

__all__ = ["Workspace", "package_files"]

_MARKER = Path("release", "targets.toml")
_UNSHIPPED = ("__pycache__", ".")
"""How the names of files and directories begin that no stage takes over."""


@dataclass(frozen=True)
class Workspace:
    """A checkout, by its top directory."""

    root: Path

    @classmethod
    def find(cls, *, repo: Path | None, script: Path | None, cwd: Path) -> Workspace:
        """The checkout to work on.

        Args:
            repo: what ``--repo`` names; nothing else is tried then.
            script: the entry script in the checkout, if that is what was started.
            cwd: where the upward search begins.

        Raises:
            WorkspaceError: if there is none.
        """
        if repo is not None:
            candidates = [repo]
        elif script is not None:
            candidates = [script.resolve().parent.parent]
        else:
            start = cwd.absolute()
            candidates = [start, *start.parents]
        for candidate in candidates:
            if _is_checkout(candidate):
                return cls(candidate.resolve())
        where = f"{candidates[0]}" if len(candidates) == 1 else f"{cwd} or a directory above it"
        raise WorkspaceError(
            f"{where} is not a checkout of this project ({_MARKER.as_posix()} is missing)",
            remedy="run from inside a checkout or name one with --repo DIR",
        )

    @property
    def targets_file(self) -> Path:
        """Every platform fact."""
        return self.root / _MARKER

    @property
    def lock_file(self) -> Path:
        """What every byte of the pinned runtime must be."""
        return self.root / "release" / "runtime.lock.toml"

    @property
    def protocol_file(self) -> Path:
        """What the generator of the client's protocol layer cannot read out of the schema."""
        return self.root / "release" / "protocol.toml"

    @property
    def older_file(self) -> Path:
        """What runtimes older than the pinned one ask and tell, and the client still answers and understands."""
        return self.root / "release" / "protocol.older.json"

    @property
    def generated(self) -> Path:
        """The client's protocol layer, all of it generated."""
        return self.sdk / "src" / "codex_app_server" / "generated"

    @property
    def runtime_template(self) -> Path:
        """The runtime's package without its payload."""
        return self.root / "runtime_template"

    @property
    def sdk(self) -> Path:
        """The client's project directory."""
        return self.root / "sdk"

    @property
    def client_requirements(self) -> Path:
        """What the client depends on beside the runtime, pinned and hashed."""
        return self.root / "requirements" / "client.txt"

    @property
    def license(self) -> Path:
        """The licence text that every distribution carries."""
        return self.root / "LICENSE"

    def license_of(self, work: str) -> Path:
        """The licence text of a work of others that a runtime may have."""
        return self.runtime_template / "licenses" / work


def package_files(project: Path) -> dict[str, Path]:
    """The files of a project's own package, as stages take them over, by their names in its wheel."""
    source = project / "src"
    found = {path.relative_to(source).as_posix(): path for path in source.rglob("*") if path.is_file()}
    return {name: path for name, path in found.items() if not _is_unshipped(name)}


def _is_unshipped(name: str) -> bool:
    return name.endswith(".pyc") or any(part.startswith(_UNSHIPPED) for part in name.split("/"))


def _is_checkout(directory: Path) -> bool:
    """Whether the data file is there, and not out of reach: a directory may be closed, or its name no name at all."""
    try:
        return (directory / _MARKER).is_file()
    except OSError:
        return False
