"""Whether an executable's own signature holds: Mach-O code signatures and the Authenticode digests of PE files.

What is proved, and what is not, stands with each format. Everything is read off the file, by seeking and in constant
memory; the network, the system's trust store and the clock are not asked, so the answer is the same everywhere and on
any day. Who may sign is data (`facts.targets.CodeSigning`).

Hashing runs at the speed of a file's own sha256 (1.3 GB/s a core with the SHA instructions, 4 KiB pages or not), so
one file is hashed by one thread; several files, each by its own, take all cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.runtime.codesign import authenticode, mach
from codex_release.runtime.headers import Span, macho, pe

if TYPE_CHECKING:
    from codex_release.facts.signatures import CodeSignature
    from codex_release.facts.targets import CodeSigning

__all__ = ["examine"]


def examine(image: Span, trust: CodeSigning) -> CodeSignature | None:
    """Judge an executable's own signature.

    Args:
        image: the file's bytes.
        trust: who may sign.

    Returns:
        what can be said of it; `None` if its format knows no signatures (ELF, data).

    Raises:
        SignatureError: if it does not hold, naming all that is wrong.
        InspectError: if the file is damaged or truncated.
    """
    head = image.beginning()
    if macho.recognizes(head):
        return mach.examine(image, trust)
    if pe.recognizes(head):
        return authenticode.examine(image)
    return None
