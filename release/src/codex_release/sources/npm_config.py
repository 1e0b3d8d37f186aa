"""The user's own npm configuration: which registry, and the credentials for it.

Read in npm's order of precedence: ``npm_config_*`` variables, then ``.npmrc`` of the project, the user and the whole
machine. Only where none of them names a registry is the ``npm`` program asked for its default.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections import ChainMap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from codex_release.base.errors import SourceError
from codex_release.base.once import made_once
from codex_release.base.programs import answer, found
from codex_release.base.shown import is_web_url, shown_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["NpmConfig", "parse_npmrc"]

_PREFIX = "npm_config_"
_NPM_TIMEOUT_S = 30
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class NpmConfig:
    """What npm is set to.

    Attributes:
        values: the settings by npm's own keys, e.g. ``registry``; they may hold secrets and are never shown.
        places: the variable or the file that says each.
    """

    values: Mapping[str, str] = field(repr=False)
    places: Mapping[str, str] = field(repr=False)

    @classmethod
    def load(cls, environ: Mapping[str, str], cwd: Path) -> NpmConfig:
        """Read the configuration that npm would use in a directory."""
        names = {
            _key(name[len(_PREFIX) :]): name
            for name, value in environ.items()
            if name.lower().startswith(_PREFIX) and value
        }
        variables = {key: _expanded(environ[name].strip(), environ) for key, name in names.items()}
        files = [cwd / ".npmrc", *_user_files(variables)]
        files += [Path(variables["globalconfig"])] if "globalconfig" in variables else _global_files(environ)
        read = [(path, _read(path, environ)) for path in files]
        return cls(
            ChainMap(variables, *(said for _, said in read)),
            ChainMap(names, *(dict.fromkeys(said, str(path)) for path, said in read)),
        )

    def registry(self, package: str) -> str:
        """The registry that serves a package, without a slash at the end.

        Raises:
            SourceError: if it is no http or https URL, or none is configured and ``npm`` cannot be asked.
        """
        keys = (f"{package.partition('/')[0]}:registry", "registry")
        key = next((each for each in keys if self.values.get(each)), None)
        url = self.values[key] if key else self._default_registry
        if not is_web_url(url):
            where = f"{key} in npm's configuration ({self.places[key]})" if key else "npm's default registry"
            raise SourceError(
                f"{where} is not an http or https URL: {shown_url(url)[:80]}",
                remedy="set it to the root of an npm registry, or ask another source with --source",
            )
        return url.rstrip("/")

    @made_once
    def _default_registry(self) -> str:
        """What ``npm`` uses when nothing is configured; asked once, for that takes npm half a second."""
        remedy = "set NPM_CONFIG_REGISTRY, or install npm"
        npm = found("npm")
        if npm is None:
            raise SourceError("no npm registry is configured and npm is not installed", remedy=remedy)
        try:
            return answer([npm, "config", "get", "registry"], timeout_s=_NPM_TIMEOUT_S).strip()
        except SourceError as error:
            raise SourceError(f"npm could not be asked for its registry: {error}", remedy=remedy) from error

    def authorization(self, url: str) -> dict[str, str]:
        """The header with the credentials that the configuration has for this address, if it has any.

        Credentials belong to a host and a path (``//host/path/:_authToken``) and go nowhere else, and in the clear only
        where the configuration itself names a registry of that host by ``http``.

        Raises:
            SourceError: if a password is not in base64.
        """
        if not (urlsplit(url).scheme == "https" or self._is_trusted_in_the_clear(url)):
            return {}
        for where in _scopes(url):
            if token := self.values.get(f"{where}:_authToken"):
                return {"Authorization": f"Bearer {token}"}
            if basic := self.values.get(f"{where}:_auth"):
                return {"Authorization": f"Basic {basic}"}
            user, password = self.values.get(f"{where}:username"), self.values.get(f"{where}:_password")
            if user and password:
                return {"Authorization": f"Basic {_basic(user, password, where)}"}
        return {}

    def _is_trusted_in_the_clear(self, url: str) -> bool:
        registries = (value for key, value in self.values.items() if f":{key}".endswith(":registry"))
        return urlsplit(url)[:2] in [urlsplit(each)[:2] for each in registries if is_web_url(each)]


def parse_npmrc(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of an ``.npmrc``, as npm reads it: an INI file with ``${VAR}`` from the environment.

    What stands below a ``[section]`` is no setting of npm.
    """
    found = {}
    for line in re.split(r"[\r\n]+", text):
        setting = line.strip()
        if setting.startswith("["):
            break
        key, equals, value = setting.partition("=")
        if equals and setting[0] not in ";#":
            found[_expanded(_unquoted(key.strip()), environ)] = _expanded(_unquoted(value.strip()), environ)
    return found


def _unquoted(text: str) -> str:
    """A word of an INI file without its quotes, or without the comment behind it."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        try:
            quoted = json.loads(text)
        except ValueError:
            quoted = None
        return quoted if isinstance(quoted, str) else text[1:-1]
    uncommented = re.match(r"(?:\\.|[^;#\\]|\\$)*", text)
    return re.sub(r"\\([\\;#])", r"\1", uncommented[0] if uncommented else "").strip()


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    """Text with ``${VAR}`` replaced; a variable that is not set stays as it is, ``${VAR?}`` becomes nothing then."""

    def value(match: re.Match[str]) -> str:
        # Names have no case on Windows, and `os.environ` says them in capitals there.
        name = match[1].upper() if sys.platform == "win32" else match[1]
        return environ.get(name, "" if match[2] else match[0])

    return re.sub(r"\$\{([^${}?]+)(\?)?\}", value, text)


def _key(name: str) -> str:
    """The key that a variable sets: ``NPM_CONFIG_REGISTRY`` is ``registry``; credentials keep their case."""
    return name if name.startswith("//") else re.sub(r"(?!^)_", "-", name).lower()


def _read(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    try:
        return parse_npmrc(path.read_text(encoding="utf-8-sig"), environ)
    except (OSError, UnicodeDecodeError):
        return {}  # npm too goes on without a file it cannot read


def _user_files(variables: Mapping[str, str]) -> list[Path]:
    """The user's own file, if it can be told where that is."""
    try:
        return [Path(variables["userconfig"]).expanduser() if "userconfig" in variables else Path.home() / ".npmrc"]
    except RuntimeError:  # a user without a home
        return []


def _global_files(environ: Mapping[str, str]) -> list[Path]:
    """The machine-wide file, ``<prefix>/etc/npmrc``; the prefix is where the ``npm`` program is, save on Windows."""
    if sys.platform == "win32":
        prefix = Path(environ["APPDATA"], "npm") if "APPDATA" in environ else None
    else:
        npm = found("npm")
        prefix = Path(npm).parent.parent if npm else None
    return [prefix / "etc" / "npmrc"] if prefix else []


def _basic(user: str, password: str, where: str) -> str:
    """The credentials of HTTP's Basic scheme for a user and a base64 password."""
    try:
        plain = base64.b64decode(password, validate=True)
    except ValueError:
        # Not chained: the cause may quote the password.
        raise SourceError(f"the password for {where} in npm's configuration is not in base64") from None
    return base64.b64encode(user.encode() + b":" + plain).decode()


def _scopes(url: str) -> Iterator[str]:
    """The keys that may hold credentials for a URL: ``//host/a/``, ``//host/a``, ``//host/``, ``//host``."""
    parts = urlsplit(url)
    port = None if parts.port == _DEFAULT_PORTS.get(parts.scheme) else parts.port
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    segments = ["", f"{host}" if port is None else f"{host}:{port}", *filter(None, parts.path.split("/"))]
    for count in range(len(segments), 1, -1):
        key = "/" + "/".join(segments[:count])
        yield f"{key}/"
        yield key
