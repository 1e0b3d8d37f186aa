"""Whether the attestations that an index serves for a file (PEP 740) speak of that file. Pure.

This reads what they say; their signatures are verified by the index when it takes them, and by whoever uses
``pypi-attestations verify``.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from codex_release.base.errors import VerifyError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    try:
        bundles = json.loads(provenance)["attestation_bundles"]
        statements = [
            json.loads(base64.b64decode(each["envelope"]["statement"], validate=True))
            for bundle in bundles
            for each in bundle["attestations"]
        ]
        subjects = [(each["name"], each["digest"]["sha256"]) for one in statements for each in one["subject"]]
        publishers = sorted({_publisher(bundle["publisher"]) for bundle in bundles})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise VerifyError(
            f"its provenance cannot be understood, it lacks or misspells {error}"
            if isinstance(error, KeyError)
            else f"its provenance cannot be understood: {error}"
        ) from error
    if not subjects:
        raise VerifyError("its provenance holds no attestation")
    for attested, digest in subjects:
        if (attested, digest) != (name, sha256):
            raise VerifyError(f"its attestation speaks of {attested} with sha256 {digest}, not of these bytes")
    return ", ".join(publishers)


def _publisher(claims: Mapping[str, Any]) -> str:
    """A trusted publisher by what it claims, e.g. ``GitHub owner/name release.yml``."""
    named = [claims["kind"], claims.get("repository"), claims.get("workflow") or claims.get("workflow_filepath")]
    return " ".join(str(each) for each in named if each)
