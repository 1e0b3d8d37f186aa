"""Sources: who serves the archives of a release.

A source only answers which archive it has for a version and a target, and how to get its bytes (an `Origin`). It
moves no archive itself and is not trusted: the bytes are held against the lock, or against a published digest.
"""

from codex_release.sources.base import Archive, Bundle, LocalFile, Origin, Program, Source, WebFile

__all__ = ["Archive", "Bundle", "LocalFile", "Origin", "Program", "Source", "WebFile"]
