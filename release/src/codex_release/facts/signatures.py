"""What is known of signatures, as a lock records it. Values only: `pin.sigstore` and `runtime.codesign` judge.

There are two kinds: the Sigstore bundle of a target's entrypoint, and the signature that an executable itself carries.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ABSENT",
    "AD_HOC",
    "CODE_STATES",
    "DIGEST_INTACT",
    "STATES",
    "UNCHECKED",
    "UNSIGNED",
    "UNSUPPORTED",
    "VERIFIED",
    "CodeSignature",
    "Signature",
    "in_words",
]

VERIFIED, UNSUPPORTED, UNCHECKED, ABSENT = "verified", "unsupported", "unchecked", "absent"
STATES = (VERIFIED, UNSUPPORTED, UNCHECKED, ABSENT)
"""What can be said of a signature, what says most first: it holds; it is in the format of before Sigstore's bundles,
which lacks what proves it offline; the ``sigstore`` extra is not installed; no source that answered has one."""

DIGEST_INTACT, AD_HOC, UNSIGNED = "digest-intact", "ad-hoc", "unsigned"
CODE_STATES = (VERIFIED, DIGEST_INTACT, AD_HOC, UNSIGNED)
"""What can be said of an executable, what says most first.

``verified`` (macOS): every byte is the one that was signed, by a known team whose certificate a known root vouches for.
``digest-intact`` (Windows): every byte is the one that was signed with the certificate that lies in the file; whether
that was to be trusted then is not asked. ``ad-hoc`` (macOS): every byte is the one that was hashed, but nobody signed.
``unsigned``: there is no signature.
"""


@dataclass(frozen=True)
class Signature:
    """What is known of the signature of a target's entrypoint.

    Attributes:
        state: one of `STATES`.
        bundle: the bundle's file name; empty if there is none.
        identity: who signed, if it is verified.
        issuer: who vouches for that identity, if it is verified.
    """

    state: str
    bundle: str = ""
    identity: str = ""
    issuer: str = ""


@dataclass(frozen=True)
class CodeSignature:
    """What is known of one executable's own signature.

    Attributes:
        state: one of `CODE_STATES`.
        signer: whom the certificate names; empty if nobody signed.
        team: macOS: the developer team that the certificate was issued to.
        flags: macOS: what the signature asks of the system, by ``codesign``'s names, e.g. ``runtime`` (hardened).
    """

    state: str
    signer: str = ""
    team: str = ""
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The same in words."""
        names = (self.signer, "" if self.team in self.signer else f"team {self.team}")
        by = f" ({', '.join(filter(None, names))})" if any(names) else ""
        return f"{self.state}{by}{''.join(f', {flag}' for flag in self.flags)}"


def in_words(signatures: Iterable[CodeSignature]) -> str:
    """How many executables have which state, e.g. ``30 digest-intact, 1 unsigned``."""
    count = Counter(each.state for each in signatures)
    return ", ".join(f"{count[state]} {state}" for state in CODE_STATES if count[state])
