"""How to get an extra that is not installed."""

from __future__ import annotations

__all__ = ["lacking"]


def lacking(extra: str, error: ImportError) -> ImportError:
    """What to raise instead of an `ImportError` of something that an extra brings.

    Args:
        extra: its name.
        error: of the import that failed.
    """
    text = f'{error.name or "a package"} is not installed: pip install "codex-app-server-sdk[{extra}]"'
    return ImportError(text, name=error.name, path=error.path)
