"""Sigstore bundles: who signed an executable, proved offline, with the ``sigstore`` extra.

A bundle is judged against the digest that the lock states, so it does not matter who served the executable. A bundle
that is wrong (other bytes, another signer, a broken proof) is an error; one that is missing, or that nothing here can
judge, is recorded as that and stops nothing.
"""

from __future__ import annotations

import base64
import json
import logging
from typing import TYPE_CHECKING, Any

from codex_release.base.errors import SignatureError
from codex_release.facts.signatures import UNCHECKED, UNSUPPORTED, VERIFIED, Signature

if TYPE_CHECKING:
    from codex_release.base.digests import FileDigest
    from codex_release.sources import Bundle

__all__ = ["verify_bundle"]

_LEGACY = frozenset({"base64Signature", "rekorBundle"})
"""What cosign wrote before there were bundles."""


def verify_bundle(bundle: Bundle, path: str, digest: FileDigest, identity: str, issuer: str) -> Signature:
    """Judge a bundle; nothing is asked of the network.

    Args:
        bundle: as a source served it.
        path: the file that should be signed, for messages.
        digest: what that file is.
        identity: who should have signed it, as the certificate names them (its subject alternative name): for GitHub
            Actions the workflow and its git ref.
        issuer: the OIDC issuer that vouches for the identity.

    Returns:
        what can be said of it.

    Raises:
        SignatureError: if it does not hold for that file and that signer, or is no bundle at all.
    """
    what = f"the signature {bundle.name} of {path}"
    if _is_legacy(bundle.content, digest, what):
        return Signature(UNSUPPORTED, bundle.name)
    try:
        from sigstore import errors, hashes, models, verify
        from sigstore_models.common.v1 import HashAlgorithm
    except ImportError:
        return Signature(UNCHECKED, bundle.name)
    # It says that it works offline, which is what it was told to do.
    logging.getLogger("sigstore").addHandler(logging.NullHandler())
    try:
        verifier = _verifier()
    except errors.Error as error:
        raise SignatureError(
            f"{what} cannot be verified: Sigstore's root of trust cannot be read ({_first_line(error)})",
            remedy="install the extra anew: pip install --force-reinstall sigstore",
        ) from error
    try:
        verifier.verify_artifact(
            hashes.Hashed(algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(digest.sha256)),
            models.Bundle.from_json(bundle.content),
            verify.policy.Identity(identity=identity, issuer=issuer),
        )
    except (errors.Error, ValueError) as error:
        raise SignatureError(
            f"{what} (sha256 {digest.sha256}) by {identity} is not valid: {_first_line(error)}",
            remedy="do not use this release until you know why; an outdated sigstore is one reason "
            "(pip install --upgrade sigstore)",
        ) from error
    return Signature(VERIFIED, bundle.name, identity, issuer)


def _is_legacy(content: bytes, digest: FileDigest, what: str) -> bool:
    """Whether a bundle is in the format of before Sigstore's bundles.

    Raises:
        SignatureError: if it is no JSON object, or in that format and plainly of other bytes.
    """
    try:
        data: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SignatureError(f"{what} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise SignatureError(f"{what} is no JSON object")
    if "mediaType" in data or not _LEGACY & data.keys():
        return False
    try:
        entry = json.loads(base64.b64decode(data["rekorBundle"]["Payload"]["body"]))
        signed = entry["spec"]["data"]["hash"]["value"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return True
    if signed != digest.sha256:
        raise SignatureError(f"{what} is of sha256 {signed}, the file has {digest.sha256}")
    return True


def _verifier() -> Any:
    """Sigstore's public instance, by the root of trust that came with the package or was kept from an earlier use."""
    from sigstore.verify import Verifier

    return Verifier.production(offline=True)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
