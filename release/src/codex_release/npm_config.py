"""The user's own npm configuration: which registry, and the credentials for it.

Read in npm's order of precedence: ``npm_config_*`` variables, then ``.npmrc`` of the project, the user and the whole
machine. Only where none of them names a registry is the ``npm`` program asked for its default.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections import ChainMap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from codex_release.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["NpmConfig", "parse_npmrc"]

_PREFIX = "npm_config_"
_NPM_TIMEOUT_S = 30


@dataclass(frozen=True)
class NpmConfig:
    """Settings by npm's own keys, e.g. ``registry``; they may hold secrets and are never shown."""

    values: Mapping[str, str] = field(repr=False)

    @classmethod
    def load(cls, environ: Mapping[str, str], cwd: Path) -> NpmConfig:
        """Read the configuration that npm would use in a directory."""
        variables = {
            _key(name[len(_PREFIX) :]): value
            for name, value in environ.items()
            if name.lower().startswith(_PREFIX) and value
        }
        files = [cwd / ".npmrc", Path(variables.get("userconfig") or Path.home() / ".npmrc")]
        files += [Path(variables["globalconfig"])] if "globalconfig" in variables else _global_files()
        return cls(ChainMap(variables, *(_read(path, environ) for path in files)))

    def registry(self, package: str) -> str:
        """The registry that serves a package, without a slash at the end.

        Raises:
            SourceError: if none is configured and ``npm`` cannot be asked.
        """
        scope = package.partition("/")[0]
        url = self.values.get(f"{scope}:registry") or self.values.get("registry") or _ask_npm()
        if not re.match(r"https?://", url):
            raise SourceError(f"the configured npm registry is not an http or https URL: {url}")
        return url.rstrip("/")

    def authorization(self, url: str) -> dict[str, str]:
        """The header with the credentials that the configuration has for this address, if it has any.

        Credentials belong to a host and a path (``//host/path/:_authToken``) and go nowhere else.
        """
        for where in _scopes(url):
            if token := self.values.get(f"{where}:_authToken"):
                return {"Authorization": f"Bearer {token}"}
            if basic := self.values.get(f"{where}:_auth"):
                return {"Authorization": f"Basic {basic}"}
            user, password = self.values.get(f"{where}:username"), self.values.get(f"{where}:_password")
            if user and password:
                plain = f"{user}:{base64.b64decode(password).decode()}"
                return {"Authorization": f"Basic {base64.b64encode(plain.encode()).decode()}"}
        return {}


def parse_npmrc(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of an ``.npmrc``: ``key = value`` lines, ``;`` and ``#`` comments, ``${VAR}`` from the environment."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if not equals or key[:1] in {";", "#", "["}:
            continue
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        expanded = re.sub(r"\$\{([^}]+)\}", lambda match: environ.get(match[1], match[0]), value)
        found[key.strip()] = expanded
    return found


def _key(name: str) -> str:
    """The key that an environment variable sets: ``NPM_CONFIG_REGISTRY`` is ``registry``; credentials keep their case."""
    return name if "/" in name else name.lower()


def _read(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    try:
        return parse_npmrc(path.read_text(encoding="utf-8"), environ)
    except (OSError, UnicodeDecodeError):
        return {}  # npm too goes on without a file it cannot read


def _global_files() -> list[Path]:
    """The machine-wide file beside the ``npm`` program, ``<prefix>/etc/npmrc``."""
    npm = shutil.which("npm")
    return [Path(npm).parent.parent / "etc" / "npmrc"] if npm else []


def _ask_npm() -> str:
    remedy = "set NPM_CONFIG_REGISTRY, or install npm"
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("no npm registry is configured and npm is not installed", remedy=remedy)
    try:
        ran = subprocess.run(
            [npm, "config", "get", "registry"], capture_output=True, text=True, timeout=_NPM_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SourceError(f"npm could not be asked for its registry: {error}", remedy=remedy) from error
    return ran.stdout.strip()


def _scopes(url: str) -> Iterator[str]:
    """The keys that may hold credentials for a URL, the narrowest first: ``//host/a/b/``, ``//host/a/``, ``//host/``."""
    parts = urlsplit(url)
    segments = [segment for segment in parts.path.split("/") if segment]
    for count in range(len(segments), -1, -1):
        path = "".join(f"{segment}/" for segment in segments[:count])
        yield f"//{parts.netloc}/{path}"
