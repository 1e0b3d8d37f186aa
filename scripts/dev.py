#!/usr/bin/env python3
"""Starts `dev_commands`, on a Python that can read it; any Python can read this, and says which one is needed."""

import sys

OLDEST = (3, 10)

if __name__ == "__main__":
    if sys.version_info < OLDEST:
        found = sys.version.split()[0]
        sys.exit("this is Python " + found + ", but 3.10 or newer is needed; run it with a newer one")

    from dev_commands import main

    sys.exit(main())
