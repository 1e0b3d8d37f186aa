"""The release report: what is in it, what commands keep of each other's, and a page that is safe and needs nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, fields, replace
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import archives
import pytest
from fake_release import FakeRelease
from recording import RecordedProgress, connected

from codex_release.base.digests import file_digest
from codex_release.base.errors import CheckError
from codex_release.base.table import read_json
from codex_release.commands.options import leave_report
from codex_release.context import Context
from codex_release.facts.lock import Lock
from codex_release.facts.settings import Settings
from codex_release.facts.versions import ReleaseVersion
from codex_release.facts.workspace import Workspace
from codex_release.publish.result import PublishResult
from codex_release.rehearse.local_index import local_index
from codex_release.rehearse.rehearsal import RehearsalResult
from codex_release.report.model import (
    ArchiveOrigin,
    BuildSection,
    BuiltFile,
    Component,
    Origin,
    Previous,
    PublishedFile,
    PublishSection,
    RehearseSection,
    ReleaseReport,
    SignedCode,
    Step,
)
from codex_release.report.page import page
from codex_release.report.pieces import element
from codex_release.report.store import ReportStore, read_report
from codex_release.report.summary import build_summary, publish_summary, rehearse_summary

CATALOG = archives.CATALOG
VERSION = ReleaseVersion.parse(archives.VERSION)
LINUX = "x86_64-unknown-linux-musl"
HOSTILE = "<script>alert('x')</script>\"><img src=https://evil.example/x onerror=y>`|[a](https://evil.example)&amp;"


class Parsed(HTMLParser):
    """A page's elements, its text, and whether every element is closed where it should be."""

    VOID = frozenset({"meta", "br", "hr", "col", "link", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def having(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.elements if attribute in attrs]


def parsed(directory: Path) -> Parsed:
    return Parsed((directory / "release.html").read_text(encoding="utf-8"))


def store(directory: Path, lock: Lock | None = None, summary: Path | None = None) -> ReportStore:
    return ReportStore(directory, CATALOG, lock, summary)


def published(report: ReleaseReport, outcome: str = "published") -> PublishResult:
    assert report.build
    files = tuple(PublishedFile(each.name, each.sha256, "uploaded", 1.5, 1) for each in report.build.files)
    steps = (Step("upload the runtime wheels", 2.0, detail="7 files"), Step("resolve", 0.5, "failed", "no wheel"))
    problem = "" if outcome == "published" else "the index is down"
    return PublishResult("https://index.example/simple/", outcome, files, steps, 3.5, problem=problem)


def rehearsed(report: ReleaseReport) -> RehearsalResult:
    assert report.build
    files = {each.name: each.sha256 for each in report.build.files}
    return RehearsalResult(VERSION.codex, "passed", (LINUX,), files, (Step("build", 61.0),), 61.0)


@pytest.fixture
def release(made: FakeRelease, capsys: pytest.CaptureFixture[str]) -> FakeRelease:
    """Its checkout."""
    return replace(made, capsys=capsys)


@pytest.fixture
def dist(made: FakeRelease, tmp_path: Path) -> Path:
    """Its files, for one test to change."""
    return Path(shutil.copytree(made.root / "dist", tmp_path / "dist"))


class TestBuild:
    def test_leaves_what_it_built_as_data(self, dist: Path, release: FakeRelease) -> None:
        report = read_report(dist)
        assert (report.schema, report.version, report.tag) == (1, VERSION.codex, VERSION.tag)
        assert report.build
        assert report.build.locked
        assert report.build.seconds
        assert [each.target for each in report.build.files if each.kind == "wheel" and each.target] == [
            "x86_64-unknown-linux-musl",
            "aarch64-unknown-linux-musl",
            "aarch64-unknown-linux-musl",
            *CATALOG.triples[2:],
        ]
        assert [each.kind for each in report.build.files[-2:]] == ["wheel", "sdist"]
        for each in report.build.files:
            assert (each.size, each.sha256) == tuple(asdict(file_digest(dist / each.name)).values())
            assert each.limit == CATALOG.size_limits[each.project]
            assert each.seconds is not None
            assert not each.reused
        locked = Lock.read(release.lock_file).targets[LINUX].files
        linux = report.build.files[0]
        assert {each.path: (each.size, each.sha256) for each in linux.components} == {
            path: (digest.size, digest.sha256)
            for path, digest in locked.items()
            if not CATALOG.layout.is_excluded(path)
        }
        assert all(0 < (each.compressed or 0) <= each.size for each in linux.components)
        assert linux.tags == (
            "py3-none-manylinux2014_x86_64",
            "py3-none-manylinux_2_17_x86_64",
            "py3-none-musllinux_1_1_x86_64",
        )

    def test_that_makes_nothing_anew_leaves_the_report_alone(self, dist: Path, release: FakeRelease) -> None:
        before = {name: (dist / name).stat().st_mtime_ns for name in ("release.json", "release.html")}
        release.ran("build", "--all", "--out", dist)
        assert {name: (dist / name).stat().st_mtime_ns for name in before} == before

    def test_of_one_target_keeps_what_is_known_of_the_others(self, release: FakeRelease, tmp_path: Path) -> None:
        for triple in CATALOG.triples[:2]:
            release.ran("build", "--target", triple, "--out", tmp_path)
        build = read_report(tmp_path).build
        assert build
        assert {each.target for each in build.files} == {*CATALOG.triples[:2], ""}
        (tmp_path / build.files[0].name).unlink()
        release.ran("build", "--target", CATALOG.triples[1], "--store", "--out", tmp_path)
        again = read_report(tmp_path).build
        assert again
        assert {each.target for each in again.files} == {CATALOG.triples[1], ""}
        assert "5 of 6 platforms not built" in parsed(tmp_path).text

    def test_without_the_lock_says_so_loudly(self, dist: Path) -> None:
        assert "Compared with the lock" in parsed(dist).text
        store(dist).collect(VERSION)
        assert "Not compared with the lock" in parsed(dist).text

    def test_in_a_ci_job_appends_a_summary(
        self, release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        summary = tmp_path / "summary.md"
        summary.write_text("# Before\n", encoding="utf-8")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        release.ran("build", "--target", LINUX, "--out", tmp_path / "dist")
        text = summary.read_text(encoding="utf-8")
        assert text.startswith("# Before\n## Codex 0.169.0: built\n")
        for path in (tmp_path / "dist").glob("*.whl"):
            assert f"`{path.name}`" in text
            assert file_digest(path).sha256 in text

    def test_does_not_disturb_those_who_install_from_the_directory(self, dist: Path, tmp_path: Path) -> None:
        words = ["download", "--no-index", "--no-deps", "--find-links", str(dist), "--dest", str(tmp_path / "got")]
        words += ["codex-app-server-sdk", "--disable-pip-version-check"]
        ran = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        assert [path.suffix for path in (tmp_path / "got").iterdir()] == [".whl"]


class TestReportCommand:
    def test_tells_of_files_from_several_machines_with_their_timings(
        self, release: FakeRelease, tmp_path: Path
    ) -> None:
        together = tmp_path / "together"
        together.mkdir()
        reports: list[str | Path] = []
        seconds: dict[str, float | None] = {}
        for number, triple in enumerate(CATALOG.triples[:3]):
            one = tmp_path / str(number)
            release.ran("build", "--target", triple, "--out", one)
            reports += ["--with", one / "release.json"]
            build = read_report(one).build
            assert build
            seconds |= {each.name: each.seconds for each in build.files if each.target}
            for path in (*one.glob("*.whl"), *one.glob("*.gz")):
                (together / path.name).write_bytes(path.read_bytes())
        data = json.loads(release.ran("report", together, *reports, "--json").out)
        assert {each["target"] for each in data["build"]["files"]} == {*CATALOG.triples[:3], ""}
        assert {each["name"]: each["seconds"] for each in data["build"]["files"] if each["target"]} == seconds
        assert data["build"]["locked"] is True
        assert data == json.loads((together / "release.json").read_text(encoding="utf-8"))

    def test_refuses_what_is_no_release_and_what_is_no_report(self, release: FakeRelease, tmp_path: Path) -> None:
        assert "holds no wheel" in release.refused("report", tmp_path)
        broken = tmp_path / "codex_cli_bin-0.169.0-py3-none-win_amd64.whl"
        broken.mkdir()
        assert f"{broken} is no file; take it out" in release.refused("report", tmp_path)
        broken.rmdir()
        broken.write_bytes(b"PK")
        assert broken.name in release.refused("report", tmp_path)
        assert "is no JSON" in release.refused("report", tmp_path, "--with", broken)
        assert "cannot be read" in release.refused("build", "--previous", tmp_path / "none.json")


class TestSections:
    def test_each_command_fills_in_its_own_and_keeps_the_others(self, dist: Path, release: FakeRelease) -> None:
        built = read_report(dist)
        lock = Lock.read(release.lock_file)
        store(dist, lock).record_rehearse(VERSION, rehearsed(built))
        store(dist, lock).record_publish(VERSION, published(built))
        report = read_report(dist)
        assert report.build == built.build
        assert report.rehearse
        assert report.publish
        assert report.rehearse == RehearseSection.of(rehearsed(built), report.rehearse.finished)
        assert report.publish == PublishSection.of(published(built), report.publish.finished)
        release.ran("build", "--all", "--out", dist)
        assert read_report(dist) == report
        text = parsed(dist).text
        for word in ("Published", "Rehearsed", "https://index.example/simple/", "1 min 01 s", "upload the runtime"):
            assert word in text

    def test_what_they_say_of_other_bytes_is_dropped(self, dist: Path, release: FakeRelease) -> None:
        built = read_report(dist)
        store(dist).record_rehearse(VERSION, rehearsed(built))
        store(dist).record_publish(VERSION, published(built))
        release.ran("build", "--target", LINUX, "--store", "--out", dist)
        report = read_report(dist)
        assert (report.publish, report.rehearse) == (None, None)
        assert report.build
        assert len(report.build.files) == 9

    def test_they_need_no_report_of_a_build(self, dist: Path) -> None:
        built = read_report(dist)
        (dist / "release.json").unlink()
        store(dist).record_publish(VERSION, published(built))
        report = read_report(dist)
        assert report.publish
        assert report.publish.files == published(built).files
        assert report.build
        assert built.build
        taken = {each.name: each.seconds for each in built.build.files}
        assert {each.name: each.seconds for each in report.build.files} == taken

    def test_a_report_that_cannot_be_read_is_written_anew(self, dist: Path, release: FakeRelease) -> None:
        for text in ("", "{", "[]", '{"schema": 2}', '{"schema": 1, "version": 3}', "[" * 100_000):
            (dist / "release.json").write_text(text, encoding="utf-8")
            release.ran("build", "--all", "--out", dist)
            assert read_report(dist).build


class TestPublishing:
    def test_leaves_what_became_of_every_file(
        self, dist: Path, release: FakeRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with local_index(tmp_path / "index") as server:
            stage = server.stage("rel")
            urls = ["--repository-url", stage.upload_url, "--index-url", stage.simple_url]
            release.ran("publish", dist, *urls)
            assert read_report(dist).publish is None  # it was but a plan
            for name in ("TWINE_USERNAME", "TWINE_PASSWORD"):
                monkeypatch.delenv(name, raising=False)
            release.ran("publish", dist, *urls, "--yes", "--wait", "1", code=1)
            failed = read_report(dist).publish
            assert failed
            assert failed.outcome == "failed"
            assert "Publication failed" in parsed(dist).text
            assert failed.problem in parsed(dist).text
            monkeypatch.setenv("TWINE_USERNAME", "")
            monkeypatch.setenv("TWINE_PASSWORD", "")
            release.ran("publish", dist, *urls, "--yes", "--wait", "1")
        report = read_report(dist)
        assert report.publish
        assert report.build
        assert (report.publish.outcome, report.publish.index) == ("published", stage.simple_url)
        assert {each.name: each.sha256 for each in report.publish.files} == {
            each.name: each.sha256 for each in report.build.files
        }
        assert {each.outcome for each in report.publish.files} == {"uploaded"}
        assert "Published" in parsed(dist).text

    def test_a_report_that_cannot_be_written_is_said_and_changes_nothing(
        self, dist: Path, release: FakeRelease
    ) -> None:
        built = read_report(dist)
        (dist / "release.html").unlink()
        (dist / "release.html").mkdir()
        progress = RecordedProgress()
        with connected(progress) as web:
            context = Context(lambda: Workspace(release.root), Settings.read({}), progress, web)
            leave_report(context, dist, lambda store: store.record_publish(VERSION, published(built)))
        (note,) = progress.notes
        assert note.startswith(f"the report in {dist} could not be written completely: ")


class TestComparison:
    def test_without_a_release_before_the_page_says_so(self, dist: Path) -> None:
        assert "There is none to compare with" in parsed(dist).text

    def test_the_report_that_lay_there_becomes_the_release_before(self, dist: Path, release: FakeRelease) -> None:
        data = json.loads((dist / "release.json").read_text(encoding="utf-8"))
        data["version"] = "0.168.0"
        for each in data["build"]["files"]:
            each["size"] = each["size"] // 2
        (dist / "release.json").write_text(json.dumps(data), encoding="utf-8")
        release.ran("build", "--all", "--out", dist)
        report = read_report(dist)
        assert report.previous
        assert report.previous.version == "0.168.0"
        assert "Since 0.168.0" in parsed(dist).text
        assert re.search(r"\+[\d.]+ kB \(\+100\.\d %\)", parsed(dist).text)
        release.ran("report", dist)
        assert read_report(dist).previous == report.previous

    def test_a_lock_is_enough_to_compare_payloads(self, dist: Path, release: FakeRelease, tmp_path: Path) -> None:
        lock = Lock.read(release.lock_file)
        target = lock.targets[LINUX]
        old = {path: digest for path, digest in target.files.items() if path != "codex-path/rg"}
        old["bin/codex"] = replace(old["bin/codex"], size=10, sha256="0" * 64)
        old["bin/codex-gone"] = replace(old["bin/codex"], size=7)
        before = replace(
            lock,
            version=ReleaseVersion.parse("0.168.0"),
            targets={**lock.targets, LINUX: replace(target, files=old)},
        )
        before.write(tmp_path / "old.lock.toml")
        release.ran("report", dist, "--previous", tmp_path / "old.lock.toml")
        text = parsed(dist).text
        assert "Since 0.168.0" in text
        assert "old.lock.toml tells" in text
        since = text[text.index("0.168.0 and 0.169.0") : text.index("Inside the wheels")]
        assert re.search(r"bin/codex10 B[\d.]+ k?B\+", since)
        assert re.search(r"codex-path/rg[\d.]+ k?Bnew", since)
        assert "bin/codex-gone7 Bgone" in since
        assert "codex-package.json" not in since

    def test_a_platform_that_is_dropped_leaves_nothing_but_the_word_of_it(
        self, release: FakeRelease, tmp_path: Path
    ) -> None:
        dropped, out = "aarch64-pc-windows-msvc", tmp_path / "out"
        both = ("--target", LINUX, "--target", dropped)
        release.ran("build", "--runtime-only", *both, "--out", out)
        shutil.copyfile(out / "release.json", tmp_path / "release.json")
        facts = release.root / "release" / "targets.toml"
        tables = re.compile(rf"^\[targets\.{dropped}\]\n(?:[^\[].*)?(?:\n(?!\[).*)*", re.MULTILINE)
        facts.write_text(tables.sub("", facts.read_text(encoding="utf-8")), encoding="utf-8")
        release.ran("build", "--runtime-only", *both[:2], "--out", out, "--previous", tmp_path / "release.json")
        assert [path.name for path in out.glob("*.whl") if "win" in path.name] == []
        assert {each.target for each in read_report(out).origins} == {*CATALOG.triples} - {dropped}
        text = parsed(out).text
        assert "4 of 5 platforms not built" in text
        since = text[text.index("0.169.0 and 0.169.0") : text.index("Inside the wheels")]
        assert re.search(rf"{dropped}the whole file[\d.]+ k?Bgone", since)
        assert re.search(r"bin/codex\.exe[\d.]+ k?Bgone", since)
        assert "darwin" not in since  # which is only not built here

    def test_a_wheel_whose_tags_moved_is_compared_with_the_only_one_there_was(self) -> None:
        now = BuiltFile("b", "codex-cli-bin", "wheel", 20, "1", target="t", tags=("py3-none-macosx_12_0_arm64",))
        old = replace(now, name="a", size=10, tags=("py3-none-macosx_11_0_arm64",))
        report = ReleaseReport(
            "2.0.0",
            "rust-v2.0.0",
            "2.0.0",
            "o/c",
            build=BuildSection("now", (now,)),
            previous=Previous("1.0.0", (old,)),
        )
        assert "+10 B (+100.0 %)" in Parsed(page(report)).text
        assert "+10 B (+100.0 %)" in build_summary(report)


class TestJson:
    def test_comes_back_as_it_was(self, dist: Path) -> None:
        report = hostile_report()
        assert read(asdict(report)) == report

    def test_newer_fields_are_passed_over_and_missing_ones_have_their_defaults(self) -> None:
        data = {"version": "1", "tag": "t", "python_version": "1", "repository": "r", "colour": "red", "build": None}
        assert read(data) == ReleaseReport("1", "t", "1", "r")

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"version": 3}, "version is 3, not a text"),
            ({"version": None}, "version is null, not a text"),
            ({"schema": True}, "schema is True, not a number"),
            ({"origins": {}}, "origins is {}, not an array"),
            ({"build": {"finished": "x"}}, "build.files is missing"),
            ({"build": {"finished": "x", "files": [3]}}, "build.files[0] is 3, not a table"),
            ({"build": {"finished": "x", "files": [], "seconds": "1"}}, "build.seconds is '1', not a fraction"),
            ({"build": {"finished": "x", "files": [], "locked": 1}}, "build.locked is 1, not a truth value"),
        ],
    )
    def test_a_value_of_another_type_is_refused(self, change: dict[str, Any], why: str) -> None:
        good = {"version": "1", "tag": "t", "python_version": "1", "repository": "r"}
        with pytest.raises(CheckError, match=re.escape(f"it: {why}")):
            read({**good, **change})

    def test_another_schema_is_refused_by_name(self, tmp_path: Path) -> None:
        (tmp_path / "release.json").write_text('{"schema": 7}', encoding="utf-8")
        with pytest.raises(CheckError, match="schema 7, this toolkit reads 1"):
            read_report(tmp_path)

    @pytest.mark.parametrize("odd", ["NaN", "Infinity", "1e999", '"\\ud800"'])
    def test_what_no_page_could_show_is_refused(self, odd: str, tmp_path: Path) -> None:
        text = f'{{"schema": 1, "version": "1", "tag": "t", "python_version": "1", "repository": "r", "odd": {odd}}}'
        (tmp_path / "release.json").write_text(text, encoding="utf-8")
        with pytest.raises(CheckError, match=r"is no JSON: .* is no number|has text that cannot be written"):
            read_report(tmp_path)


def read(data: object) -> ReleaseReport:
    return read_json(json.dumps(data), "it", CheckError).filled(ReleaseReport, is_open=True)


def hostile_report() -> ReleaseReport:
    """A report in which every text is an attack."""
    digest = HOSTILE
    file = BuiltFile(
        name=HOSTILE,
        project=HOSTILE,
        kind=HOSTILE,
        size=1000,
        sha256=digest,
        target=HOSTILE,
        tags=(HOSTILE, f"py3-none-{HOSTILE}"),
        limit=2000,
        seconds=1.0,
        components=(Component(HOSTILE, 1000, digest, 500), Component("x/" + HOSTILE, 1, digest, 1)),
    )
    sdist = replace(file, target="", components=())
    step = Step(HOSTILE, 1.0, HOSTILE, HOSTILE)
    return ReleaseReport(
        version=HOSTILE,
        tag=HOSTILE,
        python_version=HOSTILE,
        repository=HOSTILE,
        build=BuildSection(HOSTILE, (file, sdist), 2.0, HOSTILE, HOSTILE, HOSTILE),
        publish=PublishSection(
            HOSTILE,
            HOSTILE,
            (PublishedFile(HOSTILE, digest, HOSTILE, 1.0, 1, HOSTILE),),
            (step,),
            1.0,
            problem=HOSTILE,
            finished=HOSTILE,
        ),
        rehearse=RehearseSection(HOSTILE, HOSTILE, (HOSTILE,), {HOSTILE: digest}, (step,), 1.0, HOSTILE),
        origins=(
            Origin(HOSTILE, (ArchiveOrigin(HOSTILE, HOSTILE, 1, digest),), HOSTILE, HOSTILE, HOSTILE),
            Origin("other", (), "verified", HOSTILE, HOSTILE),
        ),
        previous=Previous(HOSTILE, (replace(file, size=10, components=(Component("gone" + HOSTILE, 1),)),), HOSTILE),
    )


class TestPage:
    def test_loads_nothing_from_anywhere(self, dist: Path) -> None:
        built = read_report(dist)
        store(dist).record_publish(VERSION, published(built))
        found = parsed(dist)
        kinds = {tag for tag, _ in found.elements}
        assert not kinds & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "video", "audio"}
        for attribute in ("src", "srcset", "data", "action", "background", "poster"):
            assert not found.having(attribute), attribute
        links = [attrs["href"] for tag, attrs in found.elements if "href" in attrs and tag == "a"]
        assert len(links) == len(found.having("href"))
        assert sorted(filter(None, links)) == [
            "#files",
            f"https://github.com/openai/codex/releases/tag/{VERSION.tag}",
        ]
        text = (dist / "release.html").read_text(encoding="utf-8")
        assert "url(" not in text
        assert "@import" not in text
        (policy,) = [attrs["content"] for _, attrs in found.elements if "http-equiv" in attrs]
        assert policy == "default-src 'none'; style-src 'unsafe-inline'"

    def test_shows_a_hostile_name_as_text(self) -> None:
        text = page(hostile_report())
        found = Parsed(text)
        assert "<script" not in text
        assert "<img" not in text
        assert HOSTILE in found.text
        assert not any(name.startswith("on") for _, attrs in found.elements for name in attrs)
        (link,) = [each for each in found.having("href") if each != "#files"]
        assert link.startswith("https://github.com/")
        assert f'"{HOSTILE}"' not in text

    def test_names_no_class_and_no_variable_that_the_style_does_not_know(self) -> None:
        text = page(hostile_report())
        style = text[text.index("<style>") : text.index("</style>")]
        used = {word for value in Parsed(text).having("class") for word in value.split()}
        assert {each for each in used if f".{each}" not in style} == set()
        variables = set(re.findall(r"var\((--[a-z0-9]+)\)", style))
        for scheme in style.split(":root {")[1:]:
            block = scheme[: scheme.index("}")]
            assert variables - {"--mono"} <= set(re.findall(r"(--[a-z0-9]+):", block))

    def test_reads_well_without_eyes(self, dist: Path) -> None:
        found = parsed(dist)
        assert ("html", {"lang": "en"}) in found.elements
        ids = found.having("id")
        assert len(ids) == len(set(ids))
        assert set(found.having("aria-labelledby")) <= set(ids)
        assert {each.removeprefix("#") for each in found.having("href") if each.startswith("#")} <= set(ids)
        for tag, attrs in found.elements:
            if tag == "th":
                assert attrs.get("scope") in {"col", "row", "rowgroup"}
            if attrs.get("role") == "img":
                assert re.search(r"codex [\d.]+ k?B|everything else", attrs["aria-label"] or "")
        levels = [int(tag[1]) for tag, _ in found.elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))

    def test_bars_are_as_long_as_the_file_is_of_its_limit(self, dist: Path) -> None:
        built = read_report(dist).build
        assert built
        bars = [attrs for tag, attrs in parsed(dist).elements if attrs.get("role") == "img"]
        assert len(bars) == len(built.files)
        text = (dist / "release.html").read_text(encoding="utf-8")
        for file in built.files[:1]:
            bar = text[text.index(file.name) :]
            bar = bar[bar.index('role="img"') : bar.index("</div>", bar.index('role="img"'))]
            share = sum(float(width) for width in re.findall(r"width:([\d.]+)%", bar))
            assert share == pytest.approx(file.size / file.limit * 100, abs=0.1)

    def test_an_empty_report_is_a_page_too(self) -> None:
        found = Parsed(page(ReleaseReport("1.0.0", "rust-v1.0.0", "1.0.0", "o/c")))
        assert "Codex 1.0.0 in Python wheels" in found.text
        assert "Not published" in found.text

    def test_markup_is_escaped_once_and_texts_always(self) -> None:
        assert element("b", element("i", "<&>"), "<", title='"') == '<b title="&quot;"><i>&lt;&amp;&gt;</i>&lt;</b>'


class TestSummary:
    def test_shows_a_hostile_name_as_text(self) -> None:
        report = hostile_report()
        for summary in (build_summary(report), publish_summary(report), rehearse_summary(report)):
            bare = re.sub(r"`[^`\n]*`", "", re.sub(r"\\.", "", summary))
            assert not re.search(r"[<`\[]|&\w", bare)
            rows = [re.sub(r"\\.", "", line) for line in summary.splitlines() if line.startswith("|")]
            widths = [row.count("|") for row in rows]
            assert all(re.fullmatch(r"\| (.* \| )*.* \|", row) for row in rows)
            assert set(widths) <= {5, 7}

    def test_tells_every_step_and_every_file(self, dist: Path) -> None:
        built = read_report(dist)
        report = replace(
            built,
            publish=PublishSection.of(published(built, "failed"), "now"),
            rehearse=RehearseSection.of(rehearsed(built), "now"),
        )
        text = publish_summary(report)
        assert "failed in 3.5 s" in text
        assert "✗ the index is down\n" in text
        assert "| resolve | failed | 0.5 s | no wheel |" in text
        assert text.count("| uploaded | 1.5 s |") == 9
        assert "rehearsal passed in 1 min 01 s" in rehearse_summary(report)


def test_the_schema_is_documented_field_by_field() -> None:
    kinds = (ReleaseReport, BuildSection, BuiltFile, Component, Origin, PublishSection, RehearseSection, Step)
    for kind in (*kinds, SignedCode, PublishedFile, Previous):
        text = "".join(each.__doc__ or "" for each in kind.__mro__)
        for field in fields(kind):
            assert re.search(rf"\b{field.name}\b.*?: ", text), f"{kind.__name__}.{field.name}"


def test_prose_is_broken_between_words_where_there_is_room_for_a_line() -> None:
    """Only codes, remarks and narrow screens may break anywhere: it lets a table squeeze a column to a letter."""
    sheet = (resources.files("codex_release.report") / "page.css").read_text(encoding="utf-8")
    wide = sheet.partition("@media (max-width")[0]
    rules = dict(re.findall(r"^([^{}@]+?) \{([^{}]*)\}", wide, re.MULTILINE))
    anywhere = {each for selector, rule in rules.items() if "anywhere" in rule for each in selector.split(", ")}
    assert anywhere.isdisjoint({"th", "td", "tbody th", "td .word", "body", "p"})
    assert "code" in anywhere
    assert "overflow-wrap: break-word" in rules["th, td"]


@pytest.mark.parametrize(("count", "shown"), [(1, "1 runtime wheel"), (2, "2 runtime wheels")])
def test_one_thing_is_counted_as_one(count: int, shown: str) -> None:
    files = tuple(BuiltFile(f"{number}.whl", "codex-cli-bin", "wheel", 1, "", "a-target") for number in range(count))
    report = ReleaseReport("1.0.0", "rust-v1.0.0", "1.0.0", "o/r", build=BuildSection("", files))
    assert f">{shown}<" in page(report)
