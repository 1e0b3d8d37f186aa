"""HTML from values: whatever is not markup already is escaped on its way in, so no name can become a tag."""

from __future__ import annotations

import html

__all__ = ["Html", "element", "joined", "nothing"]


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


nothing = Html()


def element(name: str, /, *children: str, **attributes: str | None) -> Html:
    """One element that has an end tag.

    Args:
        name: the tag.
        children: texts, which are escaped, and markup, which stands as it is.
        attributes: a trailing underscore is dropped (``class_``), others become dashes; `None` leaves one out.
    """
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{words}>{joined(*children)}</{name}>")


def joined(*children: str) -> Html:
    """Several pieces one after another, escaped unless they are markup."""
    return Html("".join(each if isinstance(each, Html) else html.escape(each) for each in children))
