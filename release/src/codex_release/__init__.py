"""Turns a Codex release into verified Python wheels.

The road of a release, one module a station: a *source* says which archives exist (`sources`), `download` brings the
bytes into the `cache`, `archive` extracts them into a runtime tree, `lock` says what every byte must be, `inspect`
reads the executables, `stage` makes a buildable directory, `wheel` assembles, `check` verifies, and `cli` is the
program around all of it. Nothing here imports the client.
"""

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> str:
    """``__version__`` is looked up only when asked for: reading metadata takes longer than most commands need."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("codex-release")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
