"""``bump``: move the pin to a newer Codex release: lock, protocol layer, documents, and notes of what changes.

The newest stable release is what the sources call their latest. Where the pin is there already, nothing is done and
that is said. A bump that fails, or is interrupted, leaves everything as it was.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_release.base.atomic import write_text
from codex_release.base.errors import ProtocolError, ReleaseError, SourceError, UsageError
from codex_release.base.http import shown_text
from codex_release.commands.answer import Answer
from codex_release.commands.options import runnable
from codex_release.facts.versions import ReleaseVersion
from codex_release.pin.move import is_newer, newest, notes, with_version
from codex_release.pin.observation import observed
from codex_release.pin.undo import undone_on_failure
from codex_release.protocol import older
from codex_release.protocol.generate import files_for, write
from codex_release.protocol.normalise import normalise
from codex_release.protocol.render_changes import as_markdown, compared, headline
from codex_release.protocol.rules import Rules, with_results
from codex_release.protocol.schema import Side, runtime_version

if TYPE_CHECKING:
    import argparse

    from codex_release.facts.workspace import Workspace
    from codex_release.fetching.context import Context

_SCRIPTS = ("scripts/every_model.py", "scripts/api_reference.py", "sdk/notebooks/refresh.py")
"""Programs of the checkout that try the models, and write what shows client or runtime; each is run if it is there."""
