"""Asking web servers, patiently: retries with backoff and jitter, rate limits, and messages without secrets.

Connection errors, 429 and 5xx are tried again; ``Retry-After`` (RFC 9110) and GitHub's rate-limit reset say how long
to wait, and the wait is shown. Proxies and CA settings come from the environment, as httpx reads it.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import socket
import ssl
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from codex_release.base.digests import FileDigest, digested
from codex_release.base.errors import DownloadError
from codex_release.base.once import made_once
from codex_release.base.patience import Clock, RetryPolicy, TransientError, asked_wait, moment
from codex_release.base.shown import is_web_url, shown_text, shown_url
from codex_release.base.watch import watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import httpx

    from codex_release.base.progress import Progress

__all__ = ["MOST_FILE", "HttpError", "Web", "WebAnswer"]

T = TypeVar("T")

_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_UNKNOWN_HOST = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME), socket.EAI_FAIL})
"""What a resolver says of a name that does not exist; ``EAI_AGAIN`` is not among them, it may pass."""
_HEADER_VALUE = re.compile(r"[!-~](?:[\t -~]*[!-~])?")
_MOST_BODY = 32 << 20
"""The largest answer that is read into memory, in bytes; archives go another way."""
MOST_FILE = 2 << 30
"""The largest file that is downloaded where nobody says its size, in bytes: GitHub takes no larger one either."""


@dataclass(frozen=True)
class WebAnswer:
    """A small body.

    Attributes:
        body: its bytes.
        media_type: what it is, in lower case and without parameters; empty if the server does not say.
        url: where it came from in the end.
    """

    body: bytes
    media_type: str
    url: str = field(repr=False)


class HttpError(DownloadError):
    """A server refused for good.

    Attributes:
        status: the HTTP status, or `None` if there was no answer.
    """

    def __init__(self, what: str, *, status: int | None = None, remedy: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.status = status


class Web:
    """An HTTP client with a retry policy; safe to use from many threads.

    It is made when it is first used: reading certificates takes a tenth of a second, and many builds ask nobody.

    Args:
        progress: where waits and retries are shown.
        policy: the timeouts, and how often to try.
        clock: the time.
        connect: makes the client; from the environment's proxies and certificates if not given.
    """

    def __init__(
        self,
        progress: Progress,
        policy: RetryPolicy | None = None,
        clock: Clock | None = None,
        connect: Callable[[RetryPolicy], httpx.Client] | None = None,
    ) -> None:
        self.progress = progress
        self.policy = policy or RetryPolicy()
        self.clock = clock or Clock()
        self._connect = connect or _connect
        self._heard = threading.local()  # a thread reads one body at a time
        self._deadline = math.inf

    @made_once
    def client(self) -> httpx.Client:
        """The client.

        Raises:
            HttpError: if the environment's settings cannot be used.
        """
        return self._connect(self.policy)

    def close(self) -> None:
        """Close the connections, if there are any."""
        if "client" in vars(self):
            self.client.close()

    @contextlib.contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Let nothing inside the block be tried again after a moment of the clock's `monotonic`, in no thread."""
        self._deadline = deadline
        try:
            yield
        finally:
            self._deadline = math.inf

    def json(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON value behind a URL.

        Raises:
            HttpError: if the server refuses, cannot be reached, or answers something else.
        """
        body = self.body(url, headers)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise HttpError(f"{shown_url(url)} did not answer JSON: {error}", status=200) from error

    def body(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The small body behind a URL.

        Raises:
            HttpError: if the server refuses, cannot be reached, or does not come to an end.
        """
        return self.answer(url, headers).body

    def answer(self, url: str, headers: Mapping[str, str] | None = None) -> WebAnswer:
        """The small body behind a URL, with what its headers say it is.

        Raises:
            HttpError: if the server refuses, cannot be reached, or does not come to an end.
        """

        def read(response: httpx.Response) -> WebAnswer:
            body, begun = bytearray(), self.clock.monotonic()
            for chunk in self.bounded(shown_url(url), response.iter_bytes(), _MOST_BODY):
                body += chunk
                if (elapsed := self.clock.monotonic() - begun) > self.policy.body_timeout_s:
                    raise TransientError(f"only {len(body)} bytes of a small answer in {elapsed:.0f} s")
            media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            return WebAnswer(bytes(body), media_type, str(response.url))

        return self._read(url, headers, read)

    def digest(self, url: str, headers: Mapping[str, str]) -> FileDigest:
        """What the file behind a URL is, as it is sent; nothing of it is kept.

        Raises:
            HttpError: if the server refuses, cannot be reached, or sends more than `MOST_FILE` bytes.
        """
        return self._read(
            url, headers, lambda response: digested(self.bounded(shown_url(url), response.iter_raw(), MOST_FILE))
        )

    @contextlib.contextmanager
    def stream(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """One try at a GET; the answer is good (2xx, or 416 for a range) when the block begins.

        Raises:
            TransientError: if another try may help; also for a connection that breaks inside the block.
            HttpError: if none can.
        """
        import httpx  # a tenth of a second, which no command takes that finds all it needs on this machine

        if not is_web_url(url):  # the HTTP library fails in more than one way then
            raise HttpError(f"{shown_url(url)} is not an http or https URL")
        for name, value in headers.items():
            if not _HEADER_VALUE.fullmatch(value):  # the HTTP library would quote it in its complaint
                raise HttpError(
                    f"the {name} header for {shown_url(url)} has characters that HTTP does not allow",
                    remedy="look for spaces, line ends and other stray characters in the token or password",
                )
        line, patience_s = _Line(), self.policy.connect_timeout_s + self.policy.read_timeout_s
        try:
            with (
                contextlib.closing(line),
                watching(patience_s, line.cut) as watch,
                self.client.stream("GET", url, headers=dict(headers), extensions={"trace": line.trace}) as response,
            ):
                self._heard.event = watch.heard
                watch.heard.set()
                unsatisfiable = response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
                if not (response.is_success or (unsatisfiable and "Range" in headers)):
                    self._refuse(response)
                yield response
        except httpx.TransportError as error:
            if not line.is_cut:
                raise _broken(url, error) from error
        except httpx.InvalidURL:
            # Not chained: the text may hold a part of a password that stands in the URL.
            raise HttpError(f"{shown_url(url)} is not an http or https URL") from None
        except (httpx.TooManyRedirects, httpx.DecodingError) as error:
            raise HttpError(f"{shown_url(url)}: {shown_text(str(error))}") from error
        if line.is_cut:  # which may have looked like the end of the body
            raise TransientError(f"nothing of use for {patience_s:.0f} s")

    def watched(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks of a body as they arrive; one that only trickles is broken off, one that is slow is not.

        Raises:
            TransientError: if less than the policy's rate arrived over its time.
        """
        since, count = self.clock.monotonic(), 0
        for chunk in chunks:
            self._heard.event.set()
            count += len(chunk)
            elapsed = self.clock.monotonic() - since
            if elapsed >= self.policy.stall_window_s:
                if count < self.policy.stall_rate * elapsed:
                    raise TransientError(f"only {count} bytes in {elapsed:.0f} s")
                since, count = self.clock.monotonic(), 0
            yield chunk

    def bounded(self, what: str, chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
        """The chunks of a body, `watched`, up to so many bytes: an endless one would fill memory or disk.

        Args:
            what: what messages call it.
            chunks: the body as it arrives.
            most: how many bytes it may have.

        Raises:
            TransientError: as `watched` does.
            HttpError: if there are more.
        """
        count = 0
        for chunk in self.watched(chunks):
            count += len(chunk)
            if count > most:
                raise HttpError(f"{what} has more than {most} bytes", status=HTTPStatus.OK)
            yield chunk

    def retrying(self, url: str, operation: Callable[[], T], policy: RetryPolicy | None = None) -> T:
        """Run `operation` until it succeeds or patience ends.

        Args:
            url: what it is about, for messages.
            operation: raises `TransientError` when another try may help.
            policy: how often to try, if not as usual.

        Raises:
            HttpError: with the last failure; it names the time if the server asks for a longer wait than there is.
        """
        policy = policy or self.policy
        failures = 0
        while True:
            try:
                return operation()
            except TransientError as error:
                failures = 1 if error.progressed else failures + 1
                if failures >= policy.attempts:
                    raise HttpError(f"{shown_url(url)}: {error}, {failures} times in a row") from error
                delay = error.wait_s if error.wait_s is not None else policy.delay_s(failures, self.clock.chance)
                left = self._deadline - self.clock.monotonic()
                if error.wait_s is None and delay > left:
                    raise HttpError(f"{shown_url(url)}: {error}, and no time is left") from error
                if delay > min(policy.max_wait_s, left):
                    raise HttpError(
                        f"{shown_url(url)}: {error} until {moment(self.clock.now() + delay)}",
                        status=HTTPStatus.TOO_MANY_REQUESTS,
                        remedy="run again then",
                    ) from error
                self.progress.note(f"{shown_url(url)}: {error}; trying again in {delay:.1f} s")
                self.clock.sleep(delay)

    def _read(self, url: str, headers: Mapping[str, str] | None, take: Callable[[httpx.Response], T]) -> T:
        """What is made of an answer and its body, from the beginning in each try."""

        def attempt() -> T:
            with self.stream(url, headers or {}) as response:
                return take(response)

        return self.retrying(url, attempt)

    def _refuse(self, response: httpx.Response) -> None:
        status = response.status_code
        limited = status == HTTPStatus.FORBIDDEN and (
            response.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in response.headers
        )
        if limited or status in _RETRIED:
            what = "rate limit reached" if limited or status == HTTPStatus.TOO_MANY_REQUESTS else f"status {status}"
            raise TransientError(what, wait_s=asked_wait(response.headers, self.clock.now()))
        raise HttpError(f"{shown_url(str(response.url))} answered {status} {response.reason_phrase}", status=status)


class _Line:
    """The connection of one try, to be cut from another thread.

    The HTTP library's timeouts hold for one read each; interim responses, a header or the size of a chunk that come a
    byte at a time begin them anew for ever, and so may a TLS handshake.

    Attributes:
        is_cut: whether it was.
    """

    def __init__(self) -> None:
        self.is_cut = False
        self._socket: socket.socket | None = None

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """What the HTTP library tells while it works; a redirect may lead to another connection."""
        if event == "connection.connect_tcp.complete":
            self.close()
            # A copy: TLS takes the original over.
            self._socket = info["return_value"].get_extra_info("socket").dup()
            if self.is_cut:
                self.cut()

    def cut(self) -> None:
        """Whoever reads from it finds its end."""
        self.is_cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the copy back."""
        if self._socket is not None:
            self._socket.close()


def _connect(policy: RetryPolicy) -> httpx.Client:
    """A client with the timeouts of the policy and the environment's proxies and certificates."""
    import httpx

    try:
        return httpx.Client(
            verify=httpx.create_ssl_context(),  # once; httpx would read all certificates again for each proxy
            follow_redirects=True,  # httpx drops the Authorization header when the host changes
            timeout=httpx.Timeout(policy.read_timeout_s, connect=policy.connect_timeout_s),
            limits=httpx.Limits(max_keepalive_connections=0),  # a connection for each try, which can be cut
            headers={"User-Agent": "codex-release", "Accept-Encoding": "identity"},
        )
    except OSError as error:
        raise HttpError(
            f"the certificates that the environment names cannot be read: {error}",
            remedy="look at SSL_CERT_FILE and SSL_CERT_DIR",
        ) from error
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        # Not chained: the text may hold a part of the proxy's password.
        raise HttpError(
            f"the proxy that the environment names cannot be used ({type(error).__name__})",
            remedy="look at HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY",
        ) from None


def _broken(url: str, error: httpx.TransportError) -> Exception:
    """What a failed connection means: some failures no patience can mend."""
    import httpx

    if isinstance(error, httpx.UnsupportedProtocol):
        return HttpError(f"{shown_url(url)} is not an http or https URL")
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror) and cause.errno in _UNKNOWN_HOST:
            return HttpError(f"{error.request.url.host} is unknown here (no network, or a proxy is needed)")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return HttpError(
                f"the certificate of {error.request.url.host} is not trusted: {cause.verify_message}",
                remedy="look whether this machine's clock is right, and name your CA file in SSL_CERT_FILE",
            )
    return TransientError(shown_text(str(error)) or type(error).__name__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that led to it."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
