"""What a client shows to be let in: a token, fixed or made anew for each connection."""

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
    """The token for a connection that is to be made now.

    Raises:
        TypeError, ValueError: if it is none: empty, or nothing that a header may carry. What a function raises comes
            through.
    """
    if token is None:
        return None
    text = token if isinstance(token, str) else token()
    # Never shown, whatever is wrong with it.
    if not isinstance(text, str):
        raise TypeError(f"token: the function gave {type(text).__name__}, not a string")
    text = text.strip()  # files end with a line break
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("token: it is empty, or has something in it that no header may carry")
    return text


def jwt_token(
    secret: str | bytes, *, issuer: str | None = None, audience: str | None = None, lifetime_s: float = 300.0
) -> Callable[[], str]:
    """A `token` for an app-server that runs with ``--ws-auth signed-bearer-token``: signed anew for each connection.

    Args:
        secret: the content of the server's ``--ws-shared-secret-file``; white space at its ends does not count.
        issuer: what the server was given as ``--ws-issuer``, if it was.
        audience: what it was given as ``--ws-audience``, if it was.
        lifetime_s: how long a token is valid, in seconds. It is looked at when a connection is made, not later.

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
