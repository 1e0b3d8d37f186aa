"""``release.html``: the report as one page that needs nothing else, neither scripts nor any other file.

A function a section, from the report's data to markup. What has nothing to say leaves its section out, except the
comparison, which says so. Every text is escaped by `markup`.
"""

from __future__ import annotations

from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from codex_release.release_report import figures
from codex_release.release_report.compare import earlier_component, earlier_file, vanished_components
from codex_release.release_report.markup import Html, element, joined, nothing
from codex_release.release_report.state import states
from codex_release.release_report.table import Column, Group, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_release.release_report.model import BuiltFile, Origin, Previous, ReleaseReport, Step

__all__ = ["page"]

_COLOURED = 5
"""How many parts of the payload get a colour of their own; `page.css` has as many."""

_MARKS = {"good": "✓", "bad": "✗", "open": "○"}
_OUTCOMES = {"passed": "good", "uploaded": "good", "present": "good", "failed": "bad", "clash": "bad"}
_SIGNATURES = {
    "verified": ("good", "verified"),
    "absent": ("open", "no source that answered has one"),
    "unsupported": ("open", "in a format that cannot be verified offline"),
    "unchecked": ("open", "there, but not verified"),
}
"""What the states of a signature are called here, and what they count as."""


def page(report: ReleaseReport) -> str:
    """The whole page."""
    room = resources.files("codex_release.release_report")
    template = Template((room / "page.html").read_text(encoding="utf-8"))
    sections = (_files, _rehearsal, _publication, _since, _payload, _origins, _time)
    return template.substitute(
        title=joined(f"Codex {report.version} in Python wheels"),
        style=(room / "page.css").read_text(encoding="utf-8"),
        header=_header(report),
        main=Html("\n".join(filter(None, (section(report) for section in sections)))),
        footer=_footer(report),
    )


def _header(report: ReleaseReport) -> Html:
    url = f"https://github.com/{report.repository}/releases/tag/{report.tag}"
    chips = [
        element(
            "li",
            element("span", _MARKS[each.verdict], class_="mark", aria_hidden="true"),
            each.text,
            class_=each.verdict,
        )
        for each in states(report)
    ]
    return joined(
        element("div", element("a", f"{report.repository} {report.tag}", href=url), class_="small"),
        element("h1", f"Codex {report.version} in Python wheels"),
        element("ul", *chips, class_="states", aria_label="State of this release"),
        _tiles(report),
    )


def _tiles(report: ReleaseReport) -> Html:
    files = report.build.files if report.build else ()
    if not files:
        return nothing
    runtimes = [each for each in files if each.target]
    largest = max(files, key=lambda each: (each.size / each.limit if each.limit else 0, each.size))
    tiles = [
        ("Files", str(len(files)), f"{len(runtimes)} runtime wheels"),
        ("Platforms", str(len({each.target for each in runtimes})), f"{len(_tags(runtimes))} wheel platforms"),
        ("Together", figures.size(figures.total(files)), _growth(files, report.previous)),
        (
            "Nearest to its limit",
            figures.percent(largest.size, largest.limit) if largest.limit else figures.size(largest.size),
            largest.target or largest.project,
        ),
    ]
    if report.build and report.build.seconds is not None:
        reused = sum(each.reused for each in files)
        note = f"{reused} of {len(files)} were there unchanged" if reused else "everything made anew"
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
    pairs = [(before.size, each.size) for each in files if (before := earlier_file(each, previous)) and before.size]
    if not pairs:
        return f"no sizes of {previous.version} are known"
    return f"{figures.change(sum(old for old, _ in pairs), sum(new for _, new in pairs))} since {previous.version}"


def _files(report: ReleaseReport) -> Html:
    if not report.build:
        return nothing
    names = figures.families(report.build.files, _COLOURED)
    key = [
        element("li", element("span", class_=f"swatch s{number}", aria_hidden="true"), name)
        for number, name in enumerate(names, 1)
    ]
    if names:
        key.append(element("li", element("span", class_="swatch rest", aria_hidden="true"), "everything else"))
    return _section(
        "files",
        "Files",
        "Each bar is as wide as the largest file that the project may upload; coloured is what the file takes of it.",
        element("ul", *key, class_="key", aria_label="Colours of the bars") if key else nothing,
        element("ul", *(_file(each, names) for each in report.build.files), class_="files"),
    )


def _file(file: BuiltFile, names: Sequence[str]) -> Html:
    of = f" · {figures.percent(file.size, file.limit)} of {figures.size(file.limit)}" if file.limit else ""
    amount = element(
        "span", element("b", figures.size(file.size)), element("span", of, class_="soft small"), class_="amount"
    )
    tags = element(
        "ul",
        *(element("li", each) for each in _tags([file])),
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
        element(
            "span", class_=colour, style=f"width:{count / width * 100:.2f}%", title=f"{name}: {figures.size(count)}"
        )
        for colour, count, name in shares
        if count > 0
    ]
    text = ", ".join(f"{name} {figures.size(count)}" for _, count, name in shares if count > 0)
    return element("div", *spans, class_="bar", role="img", aria_label=f"In this file: {text}")


def _payload(report: ReleaseReport) -> Html:
    wheels = [each for each in report.build.files if each.components] if report.build else []
    if not wheels:
        return nothing
    colours = {name: f"s{number}" for number, name in enumerate(figures.families(wheels, _COLOURED), 1)}
    columns = [
        Column("File"),
        Column("Unpacked", "number"),
        Column("In the wheel", "number"),
        Column("Share of the wheel", "wide"),
        Column("sha256 of the file"),
    ]
    groups = [
        Group(
            [
                (
                    element("code", each.path),
                    figures.size(each.size),
                    figures.size(each.compressed or 0),
                    _thin_bar(each.compressed or 0, wheel.size, colours.get(figures.family(each), "rest")),
                    element("code", each.sha256[:16] + "…", title=each.sha256) if each.sha256 else "",
                )
                for each in wheel.components
            ],
            heading=_label(wheel, wheels),
        )
        for wheel in wheels
    ]
    return _section(
        "payload",
        "Inside the wheels",
        "What each runtime wheel carries, unpacked and as it lies in the wheel. The whole digests are in the lock, in "
        "each wheel's RECORD and bill of materials, and in release.json.",
        table("Payload by wheel", columns, groups),
    )


def _since(report: ReleaseReport) -> Html:
    previous, files = report.previous, report.build.files if report.build else ()
    if previous is None:
        return _section(
            "since",
            "Since the release before",
            "There is none to compare with. Name one, its release.json or its lock, with --previous.",
        )
    groups = []
    for file in files:
        before = earlier_file(file, previous)
        if before is None:
            rows = [_since_row("the whole file", None, file.size, whole=True)]
        else:
            rows = [_since_row("the whole file", before.size or None, file.size, whole=True)] if before.size else []
            for each in file.components:
                old = earlier_component(file, each, previous)
                if old is None or old.sha256 != each.sha256:
                    rows.append(_since_row(each.path, old.size if old else None, each.size))
            rows += [_since_row(each.path, each.size, None) for each in vanished_components(file, previous)]
        if rows:
            groups.append(Group(rows, heading=_label(file, files)))
    columns = [Column("File"), Column("Before", "number"), Column("Now", "number"), Column("Change", "number")]
    shown = table(f"{previous.version} and {report.version}", columns, groups) if groups else nothing
    return _section(
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
        return (label, *("" if each is None else figures.size(each) for each in (before, after)), what)
    return label, figures.size(before), figures.size(after), figures.change(before, after)


def _origins(report: ReleaseReport) -> Html:
    known = {each.target: each for each in report.origins}
    present = dict.fromkeys(each.target for each in report.build.files) if report.build else {}
    groups = [Group(_origin(known[target]), heading=target) for target in present if target in known]
    if not groups:
        return nothing
    columns = [Column("Archive"), Column("Source"), Column("Size", "number"), Column("sha256, or who signed")]
    return _section(
        "origins",
        "Where it comes from",
        "The archives that hold exactly these files, as the lock knows them. A source is only a transport: every file "
        "was held against the lock, whoever served it.",
        table("Archives by platform", columns, groups),
    )


def _origin(origin: Origin) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [
        (element("code", each.name), each.source, figures.size(each.size), element("code", each.sha256))
        for each in origin.archives
    ]
    if origin.signature:
        verdict, text = _SIGNATURES.get(origin.signature, ("open", origin.signature))
        signer = f"{origin.identity}, vouched for by {origin.issuer}" if origin.identity else ""
        rows.append(("Sigstore signature", _word(verdict, text), "", signer))
    return rows


def _rehearsal(report: ReleaseReport) -> Html:
    if not report.rehearse:
        return nothing
    section = report.rehearse
    text = f"{section.outcome} in {figures.seconds(section.seconds)}, {section.finished}"
    return _section("rehearsal", "Rehearsal", f"{_capital(text)}.", _steps("Steps of the rehearsal", section.steps))


def _publication(report: ReleaseReport) -> Html:
    if not report.publish:
        return nothing
    section = report.publish
    attested = "with attestations" if section.attested else "without attestations"
    text = f"{section.outcome} to {section.index} in {figures.seconds(section.seconds)}, {section.finished}, {attested}"
    rows = [
        (
            element("code", each.name),
            _outcome(each.outcome),
            figures.seconds(each.seconds) if each.seconds else "",
            str(each.attempts) if each.attempts else "",
            each.detail,
        )
        for each in section.files
    ]
    columns = [
        Column("File"),
        Column("Outcome"),
        Column("Time", "number"),
        Column("Attempts", "number"),
        Column("Remark"),
    ]
    files = table("Files in the order of the upload", columns, [Group(rows)]) if rows else nothing
    steps = _steps("Steps of the publication", section.steps)
    return _section("publication", "Publication", f"{_capital(text)}.", files, steps)


def _time(report: ReleaseReport) -> Html:
    timed = [each for each in report.build.files if each.seconds is not None] if report.build else []
    if not report.build or not timed:
        return nothing
    longest = max(each.seconds or 0.0 for each in timed)
    rows = [
        (
            _label(each, timed),
            figures.seconds(each.seconds or 0.0),
            _thin_bar(each.seconds or 0.0, longest),
            "unchanged" if each.reused else "made anew",
        )
        for each in timed
    ]
    columns = [Column("File"), Column("Time", "number"), Column("Compared", "wide"), Column("This time")]
    return _section(
        "time",
        "Time",
        "How long each file took to make, from archive to wheel. Several are made at a time, so the sum is more than "
        "the build took; of an unchanged file it is what it took then.",
        table("Time by file", columns, [Group(rows)]),
    )


def _steps(caption: str, steps: Sequence[Step]) -> Html:
    if not steps:
        return nothing
    longest = max(each.seconds for each in steps)
    rows = [
        (
            each.name,
            _outcome(each.outcome),
            figures.seconds(each.seconds),
            _thin_bar(each.seconds, longest),
            each.detail,
        )
        for each in steps
    ]
    columns = [
        Column("Step"),
        Column("Outcome"),
        Column("Time", "number"),
        Column("Compared", "wide"),
        Column("Remark"),
    ]
    return table(caption, columns, [Group(rows)])


def _footer(report: ReleaseReport) -> Html:
    build = report.build
    if not build:
        return nothing
    made = f"codex-release {build.toolkit}, Python {build.python}, {build.host}"
    return joined(f"Made {build.finished} by {made}. The same as data: ", element("code", "release.json"), ".")


def _section(name: str, heading: str, lead: str, *content: str) -> Html:
    return element(
        "section",
        element("h2", heading, id=f"{name}-heading"),
        element("p", lead),
        *content,
        id=name,
        aria_labelledby=f"{name}-heading",
    )


def _thin_bar(part: float, whole: float, colour: str = "s1") -> Html:
    """A bar of one colour; the number it shows stands beside it."""
    width = f"width:{part / whole * 100 if whole else 0:.2f}%"
    return element("div", element("span", class_=colour, style=width), class_="bar thin", aria_hidden="true")


def _outcome(word: str) -> Html:
    return _word(_OUTCOMES.get(word, "open"), word)


def _word(verdict: str, text: str) -> Html:
    mark = element("span", _MARKS[verdict], class_="mark", aria_hidden="true")
    return element("span", mark, text, class_=f"{verdict} word")


def _label(file: BuiltFile, among: Sequence[BuiltFile]) -> str:
    """What to call a file: its target, and where that has several wheels, their platforms too."""
    if not file.target:
        return f"{file.project}, {file.kind}"
    if sum(each.target == file.target for each in among) == 1:
        return file.target
    return f"{file.target} ({', '.join(_tags([file]))})"


def _tags(files: Sequence[BuiltFile]) -> tuple[str, ...]:
    return figures.platforms(tag for each in files for tag in each.tags)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
