"""From nothing to a first result, with `codex_app_server`: `python first_ours.py CODEX`."""

import sys

from codex_app_server import AppServerConfig, Codex

with Codex(AppServerConfig(codex_bin=sys.argv[1])) as codex:
    result = codex.thread_start().run("What is in this directory?")
    print(result.final_response, *(item.type for item in result.items), flush=True)
