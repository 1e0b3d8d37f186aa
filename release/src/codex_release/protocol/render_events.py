"""``generated/events``: every event with what it says, for type checkers; at run time it is only a name.

The union has a member for each method, so that a comparison of the method tells which payload it is. A method that the
client does not know has a member too, whose method is a literal that no runtime says: were it any string, every
comparison could mean it, and neither a typo nor a payload would be found out.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from codex_release.protocol.text import PACKAGE, alternatives, imports, quoted

if TYPE_CHECKING:
    from codex_release.protocol.layer import Layer

__all__ = ["render_events"]

_ABOUT = "What the runtime tells: every event, and what it says."
_UNION_ABOUT = '''\
"""Any event: comparing its `method` tells type checkers what its `payload` is.

What only a newer runtime tells is one of them too; its payload is plain JSON.
"""
'''
_MODULE = '''
from __future__ import annotations

from codex_app_server.events import Notification

Event = Notification
"""Any event; which there are is for type checkers to know."""
'''
_UNKNOWN = "(unknown)"


def render_events(layer: Layer) -> dict[str, str]:
    """The module and its stub, by their paths within the generated package."""
    events = layer.protocol.notifications
    homes = defaultdict(list)
    for event in events:
        homes[f"{PACKAGE}.{layer.rooms[event.params]}"].append(event.params)
    homes["codex_app_server.events"] = ["Notification"]
    homes["codex_app_server.protocol.messages"] = ["JsonValue"]
    members = [(event.method, event.params) for event in events] + [(_UNKNOWN, "JsonValue")]
    union = alternatives(
        "Event", [f"Notification[Literal[{quoted(method)}], {payload}]\n" for method, payload in members]
    )
    stub = f"\nfrom typing import Literal, TypeAlias\n\n{imports(homes)}\n{union}{_UNION_ABOUT}"
    about = layer.header(_ABOUT)
    return {"events.py": about + _MODULE, "events.pyi": about + stub}
