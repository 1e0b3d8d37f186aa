"""CMS signatures (RFC 5652) as code signing uses them: one signer, signed attributes, certificates beside it.

asn1crypto reads the structures, certificates (RFC 5280) included. What is proved by `read`: the certificate in the
message signed exactly this content. What by `lead`: the certificates in the message lead from that one to a root, each
signed by the next and valid at the moment the signer states. Revocation and time stamps are not looked at.

Every signature is RSA's (PKCS #1 v1.5), as Apple's and Microsoft's are. To verify one is to compute with public numbers
and compare, so that is done here: the library that could is not to be had for every machine the toolkit runs on.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codex_release.base.errors import SignatureError
from codex_release.base.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

__all__ = ["Certificate", "Signed", "authenticode_digest", "is_vouched_for", "lead", "read"]

_DIGESTS = ("sha256", "sha384", "sha512")
"""What a signature may rest on: SHA-1 no longer counts."""
_KEY_BITS, _LARGEST_EXPONENT = range(2048, 8193), 1 << 33
"""What RSA keys are believed: no weaker, and none that is made to take long."""
_RSA = "rsassa_pkcs1v15"
_SPC_INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"
_MOST = 64
"""No message has more certificates or attributes (Apple's have three, Microsoft's seven)."""


@dataclass(frozen=True)
class Certificate:
    """A certificate's facts; all of it was read, and nobody vouched for it yet.

    Attributes:
        name: whom it names (the common name).
        unit: that one's organizational unit; empty if it has none, or several.
        subject, issuer: the full names, as they are encoded.
        serial: its number.
        identifier: of its key; `None` if it says none.
        begins, ends: when it is valid.
        extensions: their object identifiers.
        is_authority: whether it may vouch for others.
        signs_code: whether it may be used to sign code (RFC 5280, section 4.2.1.12).
        modulus, exponent: its RSA key.
        fingerprint: the sha256 of it, in hex.
        signed, digest, signature: what its issuer signed, with which hash, and the signature.
    """

    name: str
    unit: str
    subject: bytes
    issuer: bytes
    serial: int
    identifier: bytes | None
    begins: datetime
    ends: datetime
    extensions: frozenset[str]
    is_authority: bool
    signs_code: bool
    modulus: int
    exponent: int
    fingerprint: str
    signed: bytes
    digest: str
    signature: bytes


@dataclass(frozen=True)
class Signed:
    """A message whose signature holds.

    Attributes:
        kind: what its content is, by object identifier or asn1crypto's name.
        content: what was signed, without the tag and the length that may be around it.
        certificate: of the signer.
        certificates: all that are in the message, unordered.
        attributes: what else was signed, each one's values as they are encoded, by object identifier.
        moment: when the signer states to have signed; `None` if it does not.
    """

    kind: str
    content: bytes
    certificate: Certificate
    certificates: Sequence[Certificate]
    attributes: Mapping[str, bytes]
    moment: datetime | None


def read(message: bytes, content: bytes | None, what: str) -> Signed:
    """Read a message and prove its signature.

    Args:
        message: DER or BER; zero bytes may follow.
        content: what was signed; `None` if the message has it within.
        what: what an error calls the signature.

    Raises:
        SignatureError: if it is no such message, or its signature does not hold.
    """
    from asn1crypto import cms

    with _judging(what):
        outer = cms.ContentInfo.load(message)
        if message[len(outer.dump()) :].strip(b"\0"):
            raise _RefusalError("something follows it")
        if outer["content_type"].native != "signed_data":
            raise _RefusalError(f"it is {outer['content_type'].native}, no signature")
        data = outer["content"]
        inner = data["encap_content_info"]
        if content is None:
            content = inner["content"].contents
        elif inner["content"].native is not None:
            raise _RefusalError("it brings another content")
        if len(data["signer_infos"]) != 1:
            raise _RefusalError(f"it has {counted(len(data['signer_infos']), 'signer')}, not one")
        (signer,) = data["signer_infos"]
        if len(data["certificates"]) > _MOST or len(signer["signed_attrs"]) > _MOST:
            raise _RefusalError(f"it has more than {_MOST} certificates or attributes")
        certificates = [_certificate(each.chosen) for each in data["certificates"]]
        certificate = _certificate_of(signer["sid"], certificates)
        _prove(signer, certificate, inner["content_type"].native, content)
        attributes = {each["type"].dotted: each["values"].contents for each in signer["signed_attrs"]}
        moment = _value(signer, "signing_time")
        return Signed(inner["content_type"].native, content, certificate, certificates, attributes, moment)


def authenticode_digest(signed: Signed, what: str) -> tuple[str, bytes]:
    """The digest of a file that Authenticode's content states (SpcIndirectDataContent).

    Returns:
        the algorithm, by `hashlib`'s name, and the digest.

    Raises:
        SignatureError: if the content is something else.
    """
    from asn1crypto import algos, core

    with _judging(what):
        if signed.kind != _SPC_INDIRECT_DATA:
            raise _RefusalError(f"it is of {signed.kind}")
        stated = algos.DigestInfo.load(core.Sequence(contents=signed.content)[1].dump())
        algorithm = stated["digest_algorithm"]["algorithm"].native
        if algorithm not in _DIGESTS:
            raise _RefusalError(f"it rests on {algorithm}")
        return algorithm, stated["digest"].native


def is_vouched_for(signed: Signed) -> bool:
    """Whether a certificate in the message vouches for the signer's; who vouches for that one is not asked."""
    return any(_did_issue(each, signed.certificate) for each in signed.certificates)


def lead(signed: Signed, roots: Collection[str], what: str) -> tuple[Certificate, ...]:
    """The way from the signer's certificate to a root.

    Args:
        signed: the message.
        roots: the sha256 of each root certificate that counts, in hex.
        what: what an error calls the signature.

    Returns:
        the certificates, the signer's first and the root last.

    Raises:
        SignatureError: if they lead to none of these roots, or one on the way does not hold.
    """
    if signed.moment is None:
        raise SignatureError(f"{what} does not say when it was made")
    way = [signed.certificate]
    while True:
        last = way[-1]
        if not last.begins <= signed.moment <= last.ends:
            raise SignatureError(
                f"{what} is not valid: the certificate of {last.name} was not valid on {signed.moment:%Y-%m-%d}"
            )
        if len(way) > 1 and not last.is_authority:
            raise SignatureError(f"{what} is not valid: {last.name} is no certificate authority")
        if last.fingerprint in roots:
            return tuple(way)
        above = next((each for each in signed.certificates if each not in way and _did_issue(each, last)), None)
        if above is None:
            raise SignatureError(
                f"{what} is not valid: its certificates end with {last.name} (sha256 {last.fingerprint}), which is no "
                "root that is known here",
                remedy="if it should be, add it to code_signing.roots in targets.toml",
            )
        way.append(above)


@contextlib.contextmanager
def _judging(what: str) -> Iterator[None]:
    """Whatever a strange encoding makes the library raise inside the block is an error of the signature."""
    try:
        yield
    except _RefusalError as error:
        raise SignatureError(f"{what} is not valid: {error}") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise SignatureError(
            f"{what} cannot be understood: {' '.join(str(error).split()) or type(error).__name__}"
        ) from error


class _RefusalError(Exception):
    """Why a signature does not hold."""


def _prove(signer: Any, certificate: Certificate, kind: str, content: bytes) -> None:
    """Hold a signer's statement against the content and the certificate."""
    digest = signer["digest_algorithm"]["algorithm"].native
    if digest not in _DIGESTS:
        raise _RefusalError(f"it rests on {digest}")
    if signer["signature_algorithm"].signature_algo != _RSA:
        raise _RefusalError(f"it is made with {signer['signature_algorithm'].signature_algo}")
    if _value(signer, "content_type") != kind:
        raise _RefusalError("its content is of another type than was signed")
    if _value(signer, "message_digest") != hashlib.new(digest, content).digest():
        raise _RefusalError(f"what was signed has another {digest}")
    # The attributes are signed as a SET (RFC 5652, section 5.4); where they stand they have a tag of that place.
    if not _did_sign(certificate, signer["signature"].native, b"\x31" + signer["signed_attrs"].dump()[1:], digest):
        raise _RefusalError("its certificate did not sign this")


def _value(signer: Any, name: str) -> Any:
    """The value of a signed attribute, of which there is one at most; `None` if it is not there."""
    found = [value.native for each in signer["signed_attrs"] if each["type"].native == name for value in each["values"]]
    if len(found) > 1:
        raise _RefusalError(f"it has {counted(len(found), 'value')} of {name}")
    return found[0] if found else None


def _certificate(found: Any) -> Certificate:
    """Read a certificate, all that is asked of it at once: asn1crypto reads late, and complains then."""
    if found.public_key.algorithm != "rsa" or found.signature_algo != _RSA:
        raise _RefusalError(f"it has a certificate of {found.public_key.algorithm}, signed with {found.signature_algo}")
    names = found.subject.native
    unit = names.get("organizational_unit_name", "")
    usage, purposes = found.key_usage_value, found.extended_key_usage_value
    key = found.public_key["public_key"].parsed.native
    return Certificate(
        name=str(names.get("common_name", "")),
        unit=unit if isinstance(unit, str) else "",
        subject=found.subject.dump(),
        issuer=found.issuer.dump(),
        serial=found.serial_number,
        identifier=found.key_identifier,
        begins=found.not_valid_before,
        ends=found.not_valid_after,
        extensions=frozenset(each["extn_id"].dotted for each in found["tbs_certificate"]["extensions"]),
        is_authority=bool(found.ca and usage and "key_cert_sign" in usage.native),
        signs_code=bool(purposes and "code_signing" in purposes.native),
        modulus=key["modulus"],
        exponent=key["public_exponent"],
        fingerprint=hashlib.sha256(found.dump()).hexdigest(),
        signed=found["tbs_certificate"].dump(),
        digest=found.hash_algo,
        signature=found.signature,
    )


def _certificate_of(sid: Any, certificates: Sequence[Certificate]) -> Certificate:
    """The certificate that a signer names, by issuer and serial number or by its key's identifier."""
    for each in certificates:
        if sid.name == "subject_key_identifier":
            found = each.identifier == sid.chosen.native
        else:
            number = sid.chosen["serial_number"].native
            found = each.serial == number and each.issuer == sid.chosen["issuer"].dump()
        if found:
            return each
    raise _RefusalError("the signer's certificate is not in it")


def _did_issue(above: Certificate, certificate: Certificate) -> bool:
    if above.subject != certificate.issuer or certificate.digest not in _DIGESTS:
        return False
    return _did_sign(above, certificate.signature, certificate.signed, certificate.digest)


def _did_sign(certificate: Certificate, signature: bytes, signed: bytes, digest: str) -> bool:
    """Whether the key of a certificate made a signature: RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2.2).

    What must come out is written down whole and compared, never taken apart. A key that is no good made none.
    """
    from asn1crypto import algos, core

    if certificate.modulus.bit_length() not in _KEY_BITS or not 2 < certificate.exponent < _LARGEST_EXPONENT:
        return False
    size = (certificate.modulus.bit_length() + 7) // 8
    algorithm = {"algorithm": digest, "parameters": core.Null()}
    stated = algos.DigestInfo({"digest_algorithm": algorithm, "digest": hashlib.new(digest, signed).digest()}).dump()
    expected = b"\0\1" + b"\xff" * (size - len(stated) - 3) + b"\0" + stated
    number = int.from_bytes(signature, "big")
    if len(signature) != size or number >= certificate.modulus:
        return False
    return pow(number, certificate.exponent, certificate.modulus) == int.from_bytes(expected, "big")
