"""``python -m codex_app_server``: the commands of `codex_app_server.cli`."""

from __future__ import annotations

import sys

from codex_app_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
