"""Whether the attestations that an index serves for a file (PEP 740) speak of that file. Pure.

This reads what they say; their signatures are verified by the index when it takes them, and by whoever uses
``pypi-attestations verify``.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from codex_release.base.errors import VerifyError
from codex_release.base.table import read_json

if TYPE_CHECKING:
    from codex_release.base.table import Table

__all__ = ["attested_by"]


def attested_by(provenance: bytes, name: str, sha256: str) -> str:
    """Who attests to a file.

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
    statements = [_statement(each.table("envelope")) for bundle in bundles for each in bundle.tables("attestations")]
    subjects = [
        (each.text("name"), each.table("digest").text("sha256")) for one in statements for each in one.tables("subject")
    ]
    publishers = sorted({_publisher(bundle.table("publisher")) for bundle in bundles})
    if not subjects:
        raise VerifyError("its provenance holds no attestation")
    for attested, digest in subjects:
        if (attested, digest) != (name, sha256):
            raise VerifyError(f"its attestation speaks of {attested} with sha256 {digest}, not of these bytes")
    return ", ".join(publishers)


def _statement(envelope: Table) -> Table:
    """What was signed: a statement of in-toto's, as JSON in base64."""
    try:
        statement = base64.b64decode(envelope.text("statement"), validate=True)
    except ValueError:
        envelope.refuse("statement", "is no base64")
    return read_json(statement, "the statement in its attestation", VerifyError)


def _publisher(claims: Table) -> str:
    """A trusted publisher by what it claims, e.g. ``GitHub owner/name release.yml``."""
    named = [claims.text("kind"), claims.get("repository"), claims.get("workflow") or claims.get("workflow_filepath")]
    return " ".join(str(each) for each in named if each)
