"""The address of an app-server: `AppServerConfig.url`, read once."""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Address"]

_PORTS = {"ws": 80, "wss": 443}
_FORMS = "ws://HOST:PORT, wss://HOST:PORT or unix:///PATH"


class Address(NamedTuple):
    """An address, in parts.

    Attributes:
        url: the whole address.
        host: the host; empty for a socket in the file system.
        port: the port; for a server that is started, 0 is any free one.
        path: the path of the socket in the file system; empty for a host.
        is_secure: whether the connection uses TLS.
    """

    url: str
    host: str = ""
    port: int = 0
    path: str = ""
    is_secure: bool = False

    @classmethod
    def read(cls, url: str) -> Address:
        """Read a URL.

        Raises:
            ValueError: if it has none of the forms of an app-server's address.
        """
        # What is refused is not shown: there may be a secret in it.
        scheme, _, path = url.partition("://")
        if scheme == "unix" and path.startswith("/"):
            if not hasattr(socket, "AF_UNIX"):
                raise ValueError("url: Python has no sockets in the file system on this system; use ws://127.0.0.1")
            return cls(url, path=path)  # as it is written: the server decodes nothing in it
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError(f"url: it is not of the form {_FORMS}") from None
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError(
                "url: it has a name, a password, a query or a fragment in it; what proves who you are is `token`"
            )
        try:
            port = parts.port
        except ValueError as error:
            raise ValueError(f"url: {url!r} is not of the form {_FORMS}: {error}") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"url: {url!r} is not of the form {_FORMS}")
        port = _PORTS[parts.scheme] if port is None else port
        return cls(url, parts.hostname, port, is_secure=parts.scheme == "wss")

    @property
    def is_of_this_machine(self) -> bool:
        """Whether nobody on another machine can reach it."""
        if self.path or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name
            return False

    @property
    def websocket_url(self) -> str:
        """The URL for the handshake, which has to name a host also for a socket in the file system."""
        return "ws://localhost/" if self.path else self.url

    def warning(self, *, has_token: bool) -> str | None:
        """A warning about how a server let this client in; None if there is nothing to warn of."""
        if self.path:  # its permissions say who may
            return None
        if not has_token:
            who = "every user of this machine" if self.is_of_this_machine else "everybody who can reach it"
            return (
                f"{self.url} lets anybody in: {who} may run commands there; start it with --ws-auth, and pass `token`"
            )
        if not self.is_secure and not self.is_of_this_machine:
            return f"{self.url} is not encrypted: whoever listens on the way can read the token; use wss://"
        return None
