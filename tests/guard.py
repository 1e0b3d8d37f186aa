"""A test without a mark that allows it finds no cache, no package index and no proxy that answers: a plugin of pytest.

It fails if it looks for another host, also where the program took that for a passing trouble.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from needs import OUTSIDE, needs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLOSED = "http://127.0.0.1:9"  # the port of a service that nobody runs any more (RFC 863)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_INDEXES = ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX_URL", "UV_INDEX")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with what its fixtures need, before pytest itself selects by marks."""
    for item in items:
        for mark in sorted(needs_of(item)):
            item.add_marker(mark)


class _Guard:
    """While a test is under guard, connections and look-ups of other hosts fail and are noted.

    An audit hook cannot be taken away again, so there is one for all tests.
    """

    def __init__(self) -> None:
        self.guarding = False
        self.reached: list[str] = []
        sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.guarding or event not in {"socket.connect", "socket.sendto", "socket.getaddrinfo"}:
            return
        host = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        if isinstance(host, tuple):
            host = host[0]
        elif event != "socket.getaddrinfo":
            return  # the address of a Unix domain socket
        if not _is_here(host):
            self.reached.append(f"{event} {host}")
            raise ConnectionRefusedError(f"this test has no mark that allows it to reach {host}")


def _is_here(host: str | bytes | None) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if not name or name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


_GUARD = _Guard()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Put a test and its fixtures under guard if nothing allows it more."""
    if any(item.get_closest_marker(mark) for mark in OUTSIDE):
        return (yield)
    before = dict(os.environ)
    nothing = str(item.config._tmp_path_factory.getbasetemp() / "nothing")  # type: ignore[attr-defined]
    os.environ.update(dict.fromkeys((*_PROXIES, *map(str.lower, _PROXIES)), _CLOSED))
    os.environ.update(NO_PROXY="localhost,127.0.0.1,::1", CODEX_RELEASE_CACHE=nothing, UV_CACHE_DIR=nothing)
    for name in _INDEXES:
        os.environ.pop(name, None)
    _GUARD.guarding = True
    try:
        return (yield)
    finally:
        _GUARD.guarding = False
        os.environ.clear()
        os.environ.update(before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Fail a test that looked for another host, also where the program took it for a passing trouble."""
    _GUARD.reached.clear()
    try:
        return (yield)
    finally:
        if _GUARD.reached:
            pytest.fail(f"without a mark that allows it, the test reached for: {', '.join(_GUARD.reached)}")
