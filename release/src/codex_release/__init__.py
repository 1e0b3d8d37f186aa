"""Turns a Codex release into verified Python wheels.

The road of a release, one room a station, from the bottom up: `sources` say which archives exist, `fetching` brings
their bytes into the cache, verified by the lock of `facts`, `runtime` reads archives and executables, `wheels` stages
and assembles, `check` judges finished files, `building` makes a release of them, `pin` and `protocol` move to the
next one, `installing` puts a runtime into an environment, `index`, `publish`, `verify` and `rehearse` bring a release
to its users, `report` tells of it, and `commands` under `cli` is the program around it all. Imports go downward only;
nothing here imports the client.
"""

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> str:
    """``__version__`` is looked up only when asked for: reading metadata takes longer than most commands need."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("codex-release")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
