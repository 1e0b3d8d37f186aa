"""For tests of programs that use Codex: an embedded model server, so that turns run offline and say what is scripted.

    from codex_app_server.testing import ModelServer, Text

    with ModelServer(Text("Hello.")) as model, AppServerClient(model.config()) as client:
        ...

Only the standard library is needed.
"""

from codex_app_server.testing.answers import Answer, Cut, Failure, Text, ToolCall
from codex_app_server.testing.server import ModelRequest, ModelServer

__all__ = ["Answer", "Cut", "Failure", "ModelRequest", "ModelServer", "Text", "ToolCall"]
