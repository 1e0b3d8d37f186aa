"""``matrix``: what CI builds and on which runners, from targets.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_release.report import Report

if TYPE_CHECKING:
    import argparse

    from codex_release.context import Context

HELP = "list the targets and their CI runners"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments: none."""


def run(arguments: argparse.Namespace, context: Context) -> Report:  # noqa: ARG001 - every command has this signature
    """List the targets; the JSON is a GitHub Actions matrix."""
    targets = context.catalog.targets
    rows = [(target.triple, target.runner) for target in targets]
    data = {"include": [{"target": target.triple, "runner": target.runner} for target in targets]}
    return Report(("target", "runner"), rows, data)
