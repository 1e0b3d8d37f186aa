"""The words of OpenTelemetry's conventions, and ours where it has none.

They are written down here: the conventions for generative AI are in development, the package that has them moves
names about, and what a program's dashboards show must not change with it.
"""

from __future__ import annotations

AGENT = "codex"
"""What the agent is called."""

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
AGENT_NAME = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
MODEL = "gen_ai.request.model"
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL = "gen_ai.tool.call.id"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"
INPUT = "gen_ai.input.messages"
OUTPUT = "gen_ai.output.messages"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - a word
ERROR = "error.type"
RPC_SYSTEM = "rpc.system.name"
RPC_METHOD = "rpc.method"
RPC_STATUS = "rpc.response.status_code"
EXIT_CODE = "process.exit.code"
USER_AGENT = "user_agent.original"

TURN = "codex.turn.id"
IS_JOINED = "codex.turn.is_joined"
ITEM = "codex.item.id"
MCP_SERVER = "codex.mcp.server"
DECISION = "codex.decision"
QUEUE = "codex.queue.name"

DURATION = "gen_ai.client.operation.duration"
TOKENS = "gen_ai.client.token.usage"
RPC_DURATION = "rpc.client.call.duration"
QUEUE_DURATION = "codex.client.queue.duration"
QUEUE_SIZE = "codex.client.queue.size"

USAGE = {
    "inputTokens": "gen_ai.usage.input_tokens",
    "cachedInputTokens": "gen_ai.usage.cache_read.input_tokens",
    "cacheWriteInputTokens": "gen_ai.usage.cache_creation.input_tokens",
    "outputTokens": "gen_ai.usage.output_tokens",
    "reasoningOutputTokens": "gen_ai.usage.reasoning.output_tokens",
}
"""What the runtime counts, and what the conventions call it."""

TOOLS = {
    "collabAgentToolCall": None,
    "commandExecution": "exec_command",
    "dynamicToolCall": None,
    "fileChange": "apply_patch",
    "imageGeneration": "image_generation",
    "imageView": "view_image",
    "mcpToolCall": None,
    "webSearch": "web_search",
}
"""The items that are calls of tools, and the names of those that do not say it themselves."""

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68)
COUNTS = tuple(4**power for power in range(14))
"""The bounds that the conventions advise; a turn may take longer than a model's answer, so these go on."""
