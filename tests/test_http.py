"""Asking web servers: patience where it helps, an error at once where it does not, and no secret in any message."""

from __future__ import annotations

import contextlib
import email.utils
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from loopback import Files, Loopback, Reply, instead, silent, status, trickling, well
from recording import RecordedClock, RecordedProgress, connected, told

from codex_release.base.errors import DownloadError
from codex_release.base.http import HttpError, Web
from codex_release.base.patience import RetryPolicy
from codex_release.base.shown import shown_text, shown_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("directly")

NOW = 1_800_000_000
SECRET = "ghp_Jd83kSecretSecret"


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback(Files({"/value": b'{"value": 1}'})) as running:
        yield running


def test_an_answer_is_read_as_json(server: Loopback, web: Web, progress: RecordedProgress) -> None:
    assert web.json(f"{server.url}/value", {"Accept": "application/json"}) == {"value": 1}
    assert server.requests[0].headers["accept"] == "application/json"
    assert server.requests[0].headers["accept-encoding"] == "identity"
    assert progress.notes == []


def test_two_server_errors_then_a_good_answer(
    server: Loopback, web: Web, clock: RecordedClock, progress: RecordedProgress
) -> None:
    server.fail("/value", status(500), status(502))
    assert web.json(f"{server.url}/value") == {"value": 1}
    assert [exchange.status for exchange in server.exchanges] == [500, 502, 200]
    assert clock.slept == [0.5, 1.0]
    assert progress.notes == [
        f"{server.url}/value: status 500; trying again in 0.5 s",
        f"{server.url}/value: status 502; trying again in 1.0 s",
    ]


def test_patience_ends_with_one_error(server: Loopback, progress: RecordedProgress, clock: RecordedClock) -> None:
    server.fail("/value", *[status(503)] * 99)
    policy = RetryPolicy(attempts=8, max_delay_s=4.0)
    with connected(progress, policy, clock) as web, pytest.raises(HttpError) as caught:
        web.json(f"{server.url}/value")
    assert str(caught.value) == f"{server.url}/value: status 503, 8 times in a row"
    assert len(server.exchanges) == 8
    assert clock.slept == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 416, 304])
def test_a_refusal_is_not_asked_again(server: Loopback, web: Web, clock: RecordedClock, code: int) -> None:
    server.fail("/value", status(code))
    with pytest.raises(HttpError, match=f"/value answered {code} ") as caught:
        web.body(f"{server.url}/value")
    assert caught.value.status == code
    assert len(server.exchanges) == 1
    assert clock.slept == []


def test_a_connection_that_breaks_in_a_header_or_body_is_tried_again(
    server: Loopback, web: Web, progress: RecordedProgress
) -> None:
    server.fail("/value", instead(Reply(200, b'{"val', announced=12)), instead(Reply(200, b"", announced=5)))
    assert web.json(f"{server.url}/value") == {"value": 1}
    assert len(server.exchanges) == 3
    assert len(progress.notes) == 2


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize(
    "after", ["7", email.utils.formatdate(NOW + 7, usegmt=True), "Fri, 15 Jan 2027 09:00:07 +0100"]
)
def test_retry_after_is_honoured_as_seconds_and_as_a_date(
    server: Loopback, web: Web, clock: RecordedClock, progress: RecordedProgress, code: int, after: str
) -> None:
    server.fail("/value", status(code, {"Retry-After": after}))
    web.json(f"{server.url}/value")
    assert clock.slept == [7.0]
    assert progress.notes[0].endswith("; trying again in 7.0 s")


def test_a_date_that_has_passed_means_at_once(server: Loopback, web: Web, clock: RecordedClock) -> None:
    server.fail("/value", status(429, {"Retry-After": email.utils.formatdate(NOW - 3600, usegmt=True)}))
    web.json(f"{server.url}/value")
    assert clock.slept == [0.0]


@pytest.mark.parametrize("after", ["soon", "-5", "1.5", "Mon, 99 Foo 2026 99:99:99 GMT", ""])
def test_a_senseless_retry_after_is_ignored(server: Loopback, web: Web, clock: RecordedClock, after: str) -> None:
    server.fail("/value", status(429, {"Retry-After": after}))
    web.json(f"{server.url}/value")
    assert clock.slept == [0.5]


@pytest.mark.parametrize("code", [403, 429])
def test_githubs_rate_limit_is_waited_for_and_shown(
    server: Loopback, web: Web, clock: RecordedClock, progress: RecordedProgress, code: int
) -> None:
    limit = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW + 42)}
    server.fail("/value", status(code, limit))
    assert web.json(f"{server.url}/value") == {"value": 1}
    assert clock.slept == [43.0]
    assert progress.notes == [f"{server.url}/value: rate limit reached; trying again in 43.0 s"]


def test_a_refusal_with_calls_left_is_no_rate_limit(server: Loopback, web: Web) -> None:
    server.fail("/value", status(403, {"X-RateLimit-Remaining": "12", "X-RateLimit-Reset": str(NOW + 42)}))
    with pytest.raises(HttpError, match="answered 403"):
        web.json(f"{server.url}/value")


@pytest.mark.parametrize(
    ("headers", "moment"),
    [
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW + 3599)}, "2027-01-15 09:00:00 UTC"),
        ({"Retry-After": "3600"}, "2027-01-15 09:00:00 UTC"),
        ({"Retry-After": "9" * 400}, "further notice"),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 20}, "further notice"),
    ],
)
def test_a_wait_too_long_is_an_error_that_names_the_time(
    server: Loopback, web: Web, clock: RecordedClock, headers: dict[str, str], moment: str
) -> None:
    server.fail("/value", status(403, headers))
    with pytest.raises(HttpError) as caught:
        web.json(f"{server.url}/value")
    assert caught.value.what == f"{server.url}/value: rate limit reached until {moment}"
    assert caught.value.remedy == "run again then"
    assert "\n" not in str(caught.value)
    assert clock.slept == []


def test_nothing_is_tried_again_after_a_deadline(server: Loopback, progress: RecordedProgress) -> None:
    clock = RecordedClock()
    clock.monotonic = lambda: clock.now_s
    server.fail("/value", *[status(429, {"Retry-After": "50"})] * 3, *[status(503)] * 3)
    with connected(progress, RetryPolicy(), clock) as web:
        with (
            web.until(NOW + 119),
            pytest.raises(HttpError, match="rate limit reached until 2027-01-15 08:02:30 UTC; run again then"),
        ):
            web.json(f"{server.url}/value")
        assert clock.slept == [50.0, 50.0]
        with web.until(clock.now_s + 2), pytest.raises(HttpError, match="status 503, and no time is left") as caught:
            web.json(f"{server.url}/value")
        assert caught.value.status is None
        assert clock.slept == [50.0, 50.0, 0.5, 1.0]
        assert web.json(f"{server.url}/value") == {"value": 1}


def test_a_silent_server_is_given_up(server: Loopback, progress: RecordedProgress, clock: RecordedClock) -> None:
    server.fail("/value", silent, silent)
    policy = RetryPolicy(attempts=2, read_timeout_s=0.1)
    with connected(progress, policy, clock) as web, pytest.raises(HttpError, match=r"timed out, 2 times in a row"):
        web.json(f"{server.url}/value")
    assert len(server.exchanges) == 2


def test_a_small_answer_that_trickles_is_broken_off(server: Loopback, progress: RecordedProgress) -> None:
    server.fail("/value", trickling(1, 0.03))
    with connected(progress, RetryPolicy(stall_window_s=0.1, stall_rate=1000)) as web:
        assert web.json(f"{server.url}/value") == {"value": 1}
    assert len(server.exchanges) == 2
    assert re.search(r"only \d+ bytes in \d s; trying again", progress.notes[0])


def test_a_small_answer_has_its_time_however_steadily_it_drips(server: Loopback, progress: RecordedProgress) -> None:
    server.fail("/value", *[trickling(1, 0.03)] * 2)
    with (
        connected(progress, RetryPolicy(attempts=2, body_timeout_s=0.1)) as web,
        pytest.raises(HttpError, match=r"only \d+ bytes of a small answer in \d s, 2 times in a row"),
    ):
        web.json(f"{server.url}/value")


def test_an_endless_answer_is_not_read_into_memory(server: Loopback, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codex_release.base.http._MOST_BODY", 1000)
    server.fail("/value", instead(Reply(200, b" " * 1001)))
    with pytest.raises(HttpError, match="/value has more than 1000 bytes"):
        web.json(f"{server.url}/value")


@pytest.mark.parametrize("body", [b"", b"<html>Log in, please</html>", b'{"value": ', b"\xff\xfe\x00", b"[" * 100_000])
def test_what_is_not_json_is_an_error(server: Loopback, web: Web, body: bytes) -> None:
    server.fail("/value", instead(Reply(200, body)))
    with pytest.raises(HttpError, match=f"{server.url}/value did not answer JSON"):
        web.json(f"{server.url}/value")
    assert len(server.exchanges) == 1


def test_an_unknown_host_is_an_error_at_once(
    web: Web, clock: RecordedClock, monkeypatch: pytest.MonkeyPatch, unknown_hosts: list[str]
) -> None:
    with pytest.raises(HttpError) as caught:
        web.json("https://api.example.invalid/repos?secret=1")
    assert str(caught.value) == "api.example.invalid is unknown here (no network, or a proxy is needed)"
    assert caught.value.status is None
    assert unknown_hosts == ["api.example.invalid"]
    assert clock.slept == []


def test_it_is_the_unknown_host_of_a_redirect_that_is_named(
    server: Loopback, web: Web, unknown_hosts: list[str]
) -> None:
    server.fail("/value", instead(Reply(302, headers={"Location": "http://storage.example.invalid/x?sig=SIGNED"})))
    with pytest.raises(HttpError, match=r"^storage\.example\.invalid is unknown here") as caught:
        web.json(f"{server.url}/value")
    assert "SIGNED" not in told(caught.value)


def test_a_resolver_that_may_recover_is_asked_again(
    web: Web, clock: RecordedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(HttpError, match="Temporary failure in name resolution, 3 times in a row"):
        web.json("https://api.example.invalid/")
    assert len(clock.slept) == 2


def test_a_refused_connection_is_tried_again(web: Web, clock: RecordedClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(HttpError, match=r"3 times in a row"):
        web.json(f"http://127.0.0.1:{port}/")
    assert len(clock.slept) == 2


def test_a_certificate_nobody_vouches_for_is_an_error_at_once(
    tmp_path: Path, web: Web, clock: RecordedClock, certified: ssl.SSLContext
) -> None:
    with Loopback(Files({}), tls=certified) as server, pytest.raises(HttpError) as caught:
        web.json(f"{server.url}/value")
    assert "the certificate of 127.0.0.1 is not trusted: self" in caught.value.what
    assert str(caught.value).endswith(
        "; look whether this machine's clock is right, and name your CA file in SSL_CERT_FILE"
    )
    assert clock.slept == []
    assert server.exchanges == []


def test_a_certificate_of_the_environment_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: RecordedProgress, certified: ssl.SSLContext
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with Loopback(Files({"/value": b"1"}), tls=certified) as server, connected(progress) as web:
        assert web.json(f"{server.url}/value") == 1


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "certificates"),
        ("HTTPS_PROXY", f"http://user:{SECRET}#@proxy:3128", "proxy"),
        ("HTTPS_PROXY", f"gopher://user:{SECRET}@proxy:3128", "proxy"),
    ],
)
def test_settings_of_the_environment_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, progress: RecordedProgress, name: str, value: str, found: str
) -> None:
    for variable in list(os.environ):
        if variable.lower().endswith("_proxy"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv(name, value)
    with pytest.raises(HttpError, match=f"the {found}") as caught:
        _ = Web(progress).client
    assert name in str(caught.value)
    assert SECRET not in told(caught.value)


def test_redirects_in_a_circle_end(server: Loopback, web: Web) -> None:
    server.fail("/value", *[instead(Reply(302, headers={"Location": "/value?sig=SIGNED"}))] * 99)
    with pytest.raises(HttpError, match="redirects") as caught:
        web.json(f"{server.url}/value")
    assert "SIGNED" not in told(caught.value)


@pytest.mark.parametrize("fault", [status(404), status(500), silent])
def test_the_query_of_a_signed_address_is_in_no_message(
    server: Loopback, progress: RecordedProgress, clock: RecordedClock, fault: Callable[[Reply], Reply]
) -> None:
    server.fail("/value", *[fault] * 9)
    policy = RetryPolicy(attempts=2, read_timeout_s=0.1)
    with connected(progress, policy, clock) as web, pytest.raises(DownloadError) as caught:
        web.body(f"{server.url}/value?X-Amz-Signature={SECRET}#{SECRET}")
    assert SECRET in server.requests[0].query
    assert SECRET not in told(caught.value, progress)


def test_nor_is_it_in_what_the_http_library_complains_of(progress: RecordedProgress, clock: RecordedClock) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"cannot reach {request.url}", request=request)

    with httpx.Client(transport=httpx.MockTransport(fail)) as client:
        web = Web(progress, RetryPolicy(attempts=2), clock.clock, lambda _: client)
        with pytest.raises(HttpError) as caught:
            web.body(f"https://storage.example/x?sig={SECRET}")
    assert str(caught.value).startswith("https://storage.example/x: cannot reach https://storage.example/x, 2 times")
    assert SECRET not in "".join([str(caught.value), *progress.notes])


@pytest.mark.parametrize("token", [f"{SECRET}\n", f" {SECRET}", f"{SECRET}é", f"{SECRET}\x00"])
def test_a_token_with_strays_is_refused_and_not_shown(
    server: Loopback, web: Web, progress: RecordedProgress, token: str
) -> None:
    with pytest.raises(HttpError, match=r"the Authorization header for .* has characters") as caught:
        web.json(f"{server.url}/value", {"Authorization": token})
    assert caught.value.remedy is not None
    assert SECRET not in told(caught.value, progress)
    assert server.exchanges == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.invalid/x",
        "file:///etc/passwd",
        "example",
        "",
        "http://[::1",
        f"http://u:{SECRET}#@h/",
        "http://",
        "http://example.invalid:99999/",
        "http://example.invalid/\ud800",
    ],
)
def test_what_is_no_web_address_is_refused_at_once(web: Web, clock: RecordedClock, url: str) -> None:
    with pytest.raises(HttpError, match="is not an http or https URL") as caught:
        web.body(url)
    assert SECRET not in told(caught.value)
    assert clock.slept == []


def test_a_fault_is_for_one_request_only(server: Loopback, web: Web) -> None:
    server.fail("/value", well, status(404))
    assert web.body(f"{server.url}/value") == json.dumps({"value": 1}).encode()
    with pytest.raises(HttpError):
        web.body(f"{server.url}/value")
    assert web.json(f"{server.url}/value") == {"value": 1}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://user:{SECRET}@host.example:8443/a/b?sig={SECRET}#{SECRET}", "https://host.example:8443/a/b"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        (f"http://user:{SECRET}#@host/", "<invalid URL>"),
        ("https://host/a%2Fb", "https://host/a%2Fb"),
        ("host/a", "host/a"),
        (f"user:{SECRET}@host/a", "<invalid URL>"),
        (f"a?sig={SECRET}", "a"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_text_of_others_is_shown_without_what_may_be_secret() -> None:
    said = f'Get "https://host/asset?sp=r&sig={SECRET}":\n  dial tcp 10.0.0.1:443: i/o timeout (see https://docs/x#y)'
    assert shown_text(said) == 'Get "https://host/asset": dial tcp 10.0.0.1:443: i/o timeout (see https://docs/x'


@pytest.fixture
def unknown_hosts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A resolver that knows no name; the names it was asked for."""
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def fail(host: str, *args: Any, **options: Any) -> Any:
        if host == "127.0.0.1":
            return resolve(host, *args, **options)
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    return asked


@pytest.fixture
def certified(tmp_path: Path) -> ssl.SSLContext:
    """A server's TLS context with a certificate that it signed itself, ``certificate.pem``."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "this test makes a certificate with the openssl program: install it"
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 -batch"
    command += f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}"
    subprocess.run([openssl, *command.split()], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


# --- One clock


def dripping(begin: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """A server that begins an answer and then sends a little for ever, always in time for the next read."""

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.recv(65536)
            connection.sendall(begin)
            while True:
                time.sleep(0.05)
                connection.sendall(drop)

    return serve


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "begin", "drop"),
    [
        ("http", b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        ("http", b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;", b"x"),
        ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX: ", b"x"),
        ("https", b"\x16\x03\x03\x40\x00", b"\x02"),
    ],
    ids=["interim responses", "a header", "the size of a chunk", "a trailer", "a handshake"],
)
def test_no_server_holds_a_download_for_ever(scheme: str, begin: bytes, drop: bytes) -> None:
    policy = RetryPolicy(attempts=2, first_delay_s=0.01, connect_timeout_s=0.5, read_timeout_s=0.5)
    threads, begun = set(threading.enumerate()), time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serve = dripping(begin, drop)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/x"
        with (
            connected(RecordedProgress(), policy) as web,
            pytest.raises(HttpError, match=r"nothing of use for 1 s|handshake operation timed out"),
        ):
            web.body(url)
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()
    assert time.monotonic() - begun < 20
    while set(threading.enumerate()) - threads and time.monotonic() - begun < 20:
        time.sleep(0.05)  # the server's threads find out that nobody listens
    assert not set(threading.enumerate()) - threads
