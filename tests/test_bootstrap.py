"""The runtime into environments: what pip, uv and the interpreter see of it, and how it is refused. In miniature."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import archives
import pytest
from fake_release import FakeRelease
from installations import MODULE, Place, bare_environment
from programs import PUBLISHED, ROOT, codex_release, environment_with, finished, interpreter

from codex_release.base.digests import file_digest
from codex_release.bootstrap import (
    PACKAGE_NAME,
    RUNTIME_VERSION_ENV_VAR,
    RuntimeSetupError,
    configured_runtime_version,
    ensure_runtime_package_installed,
    platform_asset_name,
    required_runtime_version,
)
from codex_release.facts.lock import Lock, LockedArchive
from codex_release.installing.console_script import console_script
from codex_release.installing.environment import Environment

pytestmark = pytest.mark.slow

OLD, NEW = archives.OLDER, archives.VERSION
HOST = archives.CATALOG.host()
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="it needs POSIX")


def install_old(release: FakeRelease, place: Place, older: Path) -> None:
    release.ran("bootstrap", "--python", place.python, "--lock-file", older, source=older.parent)
    assert place.version() == OLD


def stamps(place: Place) -> dict[str, int]:
    return {name: (place.root / name).lstat().st_mtime_ns for name in place.everything()}


class TestInstalling:
    def test_into_an_environment_without_pip(self, release: FakeRelease, place: Place) -> None:
        said = json.loads(release.ran("bootstrap", "--python", place.python, "--json").out)
        assert said.pop("seconds") < 30
        assert said == {
            "version": NEW,
            "target": HOST.triple,
            "site": str(place.site),
            "scripts": str(place.scripts),
            "installed": True,
        }
        assert place.version() == NEW
        payload = {path: data for path, data in archives.runtime(HOST).items() if "voice" not in path}
        for path, data in payload.items():
            assert (place.site / MODULE / path).read_bytes() == data

    def test_what_is_there_and_whole_is_not_touched(self, release: FakeRelease, place: Place) -> None:
        release.ran("bootstrap", "--python", place.python)
        before = stamps(place)
        release.ran("cache", "clear")
        said = json.loads(release.ran("bootstrap", "--python", place.python, "--json", source=place.root).out)
        assert said["installed"] is False
        assert stamps(place) == before

    def test_it_is_what_the_wheel_would_install(self, release: FakeRelease, place: Place, tmp_path: Path) -> None:
        release.ran("bootstrap", "--python", place.python)
        release.ran("build", "--out", tmp_path / "dist")
        (wheel,) = (tmp_path / "dist").glob(f"{MODULE}*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                if not info.filename.endswith("/RECORD"):
                    installed = place.site / info.filename
                    assert installed.read_bytes() == archive.read(info), info.filename
                    assert installed.stat().st_mode & 0o777 == info.external_attr >> 16 & 0o777
            names = {f"{info.filename}" for info in archive.infolist()}
        dist_info = f"{MODULE}-{NEW}.dist-info"
        installed_names = {
            path.relative_to(place.site).as_posix()
            for top in (MODULE, dist_info)
            for path in (place.site / top).rglob("*")
            if path.is_file()
        }
        assert installed_names - names == {f"{dist_info}/INSTALLER"}

    def test_what_pip_installed_from_the_wheel_is_whole(self, release: FakeRelease, tmp_path: Path) -> None:
        release.ran("build", "--out", tmp_path / "dist")
        (wheel,) = (tmp_path / "dist").glob(f"{MODULE}*.whl")
        python = environment_with(tmp_path / "env", None)
        finished(python, "-m", "pip", "install", "-q", "--no-index", wheel)
        assert json.loads(release.ran("bootstrap", "--python", python, "--json").out)["installed"] is False

    def test_another_version_takes_the_place_of_the_old_one(
        self, release: FakeRelease, place: Place, older: Path
    ) -> None:
        install_old(release, place, older)
        release.ran("bootstrap", "--python", place.python)
        assert place.version() == NEW
        install_old(release, place, older)

    @posix_only
    def test_what_is_damaged_is_mended(self, release: FakeRelease, place: Place) -> None:
        codex, dist_info = place.site / MODULE / "bin" / "codex", place.site / f"{MODULE}-{NEW}.dist-info"
        damages: list[Callable[[], object]] = [
            lambda: codex.write_bytes(b"other"),
            codex.unlink,
            lambda: codex.chmod(0o644),
            (place.site / MODULE / "codex-path" / "rg").unlink,
            lambda: (place.site / MODULE / "__init__.py").write_text("raise SystemExit"),
            lambda: (place.site / MODULE / "codex-path" / "stray").write_text("on Codex' PATH"),
            (dist_info / "RECORD").unlink,
            lambda: (dist_info / "RECORD").write_bytes(b"\xff\0"),
            lambda: (dist_info / "RECORD").write_text(""),
            (dist_info / "METADATA").unlink,
            lambda: dist_info.rename(place.site / f"{MODULE}-9.dist-info"),
            (place.scripts / "codex").unlink,
        ]
        release.ran("bootstrap", "--python", place.python)
        for number, damage in enumerate(damages):
            damage()
            mended = json.loads(release.ran("bootstrap", "--python", place.python, "--json").out)
            assert mended["installed"] is True, number
            assert place.version() == NEW, number
            assert os.access(codex, os.X_OK), number

    def test_a_payload_that_agrees_with_its_own_record_but_not_with_the_lock_is_replaced(
        self, release: FakeRelease, place: Place
    ) -> None:
        release.ran("bootstrap", "--python", place.python)
        record = place.site / f"{MODULE}-{NEW}.dist-info" / "RECORD"
        rows = record.read_text().splitlines()
        kept = [row for row in rows if not row.startswith(f"{MODULE}/bin/codex,")]
        (place.site / MODULE / "bin" / "codex").write_bytes(b"")
        empty = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0"
        record.write_text("\n".join([f"{MODULE}/bin/codex,{empty}", *kept]) + "\n")
        release.ran("bootstrap", "--python", place.python)
        assert (place.site / MODULE / "bin" / "codex").read_bytes() == archives.runtime(HOST)["bin/codex"]

    def test_an_edit_of_the_installation_does_not_reach_the_cache(self, release: FakeRelease, place: Place) -> None:
        release.ran("bootstrap", "--python", place.python)
        installed = place.site / MODULE / "bin" / "codex"
        assert installed.stat().st_nlink == 1
        installed.write_bytes(b"edited")
        release.ran("bootstrap", "--python", place.python, source=place.root)  # so the cache alone has to do
        assert place.version() == NEW

    @pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
    def test_another_python_is_asked_where_its_packages_go(
        self, version: str, release: FakeRelease, tmp_path: Path
    ) -> None:
        finished(interpreter(version), "-m", "venv", "--without-pip", tmp_path / "env")
        python = tmp_path / "env" / "bin" / "python"
        release.ran("bootstrap", "--python", python)
        code = "import codex_cli_bin as c; print(c.__version__, c.bundled_codex_path())"
        said = finished(python, "-I", "-c", code).stdout.split()
        assert said == [NEW, str(tmp_path / f"env/lib/python{version}/site-packages/{MODULE}/bin/codex")]
        assert (tmp_path / "env" / "bin" / "codex").read_text().startswith(f"#!{python}\n")

    def test_into_an_isolated_directory(self, release: FakeRelease, place: Place, tmp_path: Path) -> None:
        target = tmp_path / "below" / "target"
        said = release.ran("bootstrap", "--python", place.python, "--install-target", target, "--json").out
        assert json.loads(said)["site"] == str(target)
        isolated = Place(target, place.python, target, target / "bin")
        assert isolated.version() == NEW
        assert place.version() is None
        # The script finds the package by itself, also through a link.
        (tmp_path / "link").symlink_to(target / "bin" / "codex")
        finished(tmp_path / "link", env={"PYTHONPATH": ""})
        code = f"import sys; sys.path.insert(0, {str(target)!r}); import codex_cli_bin as c; print(c.__version__)"
        assert finished(place.python, "-c", code).stdout.strip() == NEW
        before = stamps(isolated)
        release.ran("bootstrap", "--python", place.python, "--install-target", target)
        assert stamps(isolated) == before

    def test_what_else_is_in_an_isolated_directory_stays(
        self, release: FakeRelease, place: Place, tmp_path: Path
    ) -> None:
        target = tmp_path / "target"
        (target / "bin").mkdir(parents=True)
        (target / "bin" / "other").write_text("mine")
        (target / "other.py").write_text("mine")
        release.ran("bootstrap", "--python", place.python, "--install-target", target)
        finished(sys.executable, "-m", "uv", "pip", "uninstall", "-q", "--target", target, PACKAGE_NAME)
        assert {path.name for path in target.rglob("*")} <= {"bin", "other", "other.py", ".lock"}


@posix_only
def test_a_path_beyond_ascii_in_a_locale_that_knows_no_more(release: FakeRelease, tmp_path: Path) -> None:
    directory = tmp_path / "gr\u00fcn"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = ("--repo", release.root, "--source", release.archives)
    python = directory / "bin" / "python"
    codex_release("bootstrap", "--python", python, *words, env=plain)
    codex_release("fetch", "--out", directory / "out", *words, env=plain)
    assert (directory / "bin" / "codex").read_bytes().startswith(f"#!{python}\n".encode())
    assert (directory / "out" / HOST.triple / "codex-package.json").is_file()
    said = codex_release("bootstrap", "--python", directory / "missing", *words, env=plain, code=1).stderr
    assert "there is no interpreter" in said
    assert "Traceback" not in said


class TestInstallers:
    def test_pip_lists_it_and_uninstalls_all_of_it(self, release: FakeRelease, tmp_path: Path) -> None:
        python = environment_with(tmp_path / "env", None)
        place = Place(tmp_path / "env", python, Path(), Path())
        before = place.everything()
        release.ran("bootstrap", "--python", python)
        listed = json.loads(finished(python, "-m", "pip", "list", "--format", "json").stdout)
        assert {"name": PACKAGE_NAME, "version": NEW} in listed
        finished(python, "-m", "pip", "check")
        assert f"{MODULE}/bin/codex\n" in finished(python, "-m", "pip", "show", "-f", PACKAGE_NAME).stdout
        finished(python, "-m", MODULE)  # leaves byte code
        finished(python, "-m", "pip", "uninstall", "-q", "-y", PACKAGE_NAME)
        assert place.everything() == before
        assert not list(place.root.rglob(f"*{MODULE}*"))

    def test_uv_lists_it_and_uninstalls_all_of_it(self, release: FakeRelease, place: Place) -> None:
        uv = [sys.executable, "-m", "uv", "pip"]
        before = place.everything()
        release.ran("bootstrap", "--python", place.python)
        listed = json.loads(finished(*uv, "list", "--python", place.python, "--format", "json").stdout)
        assert listed == [{"name": PACKAGE_NAME, "version": NEW}]
        finished(place.python, "-m", MODULE)
        finished(*uv, "uninstall", "-q", "--python", place.python, PACKAGE_NAME)
        assert place.everything() - {"lib/.lock", ".lock"} == before
        assert not list(place.root.rglob(f"*{MODULE}*"))

    def test_pip_and_we_take_turns(self, release: FakeRelease, older: Path, tmp_path: Path) -> None:
        release.ran("build", "--out", tmp_path / "dist")
        (wheel,) = (tmp_path / "dist").glob(f"{MODULE}*.whl")
        python = environment_with(tmp_path / "env", None)
        library = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        place = Place(tmp_path / "env", python, tmp_path / "env/lib" / library / "site-packages", tmp_path / "env/bin")
        install_old(release, place, older)
        finished(python, "-m", "pip", "install", "-q", "--no-index", "--no-compile", wheel)
        assert place.version() == NEW
        install_old(release, place, older)


RUNNING = """
import shutil, sys
from pathlib import Path
from codex_release.bootstrap import ensure_runtime_package_installed
target, *locks = sys.argv[1:]
if target:
    sys.path.insert(0, target)
for lock in locks:
    shutil.copyfile(lock, "release/runtime.lock.toml")
    print(ensure_runtime_package_installed(sys.executable, install_target=target or None), end=" ")
    import codex_cli_bin
    descriptor = (codex_cli_bin.bundled_package_dir() / "codex-package.json").read_text()
    print(codex_cli_bin.__version__, codex_cli_bin.__version__ in descriptor)
    del codex_cli_bin
"""


class TestTheRunningInterpreter:
    @pytest.mark.parametrize("isolated", [True, False], ids=["isolated", "environment"])
    def test_it_imports_what_was_installed_and_after_it_what_replaced_that(
        self, isolated: bool, release: FakeRelease, place: Place, older: Path, tmp_path: Path
    ) -> None:
        # The toolkit runs in the environment itself.
        seen = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(ROOT / "release" / "src")]
        (place.site / "toolkit.pth").write_text("\n".join(seen))
        newer = tmp_path / "newer.toml"
        newer.write_bytes(release.lock_file.read_bytes())
        said = finished(
            place.python,
            "-c",
            RUNNING,
            str(tmp_path / "target") if isolated else "",
            older,
            newer,
            cwd=release.root,
            env={"CODEX_RELEASE_SOURCES": f"{older.parent},{release.archives}"},
        )
        assert said.stdout.splitlines() == [f"{OLD} {OLD} True", f"{NEW} {NEW} True"]


class TestVersions:
    def test_the_locked_one_unless_the_variable_names_another(
        self, release: FakeRelease, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(release.root)
        monkeypatch.delenv(RUNTIME_VERSION_ENV_VAR, raising=False)
        assert configured_runtime_version() is None
        assert required_runtime_version() == NEW
        monkeypatch.setenv(RUNTIME_VERSION_ENV_VAR, "rust-v0.170.0-alpha.2")
        assert configured_runtime_version() == "rust-v0.170.0-alpha.2"
        assert required_runtime_version() == "0.170.0a2"
        monkeypatch.setenv(RUNTIME_VERSION_ENV_VAR, "latest")
        with pytest.raises(RuntimeSetupError, match=f"^{RUNTIME_VERSION_ENV_VAR}: 'latest' is not a Codex version"):
            required_runtime_version()

    def test_an_empty_variable_is_refused(
        self, release: FakeRelease, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(RUNTIME_VERSION_ENV_VAR, " ")
        for ask in (configured_runtime_version, required_runtime_version):
            with pytest.raises(RuntimeSetupError, match=f"^{RUNTIME_VERSION_ENV_VAR} is set but empty; name a version"):
                ask()
        assert f"{RUNTIME_VERSION_ENV_VAR} is set but empty" in release.refused("bootstrap", "--python", place.python)
        release.ran("bootstrap", "--python", place.python, "--runtime-version", NEW)  # what is named goes first

    def test_a_version_that_is_not_locked_is_refused(
        self, release: FakeRelease, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = release.refused("bootstrap", "--python", place.python, "--runtime-version", OLD)
        assert said == (
            f"the lock knows {NEW}, not {OLD}; check out what pins it, or name another lock: "
            f"codex-release lock {OLD} --lock-file FILE writes one"
        )
        monkeypatch.chdir(release.root)
        with pytest.raises(RuntimeSetupError, match="check out what pins it"):
            ensure_runtime_package_installed(place.python, runtime_version=OLD)
        assert place.version() is None

    def test_the_asset_of_this_platform(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert platform_asset_name() == f"codex-package-{HOST.triple}.tar.gz"
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
        with pytest.raises(RuntimeSetupError, match=f"^Codex is not built for {sys.platform} on riscv64; it is built"):
            platform_asset_name()

    def test_the_toolkit_knows_the_checkout_it_is_installed_from(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert required_runtime_version() == PUBLISHED


ASKING = "from codex_release.bootstrap import required_runtime_version as v; print(v({}))"


class TestTheCheckout:
    """Of an installed toolkit, which lies in no checkout itself."""

    @pytest.fixture
    def toolkit(self, tmp_path: Path) -> dict[str, str]:
        """The environment variables of a process that has one."""
        shutil.copytree(ROOT / "release" / "src", tmp_path / "toolkit", ignore=shutil.ignore_patterns("__pycache__"))
        seen = [str(tmp_path / "toolkit"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        return {"PYTHONPATH": os.pathsep.join(seen)}

    @pytest.fixture
    def elsewhere(self, tmp_path: Path) -> Path:
        """A directory that is in no checkout."""
        (tmp_path / "elsewhere").mkdir()
        return tmp_path / "elsewhere"

    def test_is_the_one_that_the_running_program_stands_in(
        self, release: FakeRelease, place: Place, older: Path, toolkit: dict[str, str], elsewhere: Path
    ) -> None:
        shutil.copyfile(older, release.lock_file)
        program = release.root / "sdk" / "examples" / "01" / "sync.py"
        program.parent.mkdir(parents=True)
        program.write_text(
            "import sys; from codex_release.bootstrap import ensure_runtime_package_installed as ensure;"
            "print(ensure(sys.executable))"
        )
        env = {**toolkit, "CODEX_RELEASE_SOURCES": str(older.parent)}
        assert finished(place.python, program, cwd=elsewhere, env=env).stdout.strip() == OLD
        assert place.version() == OLD

    def test_is_the_one_around_the_working_directory_unless_it_is_named(
        self, release: FakeRelease, place: Place, older: Path, toolkit: dict[str, str], elsewhere: Path
    ) -> None:
        shutil.copyfile(older, release.lock_file)
        below = release.root / "sdk"
        assert finished(place.python, "-c", ASKING.format(""), cwd=below, env=toolkit).stdout.strip() == OLD
        named = ASKING.format(f"checkout={str(ROOT / 'sdk')!r}")
        assert finished(place.python, "-c", named, cwd=below, env=toolkit).stdout.strip() == PUBLISHED
        assert finished(place.python, "-c", named, cwd=elsewhere, env=toolkit).stdout.strip() == PUBLISHED

    def test_if_there_is_none_says_so(self, place: Place, toolkit: dict[str, str], elsewhere: Path) -> None:
        said = finished(place.python, "-c", ASKING.format(""), cwd=elsewhere, env=toolkit, code=1).stderr
        assert said.splitlines()[-1] == (
            "codex_release.base.errors.RuntimeSetupError: there is no checkout of this project around the working "
            "directory, the running program and this toolkit; run from inside one, or name it with checkout=DIR"
        )

    @posix_only
    def test_is_found_from_a_directory_that_is_gone(
        self, place: Place, toolkit: dict[str, str], tmp_path: Path
    ) -> None:
        named = ASKING.format(f"checkout={str(ROOT)!r}")
        code = f"import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); {named}"
        assert finished(place.python, "-c", code, cwd=tmp_path, env=toolkit).stdout.strip() == PUBLISHED


class TestRefusals:
    @pytest.mark.parametrize("python", ["no-such-python", "/no/such/python"])
    def test_no_interpreter(self, python: str, release: FakeRelease) -> None:
        assert release.refused("bootstrap", "--python", python) == (
            f"there is no interpreter {python}; name one with --python"
        )

    @posix_only
    def test_something_that_is_no_interpreter(self, release: FakeRelease, tmp_path: Path) -> None:
        (tmp_path / "python").write_text("#!/bin/sh\necho it is no snake >&2\nexit 1\n")
        (tmp_path / "python").chmod(0o755)
        said = release.refused("bootstrap", "--python", tmp_path / "python")
        assert "does not say where its packages go: it failed with exit code 1: it is no snake; name" in said

    def test_a_python_that_is_too_old(self, release: FakeRelease) -> None:
        said = release.refused("bootstrap", "--python", interpreter("3.8"))
        assert "is Python 3.8." in said
        assert "which is too old; name a Python of 3.10 or newer" in said

    @posix_only
    def test_an_environment_that_the_system_keeps_for_itself(self, release: FakeRelease, tmp_path: Path) -> None:
        answer = {
            "version": [3, 12, 0],
            "executable": "/usr/bin/python3",
            "system": sys.platform,
            "site": str(tmp_path / "site"),
            "scripts": str(tmp_path / "bin"),
            "managed": True,
        }
        (tmp_path / "python").write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(answer)}\nEND\n")
        (tmp_path / "python").chmod(0o755)
        said = release.refused("bootstrap", "--python", tmp_path / "python")
        assert "managed by the system's package manager; make a virtual environment" in said
        assert not (tmp_path / "site").exists()
        release.ran("bootstrap", "--python", tmp_path / "python", "--install-target", tmp_path / "own")

    def test_no_network_says_which_file_would_do_and_where(
        self, release: FakeRelease, place: Place, tmp_path: Path
    ) -> None:
        packed = archives.package_tar(HOST)
        (tmp_path / "empty").mkdir()
        lock = Lock.read(release.lock_file)
        digest = file_digest(release.archives / packed.name)
        known = replace(lock.targets[HOST.triple], archives={"github": LockedArchive(packed.name, digest)})
        replace(lock, targets={HOST.triple: known}).write(release.lock_file)
        for source in (tmp_path / "empty", "github"):
            release.ran("cache", "clear")
            arguments = [
                "bootstrap",
                "--python",
                str(place.python),
                "--source",
                str(source),
                "--repo",
                str(release.root),
            ]
            dead = {"GITHUB_API_URL": "http://127.0.0.1:9", "PATH": str(tmp_path / "empty")}
            said = codex_release(*arguments, env=dead, code=1).stderr.splitlines()[-1]
            address = tmp_path / "cache" / "archives" / digest.sha256
            assert f"put {packed.name} (sha256 {digest.sha256}) at {address} or name a directory that holds" in said
            assert place.version() is None
            # And that is true.
            address.parent.mkdir(parents=True, exist_ok=True)
            address.write_bytes(packed.data)
            codex_release(*arguments, env=dead)
            assert place.version() == NEW
            finished(sys.executable, "-m", "uv", "pip", "uninstall", "-q", "--python", place.python, PACKAGE_NAME)

    def test_a_package_of_another_distribution_is_left_alone(self, release: FakeRelease, place: Place) -> None:
        (place.site / MODULE).mkdir()
        (place.site / MODULE / "__init__.py").write_text("mine")
        other = place.site / "openai_codex_cli_bin-0.163.0.dist-info"
        other.mkdir()
        (other / "RECORD").write_text(f"{MODULE}/__init__.py,,\n")
        said = release.refused("bootstrap", "--python", place.python)
        assert f"the package {MODULE} in {place.site} belongs to {other.name}; uninstall that" in said
        assert (place.site / MODULE / "__init__.py").read_text() == "mine"
        (other / "RECORD").write_text("other.py,,\n")
        release.ran("bootstrap", "--python", place.python)  # what is nobody's is only in the way
        assert place.version() == NEW


class TestScripts:
    @posix_only
    @pytest.mark.parametrize("name", ["e n v", "it's", "e" * 150], ids=["spaces", "quote", "long"])
    def test_a_path_that_no_first_line_can_have(self, name: str, release: FakeRelease, tmp_path: Path) -> None:
        place = bare_environment(tmp_path / name)
        release.ran("bootstrap", "--python", place.python)
        finished(place.scripts / "codex", env={"PATH": "/usr/bin:/bin"})

    @pytest.mark.parametrize("triple", ["x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"])
    @pytest.mark.parametrize("is_isolated", [True, False])
    def test_windows_gets_a_launcher(self, triple: str, is_isolated: bool) -> None:
        target = archives.CATALOG.target(triple)
        python = Path("C:/Program Files/Python/python.exe")
        environment = Environment(python, Path("C:/site"), Path("C:/Scripts"), is_isolated=is_isolated)
        name, content = console_script("codex", "codex_cli_bin.__main__:main", environment, target)
        assert name == "codex.exe"
        assert content.startswith(b"MZ")
        assert b"#!" + str(python).encode() + b"\nPK" in content
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.namelist() == ["__main__.py"]
            body = archive.read("__main__.py").decode()
        assert "from codex_cli_bin.__main__ import main\n" in body
        assert ("sys.path.insert" in body) == is_isolated
        compile(body, "__main__.py", "exec")


def test_the_command_that_finds_nothing_to_do_loads_neither_network_nor_display(
    release: FakeRelease, place: Place
) -> None:
    release.ran("bootstrap", "--python", place.python)
    words = ["bootstrap", "--python", str(place.python), "--repo", str(release.root)]
    code = f"import sys; from codex_release.cli import main; main({words!r}); print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())
    assert "codex_release.installing.installed" in loaded
    assert not loaded & {"httpx", "rich", "filelock", "tomlkit", "hatchling", "codex_release.context"}


def test_importing_the_public_face_loads_nothing_of_what_is_behind_it() -> None:
    code = "import sys; import codex_release.bootstrap; print(*sys.modules)"
    loaded = set(
        finished(sys.executable, "-S", "-c", code, env={"PYTHONPATH": str(ROOT / "release/src")}).stdout.split()
    )
    assert {name for name in loaded if name.startswith("codex_release.")} == {
        "codex_release.base",
        "codex_release.base.errors",
        "codex_release.bootstrap",
        "codex_release.installing",
        "codex_release.installing.wanted",
    }
    assert not loaded & {"argparse", "dataclasses", "json", "packaging", "pathlib", "subprocess", "tomllib"}
