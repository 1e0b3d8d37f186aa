"""What an interpreter says of the place it installs packages to; run as a script, it says it of the one that runs it.

It needs nothing but the standard library, so any Python can be asked.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig

__all__ = ["described"]


def described() -> dict[str, object]:
    """The running interpreter.

    Returns:
        its ``version`` (numbers), ``executable``, ``system`` (``sys.platform``), ``site`` (where platform wheels go),
        ``scripts``, and whether it is ``managed`` by the system's package manager (PEP 668).
    """
    paths = sysconfig.get_paths()
    marker = os.path.join(paths["stdlib"], "EXTERNALLY-MANAGED")  # noqa: PTH118 - pathlib takes 10 ms to load
    return {
        "version": list(sys.version_info[:3]),
        "executable": sys.executable,
        "system": sys.platform,
        "site": paths["platlib"],
        "scripts": paths["scripts"],
        "managed": sys.prefix == sys.base_prefix and os.path.isfile(marker),  # noqa: PTH113
    }


if __name__ == "__main__":
    # As the bytes that the file system knows: who asks may run in another locale.
    sys.stdout.buffer.write(os.fsencode(json.dumps(described(), ensure_ascii=False)))
