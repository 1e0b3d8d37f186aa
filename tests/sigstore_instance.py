"""A Sigstore instance of one's own: certificate authority, certificate log and transparency log, all with fresh keys.

It signs as the public instance does: a short-lived certificate (RFC 5280) with the signer's identity and a signed
timestamp of the certificate log (RFC 6962), an entry in a transparency log (``hashedrekord`` 0.0.1) with inclusion
proof, signed checkpoint and promise. `trusted_root` is what a verifier must trust for that.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

__all__ = ["SigstoreInstance", "legacy_bundle"]

_BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)
_SIGNED = datetime(2026, 11, 2, 19, 20, tzinfo=timezone.utc)
_ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_TIMESTAMPS = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ORIGIN = "log.example - 1"


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_spki(key)).digest()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _signed(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


@dataclass
class SigstoreInstance:
    """One instance, with keys that nobody else has."""

    authority: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    certificate_log: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    transparency_log: ec.EllipticCurvePrivateKey = field(default_factory=_key)

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority.example")])
        public = self.authority.public_key()
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        self.root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public)
            .serial_number(1)
            .not_valid_before(_BEGIN)
            .not_valid_after(_BEGIN + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.authority, hashes.SHA256())
        )

    def trusted_root(self) -> str:
        """What a verifier must trust, as Sigstore's trusted root in JSON."""
        valid = {"start": "2026-01-01T00:00:00Z"}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            return {
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": _b64(_spki(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": valid,
                },
                "logId": {"keyId": _b64(_id(key))},
            }

        root = self.root.public_bytes(serialization.Encoding.DER)
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [log(self.transparency_log)],
                "certificateAuthorities": [
                    {
                        "subject": {"organization": "example", "commonName": "authority.example"},
                        "uri": "https://authority.example",
                        "certChain": {"certificates": [{"rawBytes": _b64(root)}]},
                        "validFor": valid,
                    }
                ],
                "ctlogs": [log(self.certificate_log)],
                "timestampAuthorities": [],
            }
        )

    def bundle(self, content: bytes, *, identity: str, issuer: str) -> bytes:
        """A signature of a file, as a Sigstore bundle 0.3."""
        signer = _key()
        digest = hashlib.sha256(content).digest()
        signature = signer.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        certificate = self._certificate(signer, identity, issuer)
        entry = self._entry(digest, signature, certificate)
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "verificationMaterial": {
                    "certificate": {"rawBytes": _b64(certificate.public_bytes(serialization.Encoding.DER))},
                    "tlogEntries": [entry],
                },
                "messageSignature": {
                    "messageDigest": {"algorithm": "SHA2_256", "digest": _b64(digest)},
                    "signature": _b64(signature),
                },
            }
        ).encode()

    def _certificate(self, signer: ec.EllipticCurvePrivateKey, identity: str, issuer: str) -> x509.Certificate:
        """A certificate of ten minutes; its last extension is the certificate log's timestamp of all the rest."""
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        of_root = self.root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.root.subject)
            .public_key(signer.public_key())
            .serial_number(2)
            .not_valid_before(_SIGNED - timedelta(minutes=1))
            .not_valid_after(_SIGNED + timedelta(minutes=9))
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_root), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True)
            .add_extension(x509.UnrecognizedExtension(_ISSUER, issuer.encode()), critical=False)
        )
        precertificate = builder.sign(self.authority, hashes.SHA256()).tbs_certificate_bytes
        moment = int(_SIGNED.timestamp() * 1000)
        length = len(precertificate).to_bytes(3, "big")
        # RFC 6962, 3.2: version, signature type, timestamp, entry type (precertificate), the entry, no extensions.
        logged = struct.pack("!BBQH", 0, 0, moment, 1) + _id(self.authority) + length + precertificate + b"\0\0"
        signature = _signed(self.certificate_log, logged)
        stamp = struct.pack("!B32sQH", 0, _id(self.certificate_log), moment, 0)
        stamp += struct.pack("!BBH", 4, 3, len(signature)) + signature  # SHA-256 with ECDSA
        stamps = struct.pack("!HH", len(stamp) + 2, len(stamp)) + stamp
        octets = b"\x04" + (bytes([len(stamps)]) if len(stamps) < 128 else bytes([0x81, len(stamps)])) + stamps
        return builder.add_extension(x509.UnrecognizedExtension(_TIMESTAMPS, octets), critical=False).sign(
            self.authority, hashes.SHA256()
        )

    def _entry(self, digest: bytes, signature: bytes, certificate: x509.Certificate) -> dict[str, Any]:
        """The only entry of a log."""
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        body = json.dumps(
            {
                "apiVersion": "0.0.1",
                "kind": "hashedrekord",
                "spec": {
                    "data": {"hash": {"algorithm": "sha256", "value": digest.hex()}},
                    "signature": {"content": _b64(signature), "publicKey": {"content": _b64(pem)}},
                },
            }
        ).encode()
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"{_ORIGIN}\n1\n{_b64(root)}\n"
        mark = _b64(_id(self.transparency_log)[:4] + _signed(self.transparency_log, note.encode()))
        integrated = int(_SIGNED.timestamp())
        promised = {
            "body": _b64(body),
            "integratedTime": integrated,
            "logID": _id(self.transparency_log).hex(),
            "logIndex": 0,
        }
        canonical = json.dumps(promised, separators=(",", ":"), sort_keys=True).encode()
        return {
            "logIndex": "0",
            "logId": {"keyId": _b64(_id(self.transparency_log))},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
            "integratedTime": str(integrated),
            "inclusionPromise": {"signedEntryTimestamp": _b64(_signed(self.transparency_log, canonical))},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _b64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\N{EM DASH} log.example {mark}\n"},
            },
            "canonicalizedBody": _b64(body),
        }


def legacy_bundle(content: bytes) -> bytes:
    """What cosign wrote before there were bundles: no inclusion proof, so nothing can be verified offline."""
    body = {"kind": "hashedrekord", "spec": {"data": {"hash": {"value": hashlib.sha256(content).hexdigest()}}}}
    return json.dumps(
        {
            "base64Signature": _b64(b"signature"),
            "cert": _b64(b"certificate"),
            "rekorBundle": {
                "SignedEntryTimestamp": _b64(b"promise"),
                "Payload": {"body": _b64(json.dumps(body).encode()), "integratedTime": 1, "logIndex": 1, "logID": "00"},
            },
        }
    ).encode()
