"""For tests of programs that use Codex: an embedded model server. Turns run offline, and the model says your script.

    from codex_app_server.testing import ModelServer, Text

    with ModelServer(Text("Hello.")) as model, AppServerClient(model.config()) as client:
        ...

Only the standard library is needed.
"""

from codex_app_server.testing.answers import Answer, Code, Cut, Failure, Reasoning, Text, ToolCall
from codex_app_server.testing.cassette import Cassette
from codex_app_server.testing.code_mode import TOOL_MODES, ToolMode
from codex_app_server.testing.requests import ModelRequest
from codex_app_server.testing.server import ModelServer

__all__ = [
    "TOOL_MODES",
    "Answer",
    "Cassette",
    "Code",
    "Cut",
    "Failure",
    "ModelRequest",
    "ModelServer",
    "Reasoning",
    "Text",
    "ToolCall",
    "ToolMode",
]
