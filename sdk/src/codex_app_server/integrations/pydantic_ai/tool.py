codex_tool = None
