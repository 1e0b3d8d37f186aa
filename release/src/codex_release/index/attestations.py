"""Whether attestations (PEP 740) speak of the file that they lie beside, here or on an index. Pure.

This reads what they say; their signatures are verified by the index when it takes them, and by whoever uses
``pypi-attestations verify``.
"""

from __future__ import annotations

import base64

from codex_release.base.errors import VerifyError
from codex_release.base.table import Table, read_json

__all__ = ["attested_by", "hold_attestation"]


def attested_by(provenance: bytes, name: str, sha256: str) -> str:
    """Who attests to a file on an index.

    Args:
        provenance: the provenance object, JSON.
        name: the file's name.
        sha256: of its bytes, in hex.

    Returns:
        the publishers, as a person reads them.

    Raises:
        VerifyError: if it cannot be understood, holds no attestation, or one speaks of another file or other bytes.
    """
    bundles = read_json(provenance, "its provenance", VerifyError).tables("attestation_bundles")
    attestations = [each for bundle in bundles for each in bundle.tables("attestations")]
    publishers = sorted({_publisher(bundle.table("publisher")) for bundle in bundles})
    if not attestations:
        raise VerifyError("its provenance holds no attestation")
    for each in attestations:
        hold_attestation(each, name, sha256)
    return ", ".join(publishers)


def hold_attestation(attestation: Table, name: str, sha256: str) -> None:
    """Hold one attestation against the file that it lies beside, by what was signed: a statement of in-toto's.

    Args:
        attestation: the attestation object.
        name: the file's name.
        sha256: of its bytes, in hex.

    Raises:
        VerifyError: if it cannot be understood, or speaks of another file or other bytes.
    """
    envelope = attestation.table("envelope")
    try:
        statement = base64.b64decode(envelope.text("statement"), validate=True)
    except ValueError:
        envelope.refuse("statement", "is no base64")
    subjects = read_json(statement, "the statement in its attestation", VerifyError).tables("subject")
    said = [(each.text("name"), each.table("digest").text("sha256")) for each in subjects]
    for attested, digest in said:
        if (attested, digest) != (name, sha256):
            raise VerifyError(f"its attestation is about {attested} with sha256 {digest}, not about these bytes")
    if not said:
        raise VerifyError("its attestation is about no file")


def _publisher(claims: Table) -> str:
    """A trusted publisher by what it claims, e.g. ``GitHub owner/name release.yml``."""
    named = [claims.text("kind"), claims.get("repository"), claims.get("workflow") or claims.get("workflow_filepath")]
    return " ".join(str(each) for each in named if each)
