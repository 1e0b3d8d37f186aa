"""How secrets look: what they are called, keys of well-known services, and passwords in URLs.

It is a guess, made where a secret would be read by others: on a command line, in a message, in a file that is shared.
Nothing is compiled before it is asked for.
"""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "KEYS", "hidden", "is_secret", "names_secret"]

HIDDEN = "[hidden]"
"""What stands in a message where a secret was."""

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
"""How keys look: of OpenAI, GitHub, Slack, AWS and Google, web tokens, and private keys."""

_SECRET = "|".join((*KEYS, r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/@:]*:(?!\$)[^\s/@]+@"))
_NAME = r"((api|access|secret)[-_]?key|token|secret|passw(or)?d|authorization|cookie)$"


def names_secret(name: str) -> bool:
    """Whether a setting is called like a secret; those that name a variable end in ``_env_var``, or are ``env_key``."""
    return re.search(_NAME, name, re.IGNORECASE) is not None


def is_secret(text: str) -> bool:
    """Whether there is something in a text that looks like a secret, whatever it is called."""
    return re.search(_SECRET, text, re.DOTALL) is not None


def hidden(text: str) -> str:
    """A text for a message, without what looks like a secret."""
    return re.sub(_SECRET, HIDDEN, text, flags=re.DOTALL)
