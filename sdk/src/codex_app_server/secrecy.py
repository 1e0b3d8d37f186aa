"""How to recognise secrets: by their names, as keys of well-known services, and as passwords in URLs.

This is a guess, made where others would read a secret: on a command line, in a message, in a file that is shared.
No pattern is compiled before it is needed.
"""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "KEYS", "hidden", "is_secret", "names_secret"]

HIDDEN = "[hidden]"
"""What a message has in place of a secret."""

KEYS = (
    r"\bsk-[A-Za-z0-9_-]{16,}",
    r"\bgh[opsur]_[A-Za-z0-9]{20,}",
    r"\bgithub_pat_\w{20,}",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    r"\bAKIA[0-9A-Z]{16}\b",
    r"\bAIza[0-9A-Za-z_-]{35}",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
)
"""Patterns of keys of OpenAI, GitHub, Slack, AWS and Google, of web tokens, and of private keys."""

_SECRET = "|".join((*KEYS, r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/@:]*:(?!\$)[^\s/@]+@"))
_NAME = r"((api|access|secret)[-_]?key|token|secret|passw(or)?d|authorization|cookie)$"


def names_secret(name: str) -> bool:
    """Whether a setting has the name of a secret; ``env_key`` and ``..._env_var`` have not, as they name variables."""
    return re.search(_NAME, name, re.IGNORECASE) is not None


def is_secret(text: str) -> bool:
    """Whether a text has something in it that looks like a secret."""
    return re.search(_SECRET, text, re.DOTALL) is not None


def hidden(text: str) -> str:
    """A text for a message, with `HIDDEN` in place of everything that looks like a secret."""
    return re.sub(_SECRET, HIDDEN, text, flags=re.DOTALL)
