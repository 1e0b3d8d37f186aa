"""Turns a Codex release into verified Python wheels.

The road of a release, one module a station: a *source* says which archives exist (`sources`), `download` brings the
bytes into the `cache`, `archive` extracts them into a runtime tree, `lock` says what every byte must be, `inspect`
reads the executables, `stage` makes a buildable directory, `wheel` assembles, `check` verifies, and `cli` is the
program around all of it. Nothing here imports the client.
"""

from importlib import metadata

__all__ = ["__version__"]

__version__ = metadata.version("codex-release")
