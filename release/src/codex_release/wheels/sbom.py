"""The bill of materials inside a runtime wheel: CycloneDX 1.6 as JSON, at the place of PEP 770.

It names the runtime, its release (git tag and package URL), the archives it is known to ship in with their digests, who
signed it if that was verified, and of every file its digest and what its own signature proves. It is a function of the
lock alone, never of the machine, the moment, or the source that happened to serve the bytes.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from codex_release.facts.signatures import VERIFIED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_release.base.digests import FileDigest
    from codex_release.facts.lock import LockedArchive, Runtime
    from codex_release.facts.targets import Catalog

__all__ = ["sbom_json"]

_NAMESPACE = uuid.UUID("6f1d6cf5-1a0b-5f0e-9a51-6c5a53b1d3a4")
"""Any fixed value: the serial numbers made from it are this project's own."""


_PREFIX = "codex-release"


def sbom_json(runtime: Runtime, files: Mapping[str, FileDigest], catalog: Catalog) -> str:
    """The document, the same text for the same facts.

    Args:
        runtime: where the files come from: the archives known to hold them, and what is known of signatures.
        files: the payload.
        catalog: the data file.
    """
    version, target, repository = runtime.version, runtime.target, catalog.github.repository
    wheel_ref = f"pkg:pypi/{catalog.distribution}@{version.pep440}"
    codex_ref = f"pkg:github/{repository}@{version.tag}"
    components = [_file(path, digest, runtime, catalog) for path, digest in sorted(files.items())]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": wheel_ref,
                "name": catalog.distribution,
                "version": version.pep440,
                "purl": wheel_ref,
            },
        },
        "components": [
            {
                "type": "application",
                "bom-ref": codex_ref,
                "name": "codex",
                "version": version.codex,
                "description": f"Codex for {target.triple}",
                "purl": codex_ref,
                "licenses": [{"license": {"id": catalog.license}}],
                "properties": _properties({"release-tag": version.tag, "target": target.triple}),
                "externalReferences": _references(runtime, catalog),
            },
            *components,
        ],
        "dependencies": [
            {"ref": wheel_ref, "dependsOn": [codex_ref]},
            {"ref": codex_ref, "dependsOn": [component["bom-ref"] for component in components]},
        ],
    }
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}"
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _file(path: str, digest: FileDigest, runtime: Runtime, catalog: Catalog) -> dict[str, Any]:
    """One file of the payload, and what is known of who signed it."""
    facts = {"size": str(digest.size)}
    if catalog.layout.is_executable(path):
        facts["executable"] = "true"
    signature = runtime.known.signature if runtime.known else None
    is_entrypoint = path == runtime.target.fill(catalog.layout.entrypoint)
    if signature and signature.state == VERIFIED and is_entrypoint:
        facts |= {"sigstore-identity": signature.identity, "sigstore-issuer": signature.issuer}
    if code := runtime.known.code_signatures.get(path) if runtime.known else None:
        said = {"": code.state, "-signer": code.signer, "-team": code.team, "-flags": " ".join(code.flags)}
        facts |= {f"code-signature{name}": value for name, value in said.items() if value}
    component = {
        "type": "file",
        "bom-ref": f"file:{quote(path)}",
        "name": path,
        "hashes": [{"alg": "SHA-256", "content": digest.sha256}],
        "properties": _properties(facts),
    }
    works = catalog.works_in([path])
    return {**component, "licenses": [{"expression": works[0].license}]} if works else component


def _properties(facts: Mapping[str, str]) -> list[dict[str, str]]:
    """Facts that CycloneDX has no field for, under a prefix of this project's own."""
    return [{"name": f"{_PREFIX}:{name}", "value": value} for name, value in facts.items()]


def _references(runtime: Runtime, catalog: Catalog) -> list[dict[str, Any]]:
    """The release's page, and each known archive with its digest."""
    repository, tag = catalog.github.repository, runtime.version.tag
    references: list[dict[str, Any]] = [
        {"type": "vcs", "url": f"https://github.com/{repository}"},
        {"type": "release-notes", "url": f"https://github.com/{repository}/releases/tag/{tag}"},
    ]
    for source, archive in sorted(runtime.archives.items()):
        references.append(
            {
                "type": "distribution",
                "url": _archive_url(source, archive, runtime, catalog),
                "comment": archive.name,
                "hashes": [{"alg": "SHA-256", "content": archive.digest.sha256}],
            }
        )
    return references


def _archive_url(source: str, archive: LockedArchive, runtime: Runtime, catalog: Catalog) -> str:
    """Where an archive is published; for npm a package URL, for the registry is the reader's own choice."""
    if source == "npm":
        number = runtime.target.fill(catalog.npm.version).replace("{version}", runtime.version.codex)
        return f"pkg:npm/{quote(catalog.npm.package, safe='/')}@{number}"
    return f"https://github.com/{catalog.github.repository}/releases/download/{runtime.version.tag}/{archive.name}"
