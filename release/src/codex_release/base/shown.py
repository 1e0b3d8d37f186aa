"""Text fit for messages: one line, without what gives access, and without what a terminal obeys.

It must not load anything: what only wants to complain should not wait for the web's libraries.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["is_web_url", "shown_text", "shown_url", "visible"]

_OBEYED = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What moves the cursor, ends a line or turns the direction of writing."""


def is_web_url(text: str) -> bool:
    """Whether a text is an absolute http or https URL."""
    try:
        parts = urlsplit(text)
        _ = parts.port
        text.encode()  # half of a surrogate pair, which JSON can hold, or a byte of a command line that is no UTF-8
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def shown_url(url: str) -> str:
    """A URL fit for messages: without credentials, query and fragment, where secrets may stand.

    What has no host, and so is none that anything here asks, is shown as it is, unless credentials may be in it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "<invalid URL>"
    if not parts.netloc:
        return "<invalid URL>" if "@" in url else re.split("[?#]", url)[0]
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path}"


def shown_text(text: str) -> str:
    """What another program said, as one line fit for messages: the URLs in it as `shown_url` gives them."""
    return re.sub(r"https?://[^\s\"'<>]+", lambda match: shown_url(match[0]), " ".join(text.split()))


def visible(text: str) -> str:
    r"""A text in which escapes stand for what a terminal would obey; the name of a file may be made of that.

    >>> visible("\x1b[2Jcodex\n")
    '\\x1b[2Jcodex\\n'
    """
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
