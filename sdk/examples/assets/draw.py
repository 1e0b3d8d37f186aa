"""Draws ``shapes.png``: a red circle, a green square and a blue triangle on white. Only the standard library is needed.

python3 sdk/examples/assets/draw.py
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

WIDTH, HEIGHT = 240, 80  # in pixels
WHITE, RED, GREEN, BLUE = 0, 1, 2, 3
PALETTE = bytes([255, 255, 255, 214, 39, 40, 44, 160, 44, 31, 119, 180])


def colour(x: int, y: int) -> int:
    """The colour of a pixel, as its place in the palette."""
    if (x - 40) ** 2 + (y - 40) ** 2 <= 30**2:
        return RED
    if 92 <= x < 148 and 12 <= y < 68:
        return GREEN
    if 12 <= y < 68 and 2 * abs(x - 200) <= y - 12:
        return BLUE
    return WHITE


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG file: length, kind, data and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture() -> bytes:
    """The whole file: eight bits a pixel, each an index into the palette, rows without a filter."""
    rows = b"".join(b"\0" + bytes(colour(x, y) for x in range(WIDTH)) for y in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)
    parts = [(b"IHDR", header), (b"PLTE", PALETTE), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)


if __name__ == "__main__":
    Path(__file__).with_name("shapes.png").write_bytes(picture())
