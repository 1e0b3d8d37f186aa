"""Settings as the runtime accepts them on its command line: one argument of TOML for each.

The runtime merges tables with those in its ``config.toml``. It splits a key at every dot, quoted or not, so a table is
always written as a whole, in braces, with keys quoted as TOML requires it. Everybody on the machine can read a command
line, so what looks like a secret is refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time

from codex_app_server.secrecy import is_secret, names_secret

__all__ = ["as_overrides", "as_toml", "check_override"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")

_NO_TEXT = re.compile(r"true|false|[\d.+-]+|[\[{].*", re.DOTALL)
_NAME_OF_TEXT = re.compile(r"""([\w-]+)["']?\s*=\s*["']""")
_TEXT = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)\"""")
_HEADERS = ("-H", "--header")

_OF_VARIABLES = "env_http_headers"
"""The table whose keys are headers, also secret ones, and whose values are names of variables."""
_VARIABLES = re.compile(_OF_VARIABLES + r"""["']?\s*=\s*\{[^}]*\}""")


def as_overrides(settings: Mapping[str, object]) -> list[str]:
    """Settings as arguments of ``--config``.

    Args:
        settings: the settings, under their keys in ``config.toml``, with mappings for tables.

    Raises:
        TypeError: if TOML has no such value; the message says where it is.
        ValueError: if something is no key of TOML, or looks like a secret.
    """
    for key in settings:
        if not _BARE.fullmatch(key):
            raise ValueError(f"config: {key!r} is no key of config.toml; tables within tables are mappings")
        _check_secret(key, settings[key], key)
    return [f"{key}={as_toml(value, key)}" for key, value in settings.items()]


def check_override(override: str, path: str) -> None:
    """Refuse a setting that is written in TOML and has a secret in it. Its strings are found without a parser of TOML.

    Args:
        override: the setting, as ``key=value``.
        path: its name in messages, which do not show its content.

    Raises:
        ValueError: if something looks like a secret.
    """
    key, _, value = override.partition("=")
    if _OF_VARIABLES not in key:
        if not _NO_TEXT.fullmatch(value.strip()):
            _check_secret(key.strip(" \"'"), value, path)
        for name in _NAME_OF_TEXT.findall(_VARIABLES.sub("", value)):
            _check_secret(name, "", path)
    _check_words([single or double for single, double in _TEXT.findall(value)], path)
    _check_text(value, path)


def as_toml(value: object, path: str) -> str:
    """A value on one line of TOML; raises as `as_overrides`.

    Args:
        value: a string, number, truth value, date or time, or a sequence or mapping of those.
        path: the path of the setting, for messages.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        _check_text(value, path)
        return _quoted(value, path)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"config: {path} is beyond the integers of TOML")
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else "nan" if math.isnan(value) else f"{'-' if value < 0 else ''}inf"
    if isinstance(value, (datetime, date, time)):
        if isinstance(value, time) and value.tzinfo is not None:
            raise ValueError(f"config: {path} is a time with a time zone, which TOML does not have")
        return value.isoformat()
    if isinstance(value, Mapping):
        return "{" + ", ".join(_member(key, member, path) for key, member in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        _check_words(value, path)
        return "[" + ", ".join(as_toml(each, f"{path}[{number}]") for number, each in enumerate(value)) + "]"
    raise TypeError(f"config: {path} is of type {type(value).__name__}, which TOML does not have")


def _member(key: object, value: object, path: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"config: a key of {path} is of type {type(key).__name__}, not a string")
    if not path.endswith(_OF_VARIABLES):
        _check_secret(key, value, f"{path}.{key}")
    return f"{key if _BARE.fullmatch(key) else _quoted(key, path)} = {as_toml(value, f'{path}.{key}')}"


def _check_words(words: Sequence[object], path: str) -> None:
    """Refuse secrets among the words of a command: ``--token=…``, ``--token`` before one, and headers."""
    for word, following in zip(words, [*words[1:], None], strict=False):
        if not isinstance(word, str) or not word.startswith("-"):
            continue
        name, equals, given = word.partition("=")
        if equals:
            _check_secret(name, given, path)
        elif isinstance(following, str) and not following.startswith("-"):
            _check_secret(name, following, path)
        header, _, said = (given or str(following)).partition(":")
        if name in _HEADERS and "$" not in said:  # else it names a variable
            _check_secret(header, said, path)


def _check_secret(key: str, value: object, path: str) -> None:
    if isinstance(value, str) and names_secret(key):
        raise _refusal(path)


def _check_text(text: str, path: str) -> None:
    if is_secret(text):
        raise _refusal(path)


def _refusal(path: str) -> ValueError:
    where = path if path.startswith("config_overrides[") else f"config: {path}"
    return ValueError(
        f"{where} looks like a secret, and everybody on this machine can read a command line: put it into env and name "
        "the variable (env_key, bearer_token_env_var, env_http_headers, env_vars), or use api_key"
    )


def _quoted(text: str, path: str) -> str:
    # JSON's escapes are TOML's, but that TOML has one more control character, and no halves of surrogate pairs.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"config: {path} has half of a surrogate pair in it, which is no character") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
