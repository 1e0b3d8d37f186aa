"""An index out of a directory of files, for what no real index server can be made to serve: an app for `loopback`.

It speaks the JSON form of the simple API with everything an index may say, or the HTML form with as little as it must.
"""

from __future__ import annotations

import hashlib
import html
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loopback import Reply, Request, file_reply, json_reply
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

__all__ = ["Entry", "StaticIndex", "listed_entry"]

Entry = dict[str, Any]


class StaticIndex:
    """The app.

    Args:
        directory: the files.
        change: what is done to each entry of a listing before it is served; `None` for an answer leaves the file out.
        bare: speak HTML, without digests and metadata.

    Attributes:
        served: what is served in place of a file, by path; other paths may be added.
    """

    def __init__(
        self, directory: Path, change: Callable[[Entry], Entry | None] = lambda entry: entry, *, bare: bool = False
    ) -> None:
        self._files = {path.name: path for path in directory.iterdir() if path.name.startswith("codex_")}
        self._change = change
        self._bare = bare
        self.served: dict[str, bytes] = {}

    def __call__(self, request: Request) -> Reply:
        if request.path in self.served:
            return file_reply(request, self.served[request.path])
        *_, room, name = request.path.rstrip("/").split("/")
        if room == "files":
            wheel = name.removesuffix(".metadata")
            if wheel not in self._files:
                return Reply(404)
            data = self._files[wheel].read_bytes() if wheel == name else _metadata(self._files[wheel])
            return file_reply(request, data)
        entries = [self._change(listed_entry(path)) for path in self._files.values() if _project(path.name) == name]
        found = [entry for entry in entries if entry]
        if not found:
            return Reply(404)
        if self._bare:
            links = "".join(f'<a href="{html.escape(each["url"])}">{each["filename"]}</a>\n' for each in found)
            return Reply(200, f"<!DOCTYPE html>\n{links}".encode(), {"Content-Type": "text/html"})
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": found}
        return json_reply(page, headers={"Content-Type": "application/vnd.pypi.simple.v1+json"})


def _project(name: str) -> str:
    parsed = parse_wheel_filename(name)[0] if name.endswith(".whl") else parse_sdist_filename(name)[0]
    return canonicalize_name(parsed)


def listed_entry(path: Path) -> Entry:
    """What the JSON form says of a file."""
    data = path.read_bytes()
    entry: Entry = {
        "filename": path.name,
        "url": f"/files/{path.name}",
        "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
        "size": len(data),
        "requires-python": ">=3.10",
    }
    if path.suffix == ".whl":
        entry["core-metadata"] = {"sha256": hashlib.sha256(_metadata(path)).hexdigest()}
    return entry


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA")))
