"""What is known of who signed an executable, as a lock records it. Values only: judging is `pin.sigstore`'s."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ABSENT", "STATES", "UNCHECKED", "UNSUPPORTED", "VERIFIED", "Signature"]

VERIFIED, UNSUPPORTED, UNCHECKED, ABSENT = "verified", "unsupported", "unchecked", "absent"
STATES = (VERIFIED, UNSUPPORTED, UNCHECKED, ABSENT)
"""What can be said of a signature, what says most first: it holds; it is in the format of before Sigstore's bundles,
which lacks what proves it offline; the ``sigstore`` extra is not installed; no source that answered has one."""


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
