"""Draws the Mermaid blocks of the documents when the site is built, so that no browser has to fetch what draws them.

``mkdocs.yml`` names `drawn` as their format. Mermaid itself runs in mermaidx, with no browser or network.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import mermaidx

__all__ = ["drawn"]

_LEAST = 0.6
"""The share of its natural width that a picture keeps on a narrow page."""


def drawn(source: str, *_: object, **__: Any) -> str:
    """A block of Mermaid as SVG, to stand in a page.

    Args:
        source: the block; what else superfences tells of it does not matter.

    Raises:
        RuntimeError: if Mermaid does not understand it.
    """
    name = f"picture-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    # Each picture has styles of its own, bound to its id, and every one is called the same when it is drawn.
    picture = mermaidx.render(source).svg().replace("my-svg", name)
    # A wide one is moved sideways rather than made too small to read.
    natural = re.search(r"max-width: ([\d.]+)px;", picture)
    if natural:
        picture = picture.replace(natural[0], f"{natural[0]} min-width: {_LEAST * float(natural[1]):.0f}px;", 1)
    return f'<div class="picture" style="overflow-x: auto">{picture}</div>'
