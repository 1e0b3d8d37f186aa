"""A function that the agent may call, and how."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload
from weakref import WeakValueDictionary

from codex_app_server.timeouts import seconds
from codex_app_server.tools.names import check_name, check_namespace

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, TypeAlias

    from codex_app_server.tools.definition import Definition

    TurnEnd: TypeAlias = Literal["cancel", "finish"]

__all__ = ["Tool", "ToolNamespace", "tool", "tool_of"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_CACHES = ("_made", "_made_bound", "_bound")
"""What is made again where a tool is unpickled."""

_KEPT = "__codex_tool__"
"""What a function calls the tool that was made of it."""


@dataclass(frozen=True)
class ToolNamespace:
    """A group of tools that belong together, e.g. ``ToolNamespace("shop", "What can be bought, and buying it.")``.

    Attributes:
        name: letters, digits, _ and -, at most 64 characters.
        description: what its tools are for, in at most 1024 characters.

    Raises:
        ValueError: if the runtime would refuse it.
    """

    name: str
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse what the runtime would."""
        check_namespace(self.name, self.description)


@dataclass(frozen=True, eq=False)
class Tool(Generic[P, R_co]):
    """A function that the agent may call; made by `tool`. If your program calls it, it is the function itself.

    Attributes:
        function: the function, plain or async.
        name: the name that the model calls it by.
        description: what the model is told about it; without it, the function's docstring.
        namespace: the group of tools that it belongs to, if any.
        deferred: whether the model has to look for it before it is told about it.
        timeout: how long a call may take, in seconds; None is without limit, as it is in the runtime.
        concurrency: how many calls may run at once; None is as many as the client runs of all tools together.
        on_turn_end: what happens to a call when its turn ends.
        max_bytes: how much text a result may have, in bytes of UTF-8; None is without limit. The default is what the
            runtime lets through to a model whose tools come one by one (0.171.0).
    """

    function: Callable[P, R_co]
    name: str
    description: str | None = None
    namespace: ToolNamespace | None = None
    deferred: bool = False
    timeout: float | None = 600.0
    concurrency: int | None = None
    on_turn_end: TurnEnd = "cancel"
    max_bytes: int | None = 12_000
    _made: list[Definition] = field(default_factory=list, init=False, repr=False)
    _made_bound: list[Definition] = field(default_factory=list, init=False, repr=False)
    # By the ids of the instances, which each holds.
    _bound: WeakValueDictionary[int, Tool[..., Any]] = field(
        default_factory=WeakValueDictionary, init=False, repr=False
    )

    def __post_init__(self) -> None:
        """Refuse what could only fail when it is called.

        Raises:
            TypeError: if it is no function, or of a kind that cannot be called.
            ValueError: if the name, a number or a word will not do.
        """
        where = f"the tool {self.name}"
        if not callable(self.function):
            raise TypeError(f"a tool is a function, not {self.function!r}")
        if inspect.isasyncgenfunction(self.function):
            raise TypeError(f"{where} is an async generator: a tool returns its result")
        check_name(self.name, self.namespace.name if self.namespace else None, where)
        if self.deferred and self.namespace is None:
            raise ValueError(f"{where} is deferred and needs a namespace, which is what a model finds it by")
        if self.on_turn_end not in ("cancel", "finish"):
            raise ValueError(f"on_turn_end of {where} must be 'cancel' or 'finish', not {self.on_turn_end!r}")
        for name in ("concurrency", "max_bytes"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} of {where} must be at least 1, not {value!r}")
        object.__setattr__(self, "timeout", seconds(self.timeout, f"timeout of {where}"))
        # As `functools.update_wrapper`: for `help`, and for whoever asks for the signature.
        names = ("__module__", "__name__", "__qualname__", "__doc__")
        vars(self).update({name: getattr(self.function, name) for name in names if hasattr(self.function, name)})
        vars(self)["__wrapped__"] = self.function

    @property
    def definition(self) -> Definition:
        """What the model is told about it, and how its arguments become the function's.

        Raises:
            TypeError: if its parameters cannot be described; the message says which, and what to do.
        """
        if not self._made:
            from codex_app_server.tools.definition import define  # which needs pydantic

            self._made.append(define(self.function, self.description, f"the tool {self.name}"))
        return self._made[0]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Tool[..., R_co]:
        """In a class it is a method: for an instance the same one, as long as anybody has it."""
        if instance is None:
            return self
        if (found := self._bound.get(id(instance))) is None:
            found = replace(self, function=MethodType(self.function, instance))
            object.__setattr__(found, "_made", self._made_bound)
            self._bound[id(instance)] = found
        return found

    def __getstate__(self) -> dict[str, Any]:
        """All but what is made when it is needed, which cannot be pickled: so functions go into other processes."""
        return {name: value for name, value in vars(self).items() if name not in _CACHES}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was, with nothing made yet."""
        vars(self).update(state, _made=[], _made_bound=[], _bound=WeakValueDictionary())

    def __repr__(self) -> str:
        """Its name."""
        return f"<Tool {self.name}>"


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    namespace: str | ToolNamespace | None = None,
    deferred: bool = False,
    timeout: float | None = 600.0,
    concurrency: int | None = None,
    on_turn_end: TurnEnd = "cancel",
    max_bytes: int | None = 12_000,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    namespace: str | ToolNamespace | None = None,
    deferred: bool = False,
    timeout: float | None = 600.0,
    concurrency: int | None = None,
    on_turn_end: TurnEnd = "cancel",
    max_bytes: int | None = 12_000,
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """Make a function a tool, with options; a function that needs no options can be passed as it is.

        @tool(timeout=10)
        def weather(city: str, days: Annotated[int, Field(ge=1, le=7)] = 1) -> str: ...

    The model is told the name, what the docstring says about the function and its parameters, and a schema made from
    the annotations. The arguments that it passes are validated; if they do not fit, the model is told why, and the
    function is not called.

    Args:
        function: plain or async. A parameter that is annotated with `ToolContext` gets the context of the call. The
            function returns text, anything that JSON can say (dataclasses and pydantic models too), an image
            (`ImageInput`, `LocalImageInput`, or what a notebook would show as PNG), a list with images in it, or None.
        name: the name that the model calls it by, if it is not the function's name.
        description: what the model is told about it, if it is not the docstring.
        namespace: the group of tools that it belongs to.
        deferred: whether the model has to look for it, by its namespace, before it is told about it.
        timeout: how long a call may take, in seconds; if it takes longer, the model is told so. None is without limit.
        concurrency: how many calls may run at once; the others wait. A call that was given up does not count, but a
            plain function goes on until it returns: if it must not run twice at once, give it a lock.
        on_turn_end: what happens to a call when its turn ends: ``"cancel"``, or ``"finish"``, for which the end of the
            client waits some seconds.
        max_bytes: how much text a result may have, in bytes; a longer one is cut in its middle, and a line there says
            so. The runtime would cut it too, except for models that call tools from JavaScript, which get all of it.

    Raises:
        TypeError, ValueError: if the function or an option will not do.
    """
    space = ToolNamespace(namespace) if isinstance(namespace, str) else namespace

    def made(function: Callable[P, R]) -> Tool[P, R]:
        return Tool(
            function,
            name_of(function) if name is None else name,
            description=description,
            namespace=space,
            deferred=deferred,
            timeout=timeout,
            concurrency=concurrency,
            on_turn_end=on_turn_end,
            max_bytes=max_bytes,
        )

    return made if function is None else made(function)


def name_of(function: object) -> str:
    """What a function is called.

    Raises:
        TypeError: if it is no function, or has no name of its own.
    """
    if not callable(function):
        named = f"; a name is given as tool(name={function!r})" if isinstance(function, str) else ""
        raise TypeError(f"a tool is a function, not {function!r}{named}")
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or name == "<lambda>":
        raise TypeError(f"{function!r} has no name that a model could call it by: tool(name=...)({function!r})")
    return name


def tool_of(given: Callable[..., object] | Tool[..., object]) -> Tool[..., object]:
    """A function as a tool, if it is none yet; raises as `tool`.

    It is the same for the same function, which keeps it: to describe one takes some milliseconds, and its model some
    ten kilobytes.
    """
    if isinstance(given, Tool):
        return given
    if inspect.ismethod(given) and inspect.isfunction(given.__func__):
        return tool_of(given.__func__).__get__(given.__self__)
    if not inspect.isfunction(given):
        if not callable(given):  # None, for one, which `tool` itself takes
            raise TypeError(f"a tool is a function, not {given!r}")
        return tool(given)
    made = vars(given).get(_KEPT)
    if not isinstance(made, Tool) or made.function is not given:  # `functools.wraps` copies what a function keeps
        made = vars(given)[_KEPT] = tool(given)
    return made
