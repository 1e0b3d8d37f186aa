"""From nothing to a first result, with `openai_codex`: `python first_peer.py CODEX`."""

import sys

from openai_codex import Codex, CodexConfig

with Codex(CodexConfig(codex_bin=sys.argv[1])) as codex:
    result = codex.thread_start().run("What is in this directory?")
    print(result.final_response, *(item.root.type for item in result.items), flush=True)
