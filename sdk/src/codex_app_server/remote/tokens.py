"""The token with which a server lets a client in: a fixed one, or a new one for each connection."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["current_token", "jwt_token"]

_LEAST_BYTES = 32


def current_token(token: str | Callable[[], str] | None) -> str | None:
    """The token for a new connection.

    Raises:
        TypeError, ValueError: if it is no string, is empty, or has a character in it that a header cannot have. An
            error of the function that gives it is not caught.
    """
    if token is None:
        return None
    text = token if isinstance(token, str) else token()
    # Never shown, whatever is wrong with it.
    if not isinstance(text, str):
        raise TypeError(f"token: the function returned {type(text).__name__}, not a string")
    text = text.strip()  # files end with a line break
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("token: it is empty, or has a character in it that a header cannot have")
    return text


def jwt_token(
    secret: str | bytes, *, issuer: str | None = None, audience: str | None = None, lifetime_s: float = 300.0
) -> Callable[[], str]:
    """A function for `AppServerConfig.token`, if the app-server runs with ``--ws-auth signed-bearer-token``.

    It signs a new token for each connection.

    Args:
        secret: the content of the server's ``--ws-shared-secret-file``; white space at its ends does not count.
        issuer: the server's ``--ws-issuer``, if it was started with one.
        audience: the server's ``--ws-audience``, if it was started with one.
        lifetime_s: how long a token is valid, in seconds. The server checks this only when a connection is made.

    Raises:
        ValueError: if the secret is shorter than 32 bytes, which the server refuses, or `lifetime_s` is not positive.
    """
    key = (secret.encode() if isinstance(secret, str) else secret).strip()
    if len(key) < _LEAST_BYTES:
        raise ValueError(f"secret: it has {len(key)} bytes, and must have {_LEAST_BYTES} at least")
    if lifetime_s <= 0:
        raise ValueError(f"lifetime_s must be positive, not {lifetime_s:g}")
    claims = {name: text for name, text in (("iss", issuer), ("aud", audience)) if text is not None}

    def sign() -> str:
        now = int(time.time())
        body = {**claims, "iat": now, "exp": now + max(1, round(lifetime_s))}
        signed = b".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, body))
        return (signed + b"." + _base64(hmac.digest(key, signed, "sha256"))).decode()

    return sign


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
