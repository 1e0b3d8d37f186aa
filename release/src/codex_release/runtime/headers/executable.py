"""What the headers of an executable say, in the same words for every format."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Executable", "machine_name"]


@dataclass(frozen=True)
class Executable:
    """The facts of one executable (or shared library) that decide where it runs.

    Attributes:
        format: ``elf``, ``mach-o`` or ``pe``.
        machines: the instruction sets it holds code for, ``x86_64``, ``aarch64`` or another's name; a fat Mach-O has
            several, everything else has one.
        static: ELF: it asks for neither an interpreter nor a library, so any Linux of its machine runs it.
        interpreter: ELF: the dynamic linker it asks for, e.g. ``/lib64/ld-linux-x86-64.so.2``.
        glibc: ELF: the largest version of glibc whose symbols it binds to.
        needed: ELF: the libraries it asks for, in its own order.
        minos: Mach-O: the oldest macOS that runs it; of several slices' the newest.
        signed: Mach-O: every slice has a code signature, be it only an ad-hoc one; PE: there are certificates. Whether
            they are valid is not asked.
    """

    format: str
    machines: tuple[str, ...]
    static: bool | None = None
    interpreter: str | None = None
    glibc: tuple[int, int] | None = None
    needed: tuple[str, ...] = ()
    minos: tuple[int, int] | None = None
    signed: bool = False


def machine_name(number: int, names: dict[int, str]) -> str:
    """The name of a format's machine number; one that has none stays a number."""
    return names.get(number, f"unknown ({number:#06x})")
