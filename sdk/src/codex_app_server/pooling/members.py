"""What a pool was told, checked; and what it tells of its runtimes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from codex_app_server.config import AppServerConfig
from codex_app_server.pooling.desk import Desk, Member
from codex_app_server.pooling.homes import Homes, distinct, named_home
from codex_app_server.timeouts import check_count, seconds

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from codex_app_server.inputs import RunInput
    from codex_app_server.mapping.plan import Plan

__all__ = ["PoolMember", "PoolOptions"]

_SIZE = 2


@dataclass(frozen=True)
class PoolMember:
    """How one runtime of a pool is.

    Attributes:
        name: what it is called; for a tenant's, the tenant.
        tenant: whose it is; None if it is for all.
        home: its ``CODEX_HOME``; None until it is made.
        clients: how many use it.
        is_running: whether there is a runtime now.
        starts: how many there were, one after another.
    """

    name: str
    tenant: str | None
    home: Path | None
    clients: int
    is_running: bool
    starts: int


class _AfterCrash(TypedDict):
    again: bool
    restarts: int


class PoolOptions:
    """The options of a pool, as its constructor takes them.

    Raises:
        TypeError, ValueError: if one of them is of another type, or out of range.
    """

    def __init__(
        self,
        config: AppServerConfig | Sequence[AppServerConfig] | None,
        *,
        size: int | None,
        homes: str | os.PathLike[str] | None,
        per_runtime: int,
        max_waiting: int,
        on_crash: str,
        restarts: int,
        tenant_config: Callable[[str], AppServerConfig] | None,
        max_tenants: int,
        idle_timeout: float | None,
    ) -> None:
        check_count(_SIZE if size is None else size, "size", 1)
        check_count(per_runtime, "per_runtime", 1)
        check_count(max_waiting, "max_waiting", 0)
        check_count(restarts, "restarts", 0)
        check_count(max_tenants, "max_tenants", 1)
        if on_crash not in {"fail", "retry"}:
            raise ValueError(f"on_crash must be 'fail' or 'retry', not {on_crash!r}")
        self.homes = Homes(homes)
        self.idle_timeout = seconds(idle_timeout, "idle_timeout")
        self.after_crash: _AfterCrash = {"again": on_crash == "retry", "restarts": restarts}
        self._limits = {"per_runtime": per_runtime, "max_waiting": max_waiting, "max_tenants": max_tenants}
        self._tenant_config = tenant_config
        self._is_for_tenants = tenant_config is not None and config is None
        if config is None or isinstance(config, AppServerConfig):
            self._configs = [_started(config or AppServerConfig())]
            self._keeps_homes = False
            self._size = size or _SIZE
        else:
            self._configs = _checked(config)
            self._keeps_homes = True
            self._size = len(self._configs)
            if size not in {None, self._size}:
                raise ValueError(f"size is {size}, but there are {self._size} configurations")

    def checked_tenant(self, tenant: str | None) -> str | None:
        """The same, a tenant that may have a runtime; None is whoever is none.

        Raises:
            TypeError: if it is no name, or None where only tenants have a configuration: their runtimes would be those
                of the person's own settings.
            ValueError: if it is empty.
        """
        if tenant is None and self._is_for_tenants:
            raise TypeError("tenant is missing: this pool has a tenant_config and no config, so it is for tenants only")
        if tenant is not None and not isinstance(tenant, str):
            raise TypeError(f"tenant must be a name, not {tenant!r}")
        if tenant == "":
            raise ValueError("tenant is empty: it is the name of whoever a runtime is for")
        return tenant

    def desk(self) -> Desk:
        """Who gives the places out."""
        return Desk([Member(str(number)) for number in range(self._size)], **self._limits)

    def config_of(self, member: Member) -> AppServerConfig:
        """How a member's runtime is started, in a home that is there.

        Raises:
            OSError: if its home cannot be made.
        """
        config = self._config_of(member)
        member.home = named_home(config)
        return config

    def members(self, desk: Desk) -> tuple[PoolMember, ...]:
        """How the runtimes are."""
        return tuple(
            PoolMember(each.name, each.tenant, each.home, each.places, each.codex is not None, each.starts)
            for each in [*desk.members, *list(desk.tenants.values())]
        )

    def plan_of_one(
        self,
        prompt: RunInput,
        *,
        retries: int,
        output_type: Any,
        thread: Mapping[str, Any] | None,
        run: Mapping[str, Any] | None,
    ) -> Plan:
        """What is to be done of a single prompt."""
        from codex_app_server.mapping.plan import Plan

        return Plan([prompt], concurrency=1, retries=retries, thread=thread, output_type=output_type, run=run)

    def _config_of(self, member: Member) -> AppServerConfig:
        if member.tenant is not None:
            config = self._configs[0]
            if self._tenant_config is not None:
                config = self._tenant_config(member.tenant)
                if not isinstance(config, AppServerConfig):
                    raise TypeError(f"tenant_config must give an AppServerConfig, not {config!r}")
                _started(config)
            return self.homes.tenant(config, member.tenant)
        number = int(member.name)
        if not self._keeps_homes:
            return self.homes.member(self._configs[0], number)
        config = self._configs[number]
        return config if named_home(config) is not None else self.homes.member(config, number)


def _checked(configs: Sequence[AppServerConfig]) -> list[AppServerConfig]:
    given: object = configs
    if not isinstance(given, Sequence) or not all(isinstance(each, AppServerConfig) for each in given):
        raise TypeError("config must be an AppServerConfig, or several")
    if not configs:
        raise ValueError("a pool needs a configuration at least")
    distinct(configs)
    return [_started(each) for each in configs]


def _started(config: AppServerConfig) -> AppServerConfig:
    """A configuration for a runtime that a pool can start.

    Raises:
        ValueError: if it is for one that somebody else runs.
    """
    if config.url is not None:
        raise ValueError(f"a pool starts its runtimes itself; use a client for the app-server at {config.url}")
    return config
