"""Stand-ins for ``gh`` and ``npm`` that are put on PATH: they take the words of the real ones and print their format.

They are scripts with a ``#!`` line, so they need POSIX.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["calls_of", "fake_gh", "fake_npm", "fake_program"]

_GH = """
import json, pathlib, sys
assets = pathlib.Path(__file__).with_name("gh-assets")
if sys.argv[1:3] == ["release", "view"] and sys.argv[5:] == ["--json", "tagName"]:
    tags = sorted(path.name for path in assets.iterdir() if path.is_dir()) if assets.is_dir() else []
    sys.exit(print(json.dumps({"tagName": tags[-1]})) if tags else "release not found")
tag, words = sys.argv[3], sys.argv[4:]
if not (assets / tag).is_dir():
    sys.exit("release not found")
if sys.argv[1:3] == ["release", "view"] and words[2:] == ["--json", "assets"]:
    print((assets / f"{tag}.json").read_text())
elif sys.argv[1:3] == ["release", "download"] and words[2] == "--pattern" and words[4:] == ["--output", "-"]:
    sys.stdout.buffer.write((assets / tag / words[3]).read_bytes())
else:
    sys.exit(f"unknown words: {sys.argv}")
"""

_NPM = """
import sys
if sys.argv[1:] != ["config", "get", "registry"]:
    sys.exit(f"unknown words: {{sys.argv}}")
sys.stderr.write('npm warn Unknown user config "nodedir". This will stop working some day.\\n')
print({registry!r})
"""


def fake_program(directory: Path, name: str, code: str) -> Path:
    """Put a Python program under a name; it notes the words it is called with, see `calls_of`."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    noting = f"import json, sys\nprint(json.dumps(sys.argv[1:]), file=open({f'{path}-calls'!r}, 'a'))"
    path.write_text(f"#!{sys.executable} -I\n{noting}\n{code}", encoding="utf-8")
    path.chmod(0o755)
    return path


def calls_of(program: Path) -> list[list[str]]:
    """The words of each call so far."""
    calls = program.with_name(f"{program.name}-calls")
    return [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()] if calls.exists() else []


def fake_gh(directory: Path, releases: Mapping[str, Mapping[str, bytes]], *, digests: bool = True) -> Path:
    """A ``gh`` that is logged in and knows these releases: by tag, the assets by name."""
    for tag, assets in releases.items():
        home = directory / "gh-assets" / tag
        home.mkdir(parents=True)
        listed = []
        for number, (name, data) in enumerate(assets.items()):
            (home / name).write_bytes(data)
            listed.append(
                {
                    "apiUrl": f"https://api.github.com/repos/openai/codex/releases/assets/{number}",
                    "contentType": "application/gzip",
                    "createdAt": "2026-11-02T19:20:21Z",
                    "digest": f"sha256:{hashlib.sha256(data).hexdigest()}" if digests else None,
                    "downloadCount": 7,
                    "id": f"RA_{number}",
                    "label": "",
                    "name": name,
                    "size": len(data),
                    "state": "uploaded",
                    "updatedAt": "2026-11-02T19:20:21Z",
                    "url": f"https://github.com/openai/codex/releases/download/{tag}/{name}",
                }
            )
        home.with_name(f"{tag}.json").write_text(json.dumps({"assets": listed}), encoding="utf-8")
    return fake_program(directory, "gh", _GH)


def fake_npm(directory: Path, registry: str) -> Path:
    """An ``npm`` whose registry is this one."""
    return fake_program(directory, "npm", _NPM.format(registry=registry))
