"""Resolves the files of requirements, and holds them against each other; `dev requirements` runs it in ``.venv``.

Each ``requirements/NAME.in`` is resolved into ``NAME.txt`` for every supported Python and platform at once, with hashes
and without a word of where the packages come from. ``dev`` contains almost all of it and is resolved first; the others
are held to its versions. It knows neither our packages nor what their files are for.
"""

from __future__ import annotations

import argparse
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["ENVIRONMENTS", "Pin", "main", "problems", "read"]

ROOT = Path(__file__).resolve().parent.parent
DIRECTORY = ROOT / "requirements"
FIRST = "dev"
APART = "oldest"
"""A directory of its own, of versions that differ from all others: our packages are tried with the oldest they take."""
COMMAND = "uv pip compile --universal --python-version=3.10 --generate-hashes --no-annotate --no-strip-extras"
HEAD = f"# Written from {{name}}.in by `python3 scripts/dev.py requirements`, which calls: {COMMAND}\n"
NOT_ASKED_FOR = dict.fromkeys(("bench-peer", "peers"), ("openai-codex-cli-bin",))
"""Packages that a file leaves out though it depends on them; such a file is installed without dependencies."""

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
_SYSTEMS = (("linux", "posix", "Linux"), ("darwin", "posix", "Darwin"), ("win32", "nt", "Windows"))
_MACHINES = ("x86_64", "aarch64", "arm64", "AMD64", "ARM64")
ENVIRONMENTS = [
    {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_version": f"{python}.0",
        "sys_platform": platform,
        "os_name": name,
        "platform_system": system,
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    for python, (platform, name, system), machine in itertools.product(PYTHONS, _SYSTEMS, _MACHINES)
]
"""What markers are asked about: every Python and system that is supported."""


@dataclass(frozen=True)
class Pin:
    """A pinned package.

    Attributes:
        requirement: its name, extras, version and marker.
        hashes: as pip writes them, e.g. ``sha256:...``; any of them will do.
    """

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def version(self) -> str:
        """The version, or everything that is said of it, if that is not one version."""
        match = re.fullmatch(r"==([^,*]+)", str(self.requirement.specifier))
        return match[1] if match else f"any that is {self.requirement.specifier}"

    def holds_for(self, environment: dict[str, str]) -> bool:
        """Whether it is installed in an environment."""
        return self.requirement.marker is None or self.requirement.marker.evaluate(environment)

    def without_extras(self) -> Pin:
        """The package alone."""
        plain = Requirement(str(self.requirement))
        plain.extras = set()
        return Pin(plain, self.hashes)

    def __str__(self) -> str:
        """As it stands in a file."""
        marker = f" ; {self.requirement.marker}" if self.requirement.marker else ""
        extras = f"[{','.join(sorted(self.requirement.extras))}]" if self.requirement.extras else ""
        first = f"{self.requirement.name}{extras}{self.requirement.specifier}{marker}"
        return " \\\n".join([first, *(f"    --hash={each}" for each in self.hashes)])


def read(text: str) -> list[Pin]:
    """The pins of a file.

    Raises:
        InvalidRequirement: if it has something else.
    """
    pins = []
    for entry in re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines():
        words, *hashes = re.split(r"\s+--hash=", entry.strip())
        pins.append(Pin(Requirement(words), tuple(hashes)))
    return pins


def written(name: str, pins: list[Pin]) -> str:
    """A file of pins; what is pinned with extras is pinned without them too, for that is another thing to some pips."""
    both = [each for pin in pins for each in ([pin.without_extras(), pin] if pin.requirement.extras else [pin])]
    return HEAD.format(name=name) + "".join(f"{line}\n" for line in dict.fromkeys(map(str, both)))


def problems(files: dict[str, list[Pin]]) -> list[str]:
    """What is wrong with files of pins, each as a line: one version a package, in every environment and file.

    Args:
        files: by their names.
    """
    found = []
    for name, pins in files.items():
        found += [f"{name}.txt: {each.requirement.name} has no version" for each in pins if " " in each.version]
        found += [f"{name}.txt: {each.requirement.name} has no hashes" for each in pins if not each.hashes]
        alone = {each.requirement.name for each in pins if not each.requirement.extras}
        found += [
            f"{name}.txt: {each.requirement} is not pinned without its extras"
            for each in pins
            if each.requirement.name not in alone
        ]
    for environment in ENVIRONMENTS:
        chosen: dict[str, tuple[str, str]] = {}
        for name, pins in files.items():
            for pin in pins:
                if pin.holds_for(environment):
                    version, where = chosen.setdefault(pin.requirement.name, (pin.version, name))
                    if version != pin.version:
                        found.append(
                            f"{name}.txt has {pin.requirement.name} {pin.version} where {where}.txt has {version}, "
                            f"with Python {environment['python_version']} on {environment['sys_platform']}"
                        )
    return list(dict.fromkeys(found))


def resolve(directory: Path, *, upgrade: bool) -> None:
    """Write the files of a directory from what they are written from.

    Args:
        directory: has ``*.in``, and ``*.txt`` whose versions stay where they can; if `FIRST` is there, all keep to it.
        upgrade: whether they need not stay.
    """
    names = sorted((each.stem for each in directory.glob("*.in")), key=lambda name: (name != FIRST, name))
    for name in names:
        sys.stderr.write(f"resolving {name}.in\n")
        command = [*COMMAND.split(), "--no-emit-index-url", "--no-emit-find-links", "--no-header", "--quiet"]
        command += ["--upgrade"] if upgrade else []
        command += ["--constraints", f"{FIRST}.txt"] if FIRST in names[: names.index(name)] else []
        command += [word for each in NOT_ASKED_FOR.get(name, ()) for word in ("--no-emit-package", each)]
        subprocess.run([*command, f"{name}.in", "--output-file", f"{name}.txt"], cwd=directory, check=True)
        path = directory / f"{name}.txt"
        path.write_text(written(name, read(path.read_text(encoding="utf-8"))), encoding="utf-8", newline="\n")


def main() -> int:
    """Resolve all files, or none if something is wrong; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = parser.parse_args().upgrade
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / DIRECTORY.name
        shutil.copytree(DIRECTORY, directory)
        for room in (directory, directory / APART):
            resolve(room, upgrade=upgrade)
        files = {path: read(path.read_text(encoding="utf-8")) for path in sorted(directory.rglob("*.txt"))}
        wrong = problems({path.stem: pins for path, pins in files.items() if path.parent == directory})
        for path, pins in files.items():
            if path.parent != directory:
                wrong += problems({path.relative_to(directory).with_suffix("").as_posix(): pins})
        for line in wrong:
            sys.stderr.write(f"{line}\n")
        if wrong:
            sys.stderr.write("nothing is written: bound these in one of the *.in files\n")
            return 1
        for path in files:
            name = path.relative_to(directory).as_posix()
            kept = DIRECTORY / name
            if not kept.is_file() or path.read_bytes() != kept.read_bytes():
                shutil.copyfile(path, kept)
                sys.stdout.write(f"wrote requirements/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
