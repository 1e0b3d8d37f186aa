"""The files of requirements: one version of a package everywhere, and any pip takes them on any day.

What was published since they were written is played by an index on loopback that lists a newer version of everything.
It serves the pinned versions as wheels with the metadata of the real ones and nothing else in them, so that whole files
are resolved in seconds; what decides, names, versions, extras, markers and hashes, is real.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import html
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from loopback import Loopback, Reply, Request, file_reply
from needs import needs
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from programs import ROOT, environment_with, finished, uv_pip_install
from resolve_requirements import APART, ENVIRONMENTS, NOT_ASKED_FOR, Pin, problems, read, written

from codex_release.base.table import read_toml

DIRECTORY = ROOT / "requirements"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.in"))
NEWER = "9999.0"
OLDEST_PIP = "21.2.3"
"""What Python 3.10.0 brings."""
PLATFORMS = (
    "x86_64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-gnu",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
    "aarch64-pc-windows-msvc",
)


@functools.cache
def pins(name: str) -> list[Pin]:
    """The pins of a file."""
    return read((DIRECTORY / f"{name}.txt").read_text(encoding="utf-8"))


# --- the files as they are


def test_every_file_is_written_from_one_and_names_no_place() -> None:
    assert [path.stem for path in sorted(DIRECTORY.glob("*.txt"))] == NAMES
    for path in DIRECTORY.rglob("*.txt"):
        assert path.with_suffix(".in").is_file()
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# Written from {path.stem}.in by `python3 scripts/dev.py requirements`")
        assert not re.search(r"://|--(?:extra-)?index|--find-links", text)


def test_a_package_has_one_version_wherever_it_stands() -> None:
    assert problems({name: pins(name) for name in NAMES}) == []
    for path in (DIRECTORY / APART).glob("*.txt"):
        assert problems({path.stem: read(path.read_text(encoding="utf-8"))}) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("other==1", "b.txt: other has no hashes"),
        ("other>=1 --hash=sha256:1", "b.txt: other has no version"),
        ("other==1.* --hash=sha256:1", "b.txt: other has no version"),
        ("other[extra]==1 --hash=sha256:1", "b.txt: other[extra]==1 is not pinned without its extras"),
        ("thing==2 --hash=sha256:1", "b.txt has thing 2 where a.txt has 1, with Python 3.10 on linux"),
        (
            'thing==2 ; python_version > "3.13" and os_name == "nt" --hash=sha256:1',
            "b.txt has thing 2 where a.txt has 1, with Python 3.14 on win32",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_found(line: str, problem: str) -> None:
    assert problem in problems({"a": read("thing==1 --hash=sha256:0\n"), "b": read(f"{line}\n")})


def test_versions_may_differ_where_nobody_meets_both() -> None:
    one = 'thing==1 ; python_version < "3.12" --hash=sha256:0\n'
    other = 'thing==2 ; python_version >= "3.12" --hash=sha256:0\n'
    assert problems({"a": read(one + other), "b": read(other)}) == []


def test_what_is_read_is_written_again() -> None:
    for path in DIRECTORY.rglob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert written(path.stem, read(text)) == text


@pytest.mark.parametrize(("project", "name"), [("release", "release"), ("sdk", "client")])
def test_the_pins_keep_to_the_bounds_of_our_own_packages(project: str, name: str) -> None:
    for text in read_toml(ROOT / project / "pyproject.toml").table("project").texts("dependencies"):
        wanted = Requirement(text)
        for environment in ENVIRONMENTS:
            if wanted.marker is None or wanted.marker.evaluate(environment):
                found = [
                    pin.version
                    for pin in pins(name)
                    if pin.requirement.name == canonicalize_name(wanted.name) and pin.holds_for(environment)
                ]
                assert found, f"{wanted} with {environment}"
                assert all(version in wanted.specifier for version in found)


@pytest.mark.network
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_installer_is_there_for_every_platform(platform: str, tmp_path: Path) -> None:
    words = ("--require-hashes", "--only-binary", ":all:", "--target", tmp_path, "--python-platform", platform)
    uv_pip_install("--dry-run", *words, "-r", DIRECTORY / "installer.txt")


# --- installed from an index that went on


@dataclasses.dataclass(frozen=True)
class Pip:
    """A pip.

    Attributes:
        python: the interpreter of the environment it is in.
        version: its version.
    """

    python: Path
    version: str


@pytest.fixture(scope="module", params=["oldest", "newest"])
@needs("index")
def pip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pip:
    """The pip that the oldest supported Python brought first, in it; and the one that we pin, in the tests' Python."""
    if request.param == "oldest":
        python = environment_with(tmp_path_factory.mktemp("oldest") / "env", "3.10", f"pip=={OLDEST_PIP}")
        version = OLDEST_PIP
    else:
        python = Path(sys.executable)
        (version,) = (each.version for each in pins("release") if each.requirement.name == "pip")
    assert finished(python, "-m", "pip", "--version").stdout.split()[1] == version
    return Pip(python, version)


@pytest.fixture(scope="module")
@needs("index")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """The metadata of what is pinned, by name and version: of what is installed here, of the rest from the index."""
    found = {
        (str(canonicalize_name(each.name)), each.version): each.read_text("METADATA") or ""
        for each in metadata.distributions()
    }
    lacking = {
        str(pin.without_extras())
        for name in NAMES
        for pin in pins(name)
        if (canonicalize_name(pin.requirement.name), pin.version) not in found and pin.holds_for({})
    }
    directory = tmp_path_factory.mktemp("lacking")
    (directory / "lacking.txt").write_text("\n".join(sorted(lacking)) + "\n", encoding="utf-8")
    uv_pip_install("--no-deps", "--target", directory / "target", "--require-hashes", "-r", directory / "lacking.txt")
    for each in metadata.distributions(path=[str(directory / "target")]):
        found[str(canonicalize_name(each.name)), each.version] = each.read_text("METADATA") or ""
    return found


@functools.cache
def wheel(name: str, version: str, said: str) -> bytes:
    """A wheel with this metadata and nothing else."""
    buffer = io.BytesIO()
    prefix = f"{name.replace('-', '_')}-{version}.dist-info"
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{prefix}/METADATA", said)
        archive.writestr(f"{prefix}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{prefix}/RECORD", "")
    return buffer.getvalue()


@dataclasses.dataclass
class Doctored:
    """An index, as an app: each package in the versions it was given, and in one that was published since."""

    known: dict[tuple[str, str], str]

    def file(self, name: str, version: str) -> bytes:
        """A wheel; what this machine has no metadata of, for no Python here installs it, depends on nothing."""
        said = self.known.get((name, version)) or f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        return wheel(name, version, said)

    def __call__(self, request: Request) -> Reply:
        *_, room, last = request.path.rstrip("/").split("/")
        if room == "files":
            name, version, *_ = last.split("-")
            return file_reply(request, self.file(name.replace("_", "-"), version))
        versions = {version for name, version in self.known if name == last}
        links = [f"{last.replace('-', '_')}-{version}-py3-none-any.whl" for version in (*versions, NEWER)]
        page = "".join(f'<a href="/files/{html.escape(each)}">{each}</a>\n' for each in links)
        return Reply(200, f"<!DOCTYPE html>\n{page}".encode(), {"Content-Type": "text/html"})


@pytest.fixture(scope="module")
def went_on(known: dict[tuple[str, str], str]) -> Iterator[Loopback]:
    """The index."""
    everything = {
        (str(canonicalize_name(pin.requirement.name)), pin.version): "" for name in NAMES for pin in pins(name)
    }
    with Loopback(Doctored({**everything, **known})) as index:
        yield index


def asked_of(index: Loopback, name: str, path: Path) -> Path:
    """A file of requirements with the digests of what the index serves."""
    app = index.app
    assert isinstance(app, Doctored)
    lines = []
    for pin in pins(name):
        data = app.file(canonicalize_name(pin.requirement.name), pin.version)
        lines.append(str(dataclasses.replace(pin, hashes=(f"sha256:{hashlib.sha256(data).hexdigest()}",))))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def resolved(pip: Pip, index: Loopback, asked: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Let a pip take what a file asks for from the index alone, as it does before it installs; into ``wheels``."""
    options = ("--isolated", "--no-cache-dir", "--disable-pip-version-check", "--quiet", "--require-hashes")
    places = ("--index-url", f"{index.url}/simple", "--dest", asked.parent / "wheels")
    command = [pip.python, "-m", "pip", "download", *options, *places, *words, "-r", asked]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.network
@pytest.mark.index
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_what_was_published_since_changes_nothing(name: str, pip: Pip, went_on: Loopback, tmp_path: Path) -> None:
    asked = asked_of(went_on, name, tmp_path / "asked.txt")
    if name in {"dev", "extras"} and pip.python == Path(sys.executable) and sys.version_info >= (3, 15):
        pytest.skip("agent-client-protocol does not want this Python yet, which pip heeds, and uv does not")
    ran = resolved(pip, went_on, asked, *(["--no-deps"] if name in NOT_ASKED_FOR else []))
    assert ran.returncode == 0, f"pip {pip.version}: {ran.stdout}{ran.stderr}"
    wanted = {
        (canonicalize_name(pin.requirement.name), pin.version)
        for pin in pins(name)
        if pin.holds_for(environment_of(pip))
    }
    taken = (path.name.split("-") for path in (tmp_path / "wheels").iterdir())
    assert {(canonicalize_name(name), version) for name, version, *_ in taken} == wanted


@functools.cache
def environment_of(pip: Pip) -> dict[str, str]:
    """What markers say in the environment of a pip."""
    program = "import json; from pip._vendor.packaging.markers import default_environment as d; print(json.dumps(d()))"
    found: dict[str, str] = json.loads(finished(pip.python, "-c", program).stdout)
    return found


def test_the_index_would_show_what_is_not_pinned(went_on: Loopback, pip: Pip, tmp_path: Path) -> None:
    """As the files were before: an extra that is not pinned by its own name makes an old pip look for the newest."""
    asked = asked_of(went_on, "provenance", tmp_path / "asked.txt")
    text = asked.read_text(encoding="utf-8")
    asked.write_text(re.sub(r"^pydantic(?:\[email\])?==.*\\\n.*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    ran = resolved(pip, went_on, asked)
    assert ran.returncode != 0
    assert "pydantic" in ran.stderr
