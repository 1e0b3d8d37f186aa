"""A small MCP server on stdio, with two tools that do nothing, for tests of the real runtime."""

from __future__ import annotations

import json
import sys

TOOLS = [
    {"name": name, "description": "It does nothing.", "inputSchema": {"type": "object", "properties": {"path": {}}}}
    for name in ("read_file", "write_file")
]


def result(method: str, params: dict[str, object]) -> dict[str, object]:
    if method == "initialize":
        info = {"name": "files", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": TOOLS}
    return {"content": [{"type": "text", "text": f"done: {params.get('name')}"}]}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result(message["method"], message.get("params", {}))}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
