"""``release.html``: the report as one page that needs nothing else, neither scripts nor any other file.

A function a section, from the report's data to markup. What has nothing to say leaves its section out, except the
comparison, which says so. Every text is escaped by `pieces`.
"""

from __future__ import annotations

from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from codex_release.base.words import byte_count, counted
from codex_release.report import figures
from codex_release.report.pieces import (
    Html,
    capital,
    element,
    joined,
    label,
    nothing,
    outcome,
    problem,
    section,
    steps_table,
    table,
    tags_of,
    thin_bar,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_release.report.model import BuiltFile, Origin, Previous, ReleaseReport

__all__ = ["page"]

_COLOURED = 5
"""How many parts of the payload get a colour of their own; `page.css` has as many."""

_SIGNATURES = {
    "verified": ("good", "verified"),
    "absent": ("open", "no source that answered has one"),
    "unsupported": ("open", "in a format that cannot be verified offline"),
    "unchecked": ("open", "there, but not verified"),
}
"""What the states of a signature are called here, and what they count as."""

_CODE = {
    "verified": ("good", "verified, every page"),
    "digest-intact": ("good", "digest intact"),
    "ad-hoc": ("open", "intact, but nobody signed"),
    "unsigned": ("open", "unsigned"),
}
"""The same of executables' own signatures."""


def page(report: ReleaseReport) -> str:
    """The whole page."""
    room = resources.files("codex_release.report")
    template = Template((room / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=joined(report.title),
        style=(room / "page.css").read_text(encoding="utf-8"),
        header=_header(report),
        main=Html("\n".join(filter(None, (each(report) for each in _SECTIONS)))),
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


def _files(report: ReleaseReport) -> Html:
    """Every file with its size against the limit, its tags and its digest."""
    if not report.build:
        return nothing
    names = figures.families(report.files, _COLOURED)
    key = [
        element("li", element("span", class_=f"swatch s{number}", aria_hidden="true"), name)
        for number, name in enumerate(names, 1)
    ]
    if names:
        key.append(element("li", element("span", class_="swatch rest", aria_hidden="true"), "everything else"))
    return section(
        "files",
        "Files",
        "Each bar is as wide as the largest file that the project may upload; coloured is what the file takes of it.",
        element("ul", *key, class_="key", aria_label="Colours of the bars") if key else nothing,
        element("ul", *(_file(each, names) for each in report.files), class_="files"),
    )


def _file(file: BuiltFile, names: Sequence[str]) -> Html:
    of = f" · {figures.percent(file.size, file.limit)} of {byte_count(file.limit)}" if file.limit else ""
    amount = element(
        "span", element("b", byte_count(file.size)), element("span", of, class_="soft small"), class_="amount"
    )
    tags = element(
        "ul",
        *(element("li", each) for each in tags_of([file])),
        class_="tags",
        aria_label="Platforms of the wheel's tags",
    )
    return element(
        "li",
        element("div", element("h3", file.target or f"{file.project}, {file.kind}"), amount, class_="head"),
        element("div", element("code", file.name), class_="name"),
        _size_bar(file, names),
        tags if file.tags else nothing,
        element("div", element("code", f"sha256 {file.sha256}"), class_="digest small"),
    )


def _size_bar(file: BuiltFile, names: Sequence[str]) -> Html:
    """The file's size against its limit, in the colours of its parts."""
    width = max(file.limit, file.size, 1)
    parts = dict.fromkeys(names, 0)
    for each in file.components:
        if figures.family(each) in parts:
            parts[figures.family(each)] += each.compressed or 0
    shares = [(f"s{number}", parts[name], name) for number, name in enumerate(names, 1) if parts[name]]
    shares.append(("rest", file.size - sum(count for _, count, _ in shares), "everything else"))
    spans = [
        element("span", class_=colour, style=f"width:{count / width * 100:.2f}%", title=f"{name}: {byte_count(count)}")
        for colour, count, name in shares
        if count > 0
    ]
    text = ", ".join(f"{name} {byte_count(count)}" for _, count, name in shares if count > 0)
    return element("div", *spans, class_="bar", role="img", aria_label=f"In this file: {text}")


def _payload(report: ReleaseReport) -> Html:
    """What is inside each runtime wheel."""
    wheels = [each for each in report.files if each.components]
    if not wheels:
        return nothing
    colours = {name: f"s{number}" for number, name in enumerate(figures.families(wheels, _COLOURED), 1)}
    columns = {
        "File": None,
        "Unpacked": "number",
        "In the wheel": "number",
        "Share of the wheel": "wide",
        "sha256 of the file": None,
    }
    groups = [
        (
            label(wheel, wheels),
            [
                (
                    element("code", each.path),
                    byte_count(each.size),
                    byte_count(each.compressed or 0),
                    thin_bar(each.compressed or 0, wheel.size, colours.get(figures.family(each), "rest")),
                    element("code", each.sha256[:16] + "…", title=each.sha256) if each.sha256 else "",
                )
                for each in wheel.components
            ],
        )
        for wheel in wheels
    ]
    return section(
        "payload",
        "Inside the wheels",
        "What each runtime wheel carries, unpacked and as it lies in the wheel. The whole digests are in the lock, in "
        "each wheel's RECORD and bill of materials, and in release.json.",
        table("Payload by wheel", columns, groups),
    )


def _since(report: ReleaseReport) -> Html:
    """Old sizes and new ones, or that there is nothing to compare with."""
    previous, now = report.previous, report.files
    if previous is None:
        return section(
            "since",
            "Since the release before",
            "There is none to compare with. Name one, its release.json or its lock, with --previous.",
        )
    groups = []
    for file in now:
        before = previous.earlier(file)
        if before is None:
            rows = [_since_row("the whole file", None, file.size, whole=True)]
        else:
            rows = [_since_row("the whole file", before.size or None, file.size, whole=True)] if before.size else []
            gone = {each.path: each for each in before.components}
            for each in file.components:
                old = gone.pop(each.path, None)
                if old is None or old.sha256 != each.sha256:
                    rows.append(_since_row(each.path, old.size if old else None, each.size))
            rows += [_since_row(each.path, each.size, None) for each in gone.values()]
        if rows:
            groups.append((label(file, now), rows))
    platforms = {each.target for each in report.origins} | {"", *(each.target for each in now)}
    for file in previous.files:
        if report.origins and file.target not in platforms:
            rows = [_since_row("the whole file", file.size, None, whole=True)] if file.size else []
            rows += [_since_row(each.path, each.size, None) for each in file.components]
            groups.append((label(file, previous.files), rows))
    columns = {"File": None, "Before": "number", "Now": "number", "Change": "number"}
    shown = table(f"{previous.version} and {report.version}", columns, groups) if groups else nothing
    return section(
        "since",
        f"Since {previous.version}",
        f"Sizes of the files, and unpacked of what changed inside them, as {previous.source or 'its report'} tells."
        if groups
        else f"Nothing changed since {previous.version}.",
        shown,
    )


def _since_row(name: str, before: int | None, after: int | None, *, whole: bool = False) -> Sequence[str]:
    label = element("span", name) if whole else element("code", name)
    if before is None or after is None:
        what = "new" if before is None else "gone"
        return (label, *("" if each is None else byte_count(each) for each in (before, after)), what)
    return label, byte_count(before), byte_count(after), figures.change(before, after)


def _origins(report: ReleaseReport) -> Html:
    """The archives and the signature of each platform, as the lock knows them."""
    known = {each.target: each for each in report.origins}
    present = dict.fromkeys(each.target for each in report.files)
    groups = [(target, _origin(known[target])) for target in present if target in known]
    if not groups:
        return nothing
    columns = {"Archive": None, "Source": None, "Size": "number", "sha256, or who signed": "remark"}
    return section(
        "origins",
        "Where it comes from",
        "The archives that hold exactly these files, as the lock knows them. A source is only a transport: every file "
        "was compared with the lock, whoever served it.",
        table("Archives by platform", columns, groups),
    )


def _origin(origin: Origin) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [
        (element("code", each.name), each.source, byte_count(each.size), element("code", each.sha256))
        for each in origin.archives
    ]
    if origin.signature:
        verdict, text = _SIGNATURES.get(origin.signature, ("open", origin.signature))
        signer = f"{origin.identity}, vouched for by {origin.issuer}" if origin.identity else ""
        rows.append(("Sigstore signature", word(verdict, text), "", signer))
    for code in origin.code:
        verdict, text = _CODE.get(code.state, ("open", code.state))
        detail = ", ".join(each for each in (code.signer, *code.flags) if each)
        rows.append((f"Own signature of {', '.join(code.files)}", word(verdict, text), "", detail))
    return rows


def _rehearsal(report: ReleaseReport) -> Html:
    """The steps of the rehearsal, if there was one."""
    if not report.rehearse:
        return nothing
    done = report.rehearse
    text = f"{done.outcome} in {figures.seconds(done.seconds)}, {figures.moment(done.finished)}"
    steps = steps_table("Steps of the rehearsal", done.steps)
    return section("rehearsal", "Rehearsal", f"{capital(text)}.", problem(done.problem), steps)


def _publication(report: ReleaseReport) -> Html:
    """What became of every file on the index, if they were published or that was planned."""
    if not report.publish:
        return nothing
    done = report.publish
    attested = "with attestations" if done.attested else "without attestations"
    when = figures.moment(done.finished)
    text = f"{done.outcome} after {figures.seconds(done.seconds)}: {done.index}, {when}, {attested}"
    rows = [
        (
            element("code", each.name),
            outcome(each.outcome),
            figures.seconds(each.seconds) if each.seconds else "",
            str(each.attempts) if each.attempts else "",
            each.detail,
        )
        for each in done.files
    ]
    columns = {"File": None, "Outcome": None, "Time": "number", "Attempts": "number", "Remark": "remark"}
    files = table("Files in the order of the upload", columns, [("", rows)]) if rows else nothing
    steps = steps_table("Steps of the publication", done.steps)
    return section("publication", "Publication", f"{capital(text)}.", problem(done.problem), files, steps)


def _time(report: ReleaseReport) -> Html:
    """How long each file took to make, as far as that is known."""
    timed = [each for each in report.files if each.seconds is not None]
    if not timed:
        return nothing
    longest = max(each.seconds or 0.0 for each in timed)
    rows = [
        (
            label(each, timed),
            figures.seconds(each.seconds or 0.0),
            thin_bar(each.seconds or 0.0, longest),
            "unchanged" if each.reused else "made anew",
        )
        for each in timed
    ]
    columns = {"File": None, "Time": "number", "Compared": "wide", "This time": None}
    return section(
        "time",
        "Time",
        "How long each file took to make, from archive to wheel. Several are made at a time, so the sum is more than "
        "the build took; of an unchanged file it is what it took then.",
        table("Time by file", columns, [("", rows)]),
    )


_SECTIONS = (_files, _rehearsal, _publication, _since, _payload, _origins, _time)
"""In the order of the page."""
