#!/usr/bin/env python3
"""Run the project's commands in a Debian of its own: with a newer Python, or one this machine does not have.

    sudo python3 scripts/chroot.py DIR test                 the tests, with the Python of Debian unstable
    sudo python3 scripts/chroot.py --package python3.15-venv --python python3.15 DIR demo     with another one it has

The first run makes the Debian in DIR (debootstrap, some minutes), later ones use it as it is. It works on a copy of the
checkout in DIR, with what is there now, and with an environment of its own; the toolkit's cache, this machine's pyenv
and the settings of apt, pip, uv and npm are seen there too. All of that is mounted where no other process sees it
(`unshare`), so it is gone with the last process in there, however that ends. It needs Linux, root and debootstrap.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
STAMP = ".codex-chroot"
CHECKOUT = "checkout"
OLD_ROOT = ".outside"
APART = "--apart"
BASE = ("ca-certificates", "python3", "python3-venv")
TOOLS = ("binutils", "git", "libpython3-dev", "nodejs", "npm", "openssl", "unzip")
"""What tests and what they start need. Debian's apt brings them: debootstrap does not see who needs whom first."""
NEEDED = ("debootstrap", "setpriv", "unshare", "chroot", "pivot_root", "git")
SETTINGS = (
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/pip.conf",
    "/etc/npmrc",
    "/etc/uv/uv.toml",
    "~/.config/pip/pip.conf",
    "~/.config/uv/uv.toml",
    "~/.pip/pip.conf",
    "~/.npmrc",
)
CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
FOUND_LINKS = ("PIP_FIND_LINKS", "UV_FIND_LINKS")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PRIVATE = ("PATH", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYENV_VERSION", "TMPDIR", "TMP", "TEMP")
"""Variables that lead into this system's directories."""


def main() -> int:
    """Run a command in there; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, metavar="DIR", help="where the Debian is, or is to be made")
    parser.add_argument("--suite", default="sid", help="which Debian to make (sid)")
    parser.add_argument("--package", action="append", default=[], help="one more package to have in there; repeatable")
    parser.add_argument("--python", default="python3", help="the interpreter in there (python3)")
    parser.add_argument(APART, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs=argparse.REMAINDER, help="for scripts/dev.py, e.g. test; that if there are none")
    arguments = parser.parse_args()
    directory = arguments.directory.resolve()
    # A shell ignores Ctrl-C for what it starts in the background; the tests of Ctrl-C would inherit that and wait.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if arguments.apart:
            return _inside(directory, arguments)
        _refuse(directory)
        private = ["setpriv", "--pdeathsig", "KILL"]  # whatever ends this process ends everything in there
        private += ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
        return subprocess.run([*private, sys.executable, __file__, APART, *sys.argv[1:]], check=False).returncode
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"chroot.py: {shlex.join(map(str, error.cmd))} failed with exit code {error.returncode}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("chroot.py: interrupted\n")
        return 130


def _refuse(directory: Path) -> None:
    """End with one line if this machine cannot do it, or the directory is somebody else's."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        sys.exit("chroot.py: making and entering a Debian needs Linux and root; run it with sudo")
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        sys.exit(f"chroot.py: cannot find {', '.join(missing)}; install the packages that have them")
    if directory.exists() and any(directory.iterdir()) and not (directory / STAMP).is_file():
        sys.exit(f"chroot.py: {directory} holds something that was not finished here; remove it or name another one")


def _inside(directory: Path, arguments: argparse.Namespace) -> int:
    """Make what is missing, mount, and run; all of this is seen by this process and its children alone."""
    import fcntl  # Linux has it

    directory.mkdir(parents=True, exist_ok=True)
    try:
        fcntl.flock(os.open(directory, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)  # until this process ends
    except BlockingIOError:
        sys.exit(f"chroot.py: {directory} is in use by another run; wait for it, or name another directory")
    is_new = not (directory / STAMP).is_file()
    if is_new:
        print(f"making Debian {arguments.suite} in {directory}", file=sys.stderr)
        words = ["--variant=minbase", f"--include={','.join(BASE)}", arguments.suite, directory, *_mirror()]
        _run("debootstrap", *words, quiet=True)
    _mount(directory)
    _install(directory, [*(TOOLS if is_new else ()), *arguments.package])
    (directory / STAMP).touch()
    _copy_checkout(directory / CHECKOUT)
    environ = {name: value for name, value in os.environ.items() if name not in PRIVATE}
    environ["PATH"] = PATH
    words = [arguments.python, "scripts/dev.py", *(arguments.words or ["test"])]
    # Not by chroot: what runs in one may make no namespaces, of which Codex makes its sandbox.
    (directory / OLD_ROOT).mkdir(exist_ok=True)
    entering = f'pivot_root . {OLD_ROOT} && umount -l /{OLD_ROOT} && cd /{CHECKOUT} && exec "$@"'
    return subprocess.run(["sh", "-c", entering, "sh", *words], cwd=directory, env=environ, check=False).returncode


def _mount(directory: Path) -> None:
    """What a program needs of a system, and what the tests share with this one."""
    _run("mount", "--rbind", directory, directory)  # a root that is a mount, so that tests in there may mount too
    for kind, place in {"proc": "proc", "devpts": "dev/pts", "tmpfs": "dev/shm"}.items():
        (directory / place).mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", kind, kind, directory / place)
    home = Path.home()
    cache = Path(os.environ.get("CODEX_RELEASE_CACHE") or home / ".cache" / "codex-release")
    cache.mkdir(parents=True, exist_ok=True)
    _bind(cache, directory)
    read_only = [Path(each).expanduser() for each in SETTINGS]
    read_only += [Path(os.environ[name]) for name in CERTIFICATES if os.environ.get(name)]
    read_only += [Path(word) for name in FOUND_LINKS for word in os.environ.get(name, "").split()]
    read_only.append(Path(os.environ.get("PYENV_ROOT") or home / ".pyenv"))
    for path in dict.fromkeys(read_only):
        if path.is_absolute() and path.exists():
            _bind(path, directory, "ro")


def _bind(path: Path, directory: Path, *options: str) -> None:
    """Let a file or directory of this system be seen at its own path in there."""
    place = directory / path.relative_to("/")
    if place.is_symlink():
        place.unlink()
    if path.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    _run("mount", "--bind", *(("-o", ",".join(options)) if options else ()), path, place)


def _mirror() -> list[str]:
    """Where this system gets Debian's packages from, if it is one; else debootstrap's own choice."""
    asked = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(SITE)", "Created-By: Packages"]
    try:
        listed = subprocess.run(asked, capture_output=True, encoding="utf-8", errors="replace", check=False).stdout
    except OSError:
        return []
    sites = [line.partition(" ")[2] for line in listed.splitlines() if line.startswith("Debian ")]
    return sites[:1]


def _install(directory: Path, packages: list[str]) -> None:
    """Install packages in there, fetched the way this system's apt is set up to: through its proxies and the like."""
    if not packages:
        return
    if shutil.which("apt-config"):
        asked = ["apt-config", "dump", "Acquire"]
        said = subprocess.run(asked, capture_output=True, encoding="utf-8", errors="replace", check=True).stdout
        (directory / "etc/apt/apt.conf.d/99host").write_text(said, encoding="utf-8")
    apt = ["chroot", str(directory), "env", "DEBIAN_FRONTEND=noninteractive", f"PATH={PATH}", "apt-get", "-qq"]
    _run(*apt, "update", quiet=True)
    _run(*apt, "install", "-y", "--no-install-recommends", *packages, quiet=True)


def _copy_checkout(place: Path) -> None:
    """The checkout as it is now, as one commit; the environment that is there already stays."""
    place.mkdir(exist_ok=True)
    for path in place.iterdir():
        if path.name == ".venv":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    git = ["git", "-c", "safe.directory=*", "-c", "user.name=chroot", "-c", "user.email=chroot@localhost"]
    listed = subprocess.run(
        [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, os.fsdecode(listed).split("\0")):
        if (ROOT / name).is_file():  # one that is deleted, but not yet for git, is listed too
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "As it is"]):
        subprocess.run([*git, *words], cwd=place, check=True)


def _run(*argv: str | Path, quiet: bool = False) -> None:
    """Run a program; what it prints is shown if it fails, or at once if it is not quiet."""
    ran = subprocess.run(
        argv, stdout=subprocess.PIPE if quiet else None, stderr=subprocess.STDOUT if quiet else None, check=False
    )
    if ran.returncode:
        sys.stderr.write((ran.stdout or b"").decode("utf-8", "replace")[-2000:])
        ran.check_returncode()


if __name__ == "__main__":
    sys.exit(main())
