"""``release.html``: the report as one page that needs nothing else, neither scripts nor any other file.

A function a section, from the report's data to markup (`sections`). What has nothing to say leaves its section out,
except the comparison, which says so. Every text is escaped by `pieces`.
"""

from __future__ import annotations

from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from codex_release.base.words import byte_count, counted
from codex_release.report import figures
from codex_release.report.pieces import Html, element, joined, nothing, tags_of
from codex_release.report.sections import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_release.report.model import BuiltFile, Previous, ReleaseReport

__all__ = ["page"]


def page(report: ReleaseReport) -> str:
    """The whole page."""
    room = resources.files("codex_release.report")
    template = Template((room / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=joined(report.title),
        style=(room / "page.css").read_text(encoding="utf-8"),
        header=_header(report),
        main=Html("\n".join(filter(None, (section(report) for section in SECTIONS)))),
        footer=_footer(report),
    )


def _header(report: ReleaseReport) -> Html:
    url = f"https://github.com/{report.repository}/releases/tag/{report.tag}"
    chips = [
        element("li", element("span", figures.MARKS[verdict], class_="mark", aria_hidden="true"), text, class_=verdict)
        for verdict, text in figures.states(report)
    ]
    return joined(
        element("div", element("a", f"{report.repository} {report.tag}", href=url), class_="small"),
        element("h1", report.title),
        element("ul", *chips, class_="states", aria_label="State of this release"),
        _tiles(report),
    )


def _tiles(report: ReleaseReport) -> Html:
    files = report.files
    if not files:
        return nothing
    runtimes = [each for each in files if each.target]
    largest = max(files, key=lambda each: (each.size / each.limit if each.limit else 0, each.size))
    tiles = [
        ("Files", str(len(files)), counted(len(runtimes), "runtime wheel")),
        ("Platforms", str(len({each.target for each in runtimes})), counted(len(tags_of(runtimes)), "wheel platform")),
        ("Together", byte_count(sum(each.size for each in files)), _growth(files, report.previous)),
        (
            "Nearest to its limit",
            figures.percent(largest.size, largest.limit) if largest.limit else byte_count(largest.size),
            largest.target or largest.project,
        ),
    ]
    if report.build and report.build.seconds is not None:
        reused = sum(each.reused for each in files)
        note = f"{reused} of {len(files)} there unchanged" if reused else "everything made anew"
        tiles.append(("Build", figures.seconds(report.build.seconds), note))
    return element(
        "dl",
        *(
            element("div", element("dt", name), element("dd", value), element("dd", note, class_="small"))
            for name, value, note in tiles
        ),
        class_="tiles",
    )


def _growth(files: Sequence[BuiltFile], previous: Previous | None) -> str:
    """How all files grew that have a predecessor."""
    if previous is None:
        return "nothing to compare with"
    pairs = [(before.size, each.size) for each in files if (before := previous.earlier(each)) and before.size]
    if not pairs:
        return f"no sizes of {previous.version} are known"
    return f"{figures.change(sum(old for old, _ in pairs), sum(new for _, new in pairs))} since {previous.version}"


def _footer(report: ReleaseReport) -> Html:
    build = report.build
    if not build:
        return nothing
    made = f"codex-release {build.toolkit}, Python {build.python}, {build.host}"
    return joined(
        f"Made {figures.moment(build.finished)} by {made}. The same as data: ", element("code", "release.json"), "."
    )
