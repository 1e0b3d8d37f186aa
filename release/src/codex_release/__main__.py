"""`python -m codex_release` is the `codex-release` program."""

import sys

from codex_release.cli import main

sys.exit(main())
