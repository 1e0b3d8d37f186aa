"""Package indexes, as they answer: both forms of the simple API, how they are found, and what pip makes of them."""

from __future__ import annotations

import contextlib
import gzip
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urljoin

import pytest
from loopback import Loopback, Reply, Request, json_reply, status
from publishing import SmallRelease, Window, stage_window
from recording import Silent

from codex_release.base.errors import DiskError, DownloadError, PackageIndexError, UsageError
from codex_release.base.http import HttpError, Web
from codex_release.base.patience import RetryPolicy
from codex_release.base.worker import Worker
from codex_release.index import client, resolution
from codex_release.index.client import PackageIndex
from codex_release.index.configured import PipSettings, pip_settings
from codex_release.index.listing import ListedFile, parse_html, parse_json
from codex_release.index.repository import Repository, simple_index
from codex_release.index.resolution import Question, resolve
from codex_release.rehearse.local_index import LocalIndex

BASE = "https://index.example/simple/thing/"
SHA = "ab" * 32


@pytest.fixture
def web() -> Iterator[Web]:
    with contextlib.closing(Web(Silent(), RetryPolicy(attempts=2, first_delay_s=0.01))) as made:
        yield made


def page(*files: dict[str, object], version: str = "1.1") -> bytes:
    return json.dumps({"meta": {"api-version": version}, "name": "thing", "files": files}).encode()


# --- Listings


def test_a_file_in_json_says_everything() -> None:
    (file,) = parse_json(
        page(
            {
                "filename": "thing-1.0-py3-none-any.whl",
                "url": "../../files/thing-1.0-py3-none-any.whl",
                "hashes": {"sha256": SHA.upper(), "md5": "00"},
                "size": 12,
                "requires-python": ">=3.10",
                "core-metadata": {"sha256": SHA},
                "yanked": "it was bad",
                "provenance": "/provenance/1",
            }
        ),
        "thing",
        BASE,
    )
    assert file == ListedFile(
        name="thing-1.0-py3-none-any.whl",
        url="https://index.example/files/thing-1.0-py3-none-any.whl",
        sha256=SHA,
        size=12,
        requires_python=">=3.10",
        core_metadata=True,
        provenance="https://index.example/provenance/1",
        yanked="it was bad",
    )


def test_what_a_file_in_json_does_not_say_is_not_guessed() -> None:
    (file,) = parse_json(page({"filename": "a-1.tar.gz", "url": "a-1.tar.gz", "hashes": {"md5": "00"}}), "a", BASE)
    assert file == ListedFile("a-1.tar.gz", f"{BASE}a-1.tar.gz")


@pytest.mark.parametrize(
    ("said", "meant"), [(True, True), (False, False), ({}, True), ({"sha256": SHA}, True), (None, False)]
)
def test_core_metadata_is_a_truth_value_or_digests_under_either_name(said: object, meant: bool) -> None:
    for key in ("core-metadata", "dist-info-metadata"):
        (file,) = parse_json(page({"filename": "a", "url": "a", "hashes": {}, key: said}), "a", BASE)
        assert file.core_metadata is meant


@pytest.mark.parametrize(("said", "meant"), [(False, None), (True, ""), ("", None), ("why", "why"), (None, None)])
def test_yanked_is_a_truth_value_or_a_reason(said: object, meant: str | None) -> None:
    (file,) = parse_json(page({"filename": "a", "url": "a", "hashes": {}, "yanked": said}), "a", BASE)
    assert file.yanked == meant


HTML = f"""<!DOCTYPE html><html><head>
<meta name="pypi:repository-version" content="1.3"><base href="https://files.example/x/"></head><body>
<a href="../y/thing-1.0%2Blocal-py3-none-any.whl#sha256={SHA}" data-requires-python="&gt;=3.10"
   data-core-metadata="sha256={SHA}" data-provenance="p">thing</a>
<a href="thing-2.0.tar.gz#md5=00" data-yanked data-dist-info-metadata="false">thing</a>
<a name="top">no link</a>
</body></html>"""


def test_the_html_form_says_the_same() -> None:
    first, second = parse_html(HTML.encode(), "thing", BASE)
    assert first == ListedFile(
        name="thing-1.0+local-py3-none-any.whl",
        url="https://files.example/y/thing-1.0%2Blocal-py3-none-any.whl",
        sha256=SHA,
        requires_python=">=3.10",
        core_metadata=True,
        provenance="https://files.example/x/p",
    )
    assert second == ListedFile("thing-2.0.tar.gz", "https://files.example/x/thing-2.0.tar.gz", yanked="")


@pytest.mark.parametrize("size", [10**400, -1, True, "12", 1.5])
def test_a_size_that_is_none_is_not_believed(size: object) -> None:
    (file,) = parse_json(page({"filename": "a", "url": "a", "hashes": {}, "size": size}), "a", BASE)
    assert file.size is None


@pytest.mark.parametrize("link", ["http://127.0.0.1:99999/x", "http://127.0.0.1:abc/x", "\ud800"])
def test_a_link_that_leads_nowhere_is_an_error_of_one_line(link: str) -> None:
    """A port that is none, or half of a surrogate pair, which JSON can hold."""
    for more in ({"url": link}, {"url": "a", "provenance": link}):
        with pytest.raises(PackageIndexError, match=r"the listing of thing: files\[0\]\.\w+ is no URL"):
            parse_json(page({"filename": "a", "hashes": {}, **more}), "thing", BASE)
    if link.isascii():
        with pytest.raises(PackageIndexError, match="the listing of thing has a link that is none"):
            parse_html(f'<a href="{link}">thing-1.0.tar.gz</a>'.encode(), "thing", BASE)


def test_a_later_major_version_is_not_guessed_at() -> None:
    with pytest.raises(PackageIndexError, match=r"version 2\.0"):
        parse_json(page(version="2.0"), "thing", BASE)
    with pytest.raises(PackageIndexError, match=r"version 2\.0"):
        parse_html(HTML.replace("1.3", "2.0").encode(), "thing", BASE)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"meta": {"api-version": "1.0"}, "files": [1]}', b"\xff"])
def test_what_is_no_listing_is_an_error_of_one_line(body: bytes) -> None:
    with pytest.raises(PackageIndexError, match="the listing of thing"):
        parse_json(body, "thing", BASE)


@pytest.mark.parametrize(
    "junk",
    [
        "<a ",
        "<!--",
        "<!",
        "</",
        "<?",
        "<![CDATA[",
        '<a href="',
        "<a x=",
        "<script>",
        "<a b='",
        "<a/",
        "<a href=x ",
        " = ",
    ],
)
@pytest.mark.parametrize("before", ["", "<a ", '<a href="'])
def test_megabytes_of_junk_are_read_in_time_that_grows_with_their_length(before: str, junk: str) -> None:
    def seconds(count: int) -> float:
        begun = time.process_time()
        with contextlib.suppress(PackageIndexError):  # of scripts alone it is no listing
            parse_html((before + junk * (count // len(junk))).encode(), "thing", BASE)
        return time.process_time() - begun

    assert seconds(1_000_000) < 10  # a quadratic reader takes hours


LOGIN = '<html><title>Log in</title><a href="/forgot">Forgot it?</a><form><input name=p type="Password"></form></html>'
APPLICATION = (
    '<!doctype html><html><head><script src="/app.js"></script></head><body><div id="root"></div></body></html>'
)


@pytest.mark.parametrize("text", [LOGIN, APPLICATION])
def test_a_page_for_people_is_no_listing(text: str) -> None:
    with pytest.raises(PackageIndexError, match="the listing of thing is a page for people, no simple API; look"):
        parse_html(text.encode(), "thing", BASE)
    meta = '<meta name="pypi:repository-version" content="1.0">'
    assert [each.name for each in parse_html((text + meta).encode(), "thing", BASE)] in ([], ["forgot"])
    listed = parse_html(f'{text}<a href="thing-1.0.tar.gz">thing</a>'.encode(), "thing", BASE)
    assert listed[-1].name == "thing-1.0.tar.gz"
    assert parse_html(b"<html><title>Links for thing</title></html>", "thing", BASE) == []


def test_what_surrounds_the_links_of_a_page_is_passed_over() -> None:
    text = """<!-- <a href="no-1.0.tar.gz"> --> <script>"<a href='no-2.0.tar.gz'>"</script><STYLE></STYLE>
    <base href=/x/><br/><p a=1 b = '>' <a>text < more</a><A data-yanked HREF = yes-1.0.tar.gz >
    <a\thref='yes-2.0.tar.gz#sha256=&#49;' title="<a href=no>" href=no>yes</a> <a href="no-3.0.tar.gz" """
    first, second = parse_html(text.encode(), "thing", BASE)
    assert (first.name, first.yanked, second.name, second.yanked) == ("yes-1.0.tar.gz", "", "yes-2.0.tar.gz", None)
    assert second.url == urljoin(BASE, "/x/yes-2.0.tar.gz")


# --- Asking


def test_an_index_is_asked_for_the_normalized_name_afresh_and_in_both_forms(web: Web) -> None:
    replies = [
        json_reply(
            {"meta": {"api-version": "1.0"}, "files": []},
            headers={"Content-Type": "application/vnd.pypi.simple.v1+json"},
        ),
        Reply(200, HTML.encode(), {"Content-Type": "text/html; charset=utf-8"}),
    ]
    with Loopback(lambda _: replies.pop(0)) as server:
        index = PackageIndex(f"{server.url}/simple", web)
        assert index.listing("Some_Thing") == {}
        assert len(index.listing("some.thing")) == 2
        assert {each.path for each in server.requests} == {"/simple/some-thing/"}
        assert server.requests[0].headers["cache-control"] == "max-age=0"
        assert server.requests[0].headers["accept"].startswith("application/vnd.pypi.simple.v1+json")


def test_a_project_that_is_not_there_is_no_error_and_an_index_that_is_not_there_is(web: Web) -> None:
    with Loopback(lambda _: Reply(404, b"no")) as server:
        assert PackageIndex(server.url, web).listing("thing") == {}
        server.fail("/", status(500), status(500))
        with pytest.raises(HttpError, match="status 500"):
            PackageIndex(server.url, web).listing("thing")
    with pytest.raises(HttpError):
        PackageIndex(server.url, web).listing("thing")


def test_what_is_no_simple_api_is_said(web: Web) -> None:
    with (
        Loopback(lambda _: Reply(200, b"hello", {"Content-Type": "text/plain"})) as server,
        pytest.raises(PackageIndexError, match="text/plain, which is no simple API"),
    ):
        PackageIndex(server.url, web).listing("thing")
    for url in ("ftp://host/simple", "simple", "http://[", "http://host:port/"):
        with pytest.raises(PackageIndexError):
            PackageIndex(url, web)


def test_credentials_go_to_the_index_only_and_are_never_shown(web: Web) -> None:
    with Loopback(lambda _: Reply(200, b"x")) as files, Loopback(lambda _: Reply(404)) as server:
        index = PackageIndex(server.url.replace("//", "//me:s3cret%21@") + "/simple/", web)
        assert "s3cret" not in f"{index!r} {index.url} {index.page('thing')}"
        assert "s3cret" in index.full_url
        index.listing("thing")
        assert server.requests[0].headers["authorization"] == "Basic bWU6czNjcmV0IQ=="
        assert index.digest(f"{files.url}/thing.whl").size == 1
        assert "authorization" not in files.requests[0].headers
        server.fail("/", status(403))
        with pytest.raises(HttpError) as caught:
            index.listing("thing")
        assert "s3cret" not in str(caught.value)


def test_a_file_is_not_brought_where_its_name_leads(web: Web, tmp_path: Path) -> None:
    with Loopback(lambda _: Reply(200, b"x")) as server:
        index = PackageIndex(f"{server.url}/simple/", web)
        with pytest.raises(DownloadError, match=r"under the name '\.\./thing\.whl', which leads out of its directory"):
            index.download(ListedFile("../thing.whl", f"{server.url}/thing.whl", None), tmp_path / "here")
    assert list(tmp_path.iterdir()) == []
    assert server.requests == []


@pytest.mark.parametrize("size", [1000, None])
def test_a_file_that_is_longer_than_it_may_be_is_not_brought_to_its_end(
    web: Web, tmp_path: Path, size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than it is listed, or than any file is."""
    monkeypatch.setattr("codex_release.index.client.MOST_FILE", 2000)
    with Loopback(lambda _: Reply(200, b"x" * 1_000_000, piece=500)) as server:
        index, url = PackageIndex(f"{server.url}/simple/", web), f"{server.url}/files/thing.whl"
        with pytest.raises(HttpError, match=rf"^thing\.whl at {url} has more than {size or 2000} bytes"):
            index.download(ListedFile("thing.whl", url, size=size), tmp_path)
        assert (tmp_path / "thing.whl").stat().st_size <= (size or 2000)
        monkeypatch.setattr("codex_release.base.http.MOST_FILE", 1000)
        with pytest.raises(HttpError, match=f"{url} has more than 1000 bytes"):
            index.digest(url)


def test_a_file_is_what_is_sent_whatever_encoding_is_declared(web: Web, tmp_path: Path) -> None:
    """A little of gzip is a lot when it is unpacked, and not what was listed."""
    packed = gzip.compress(b"x" * 100_000)
    with Loopback(lambda _: Reply(200, packed, {"Content-Encoding": "gzip"})) as server:
        index = PackageIndex(f"{server.url}/simple/", web)
        path = index.download(ListedFile("thing.whl", f"{server.url}/thing.whl", size=len(packed)), tmp_path)
        assert path.read_bytes() == packed
        assert index.digest(f"{server.url}/thing.whl").size == len(packed)


def test_a_file_that_cannot_be_written_is_named(web: Web, tmp_path: Path) -> None:
    (tmp_path / "thing.whl").mkdir()
    with (
        Loopback(lambda _: Reply(200, b"x")) as server,
        pytest.raises(DiskError, match=r"thing\.whl cannot be written: .*; make room there"),
    ):
        PackageIndex(f"{server.url}/simple/", web).download(
            ListedFile("thing.whl", f"{server.url}/thing.whl"), tmp_path
        )


def test_a_netrc_file_has_credentials_too(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pw\n", encoding="utf-8")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "netrc").rename(tmp_path / ".netrc")
    with Loopback(lambda _: Reply(404)) as server:
        PackageIndex(server.url, web).listing("thing")
        assert server.requests[0].headers["authorization"] == "Basic bWU6cHc="
        (tmp_path / ".netrc").write_bytes(b"machine 127.0.0.1 login m\xe9 password pw\n")
        PackageIndex(server.url, web).listing("thing")
        if sys.version_info >= (3, 11):  # before, the system's encoding may have that
            assert "authorization" not in server.requests[1].headers


@pytest.mark.parametrize(
    ("system", "names", "sent"),
    [
        ("win32", ["_netrc"], "Basic X25ldHJjOnB3"),
        ("win32", ["_netrc", ".netrc"], "Basic Lm5ldHJjOnB3"),
        ("win32", [], None),
        ("linux", ["_netrc"], None),
    ],
)
def test_windows_has_another_name_for_a_netrc_file(
    system: str, names: list[str], sent: str | None, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pip finds it: who has both has the one with the dot."""
    monkeypatch.setattr(client, "sys", SimpleNamespace(platform=system))
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    for name in names:
        (tmp_path / name).write_text(f"machine 127.0.0.1 login {name} password pw\n", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    with Loopback(lambda _: Reply(404)) as server:
        PackageIndex(server.url, web).listing("thing")
        assert server.requests[0].headers.get("authorization") == sent


# --- Which index


@pytest.fixture
def pip_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pip configuration of one's own."""
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    for name in ("PIP_INDEX_URL", "PIP_CERT", "PIP_PROXY", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "pip.conf"


def test_pips_index_is_the_one_that_install_would_use(pip_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip_home.write_text(
        "[global]\nindex-url = https://a.example/simple\nproxy = http://p.example\n"
        "[install]\nindex-url = https://u:pw@b.example/simple\n[search]\nindex-url = https://c.example/\n",
        encoding="utf-8",
    )
    settings = pip_settings()
    assert settings.first_index("thing") == "https://u:pw@b.example/simple"
    assert settings.transport["proxy"] == "http://p.example"
    assert "pw" not in repr(settings)
    monkeypatch.setenv("PIP_INDEX_URL", "https://d.example/simple")
    assert pip_settings().first_index("thing") == "https://d.example/simple"


def settings_below(directory: Path, index_url: str) -> None:
    """A file of pip's in one of the directories of ``XDG_CONFIG_DIRS``."""
    (directory / "pip").mkdir(parents=True)
    (directory / "pip" / "pip.conf").write_text(f"[global]\nindex-url = {index_url}\n", encoding="utf-8")


@pytest.mark.parametrize("spelling", ["index-url", "index_url", "--index-url"])
def test_of_a_setting_in_several_files_the_one_that_pip_takes_counts(
    spelling: str, pip_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_home.write_text(f"[global]\n{spelling} = https://a.example/simple\n", encoding="utf-8")
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "z"))  # of the names, the last; of the files, an earlier one
    settings_below(tmp_path / "z", "https://z.example/simple")
    assert pip_settings().index_url == "https://a.example/simple"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no XDG_CONFIG_DIRS")
def test_a_file_of_pip_may_lie_below_any_name(pip_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip_home.touch()
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"{tmp_path / 'zz'}:{tmp_path / 'Größe'}")
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    settings_below(tmp_path / "zz", "https://zz.example/simple")
    settings_below(tmp_path / "Größe", "https://later.example/simple")
    assert pip_settings().index_url == "https://later.example/simple"


def test_left_to_itself_pip_says_where_it_looks() -> None:
    """Whatever that is here: no name of an index stands in this project."""
    assert PipSettings().first_index("codex-cli-bin").startswith("https://")


def test_an_address_to_upload_to_that_is_none_is_refused_with_who_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / ".pypirc").write_text("[ours]\nrepository = http://u:s3cret@x:bad/\n", encoding="utf-8")
    asked: list[tuple[str | None, str | None, dict[str, str], str]] = [
        ("ours", None, {}, "the repository 'ours' in .pypirc"),
        (None, "http://u:s3cret@x:bad/", {}, "--repository-url"),
        (None, None, {"TWINE_REPOSITORY_URL": "http://u:s3cret@[::1"}, "TWINE_REPOSITORY_URL"),
    ]
    for name, url, environ, where in asked:
        with pytest.raises(UsageError, match=f"^{where} is .* no address to upload to; name an http") as caught:
            Repository.read(name, url, environ)
        assert "s3cret" not in str(caught.value)


def test_a_repository_is_resolved_as_twine_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / ".pypirc").write_text(
        "[distutils]\nindex-servers = ours\n[ours]\nrepository = https://u:pw@ours.example/up/\npassword = s3cret\n",
        encoding="utf-8",
    )
    assert Repository.read(None, None, {}) == Repository("pypi")
    ours = Repository.read("ours", None, {})
    assert ours.words == ("--repository", "ours")
    assert str(ours) == "https://ours.example/up/"
    assert "pw" not in repr(ours)
    assert Repository.read(None, None, {"TWINE_REPOSITORY": "ours"}).url == ours.url
    direct = Repository.read("ours", "https://x.example/", {})
    assert (direct.url, direct.words[-1]) == ("https://x.example/", "https://x.example/")
    assert Repository.read(None, None, {"TWINE_REPOSITORY_URL": "https://y.example/"}).url == "https://y.example/"
    (tmp_path / ".pypirc").write_text("password = s3cret\n", encoding="utf-8")
    assert Repository.read("ours", "https://x.example/", {}).url == "https://x.example/"  # nothing is looked up then
    with pytest.raises(UsageError) as caught:
        Repository.read("ours", None, {})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("upload", "simple"),
    [
        ("/root/rel/", "/root/rel/+simple/"),
        ("/repository/a", "/repository/a/simple/"),
        ("/legacy/", "/simple/"),
        ("/", "/simple/"),
    ],
)
def test_the_simple_api_is_found_where_servers_have_it(web: Web, upload: str, simple: str) -> None:
    def app(request: Request) -> Reply:
        return Reply(200, b"<html>", {"Content-Type": "text/html"}) if request.path == simple else Reply(404)

    with Loopback(app) as server:
        repository = Repository("x", f"{server.url}{upload}")
        assert simple_index(repository, None, web, "thing").url == f"{server.url}{simple}"
        assert simple_index(repository, f"{server.url}/other", web, "thing").url == f"{server.url}/other/"


def test_an_application_that_answers_everything_is_not_taken_for_the_simple_api(web: Web) -> None:
    """It is asked first, and says 200 and HTML to whatever it does not know."""

    def app(request: Request) -> Reply:
        if request.path.startswith("/up/simple/"):
            return Reply(200, HTML.encode(), {"Content-Type": "text/html"})
        return Reply(200, APPLICATION.encode(), {"Content-Type": "text/html"})

    with Loopback(app) as server:
        assert simple_index(Repository("x", f"{server.url}/up/"), None, web, "thing").url == f"{server.url}/up/simple/"
        with pytest.raises(PackageIndexError, match="--index-url"):
            simple_index(Repository("x", f"{server.url}/elsewhere/"), None, web, "thing")


def test_an_index_that_cannot_be_found_has_to_be_named(web: Web) -> None:
    with Loopback(lambda _: Reply(404)) as server:
        for repository in (Repository("x", f"{server.url}/up"), Repository("x")):
            with pytest.raises(PackageIndexError, match="--index-url"):
                simple_index(repository, None, web, "thing")


# --- What pip would install


@pytest.fixture(scope="module")
def shown(devpi: LocalIndex, small_release: SmallRelease) -> Iterator[Window]:
    with stage_window(devpi, "resolved", small_release) as made:
        for name in small_release.runtime:
            made.seed(name)
        yield made


RUNTIME = ("codex-cli-bin==0.169.0",)


def test_pip_finds_the_wheel_of_each_platform_and_says_its_digest(shown: Window) -> None:
    platforms = {
        "manylinux_2_17_x86_64": "codex_cli_bin-0.169.0-py3-none-manylinux2014_x86_64",
        "musllinux_1_1_aarch64": "codex_cli_bin-0.169.0-py3-none-manylinux2014_aarch64",
        "macosx_14_0_arm64": "codex_cli_bin-0.169.0-py3-none-macosx_11_0_arm64",
        "win_arm64": "codex_cli_bin-0.169.0-py3-none-win_arm64",
    }
    questions = [Question(RUNTIME, (platform,), python) for platform in platforms for python in ("3.10", "3.15")]
    with shown.inventory() as inventory:
        answers = resolve(inventory.index, questions)
        listing = inventory.index.listing("codex-cli-bin")
    assert len(answers) == 8
    for answer in answers:
        found = answer.file("codex_cli_bin")
        assert found is not None
        assert found.name.startswith(platforms[answer.question.platforms[0]])
        assert (found.sha256, found.version) == (listing[found.name].sha256, "0.169.0")
    # devpi serves the metadata beside the wheel (PEP 658): no wheel was transferred.
    assert not [path for path, _, _ in shown.proxy.looks if path.endswith(".whl")]


def test_pip_prefers_the_wheel_with_everything_where_it_runs(shown: Window) -> None:
    host = ("manylinux_2_18_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
    with shown.inventory() as inventory:
        (answer,) = resolve(inventory.index, [Question(RUNTIME, host, "3.12")])
    assert answer.files[0].name.endswith("-manylinux_2_18_aarch64.whl")


def test_pips_reason_is_given_where_it_finds_nothing(shown: Window) -> None:
    questions = [
        Question(RUNTIME, ("linux_armv7l",), "3.12"),
        Question(RUNTIME, ("win_amd64",), "3.9"),
        Question(("codex-app-server-sdk==0.169.0",), ("win_amd64",), "3.12"),
    ]
    with shown.inventory() as inventory:
        answers = resolve(inventory.index, questions)
    assert [answer.files for answer in answers] == [()] * 3
    assert "No matching distribution" in answers[0].reason
    assert "No matching distribution" in answers[2].reason


def test_pips_other_sources_are_left_out(
    shown: Window, small_release: SmallRelease, monkeypatch: pytest.MonkeyPatch, pip_home: Path
) -> None:
    pip_home.write_text(
        f"[global]\nfind-links = {small_release.dist}\nextra-index-url = {shown.direct_url}\n", encoding="utf-8"
    )
    monkeypatch.setenv("PIP_FIND_LINKS", str(small_release.dist))
    with Loopback(lambda _: Reply(404)) as empty, shown.inventory(empty.url) as inventory:
        (answer,) = resolve(inventory.index, [Question(RUNTIME, ("win_amd64",), "3.12")])
    assert answer.files == ()


def test_a_pip_that_cannot_report_is_told_apart_from_one_that_finds_nothing(tmp_path: Path) -> None:
    ran = {"code": 2, "said": "Usage: pip\n\nno such option: --report\n"}
    with pytest.raises(PackageIndexError, match="what it would install: no such option: --report; give the tool"):
        resolution._resolution(Question(RUNTIME, ("win_amd64",), "3.12"), ran, tmp_path / "report.json")


def test_a_pip_that_breaks_is_no_answer(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "ask", lambda *_: {"broke": "ImportError: pip is half there"})
    with pytest.raises(PackageIndexError, match="pip cannot be asked about http://x/: ImportError: pip is half there"):
        resolve(PackageIndex("http://x/", web), [Question(RUNTIME, ("win_amd64",), "3.12")])


def test_without_metadata_beside_it_pip_reads_the_wheel(small_release: SmallRelease, web: Web) -> None:
    """On a server that answers no ranges either, pip downloads it."""
    name = small_release.runtime[-1]
    data = (small_release.dist / name).read_bytes()

    def app(request: Request) -> Reply:
        if request.path.endswith(".whl"):
            return Reply(200, data)
        return Reply(200, f"<a href='/{name}'>{name}</a>".encode(), {"Content-Type": "text/html"})

    with Loopback(app) as server:
        (answer,) = resolve(PackageIndex(f"{server.url}/simple/", web), [Question(RUNTIME, ("win_arm64",), "3.12")])
        assert server.asked(f"/{name}")
    assert [each.name for each in answer.files] == [name]
