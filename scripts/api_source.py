"""Reads the client's code as text: which public names there are, and what each one's signature and docstring say.

Nothing is imported, so what comes out depends neither on the Python that reads nor on what is installed. Annotations
are what the code says, word for word.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Alias", "Class", "Function", "Parameter", "Source"]

_Node = TypeVar("_Node", bound=ast.AST)

_FOR_USERS = {"from_dict", "from_json"}
"""The class methods that are."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function, or a field of a class.

    Attributes:
        name: its name; with its stars if it takes several.
        type: its annotation; empty without one.
        default: what it is if it is not given; None if it has to be.
        is_keyword_only: whether it is passed by name only.
    """

    name: str
    type: str
    default: str | None = None
    is_keyword_only: bool = False

    def __str__(self) -> str:
        """As it stands in the code."""
        words = f"{self.name}: {self.type}" if self.type else self.name
        if self.default is None:
            return words
        return f"{words} = {self.default}" if self.type else f"{words}={self.default}"


@dataclass(frozen=True)
class Function:
    """A function, a method or a property.

    Attributes:
        name: its name.
        parameters: without ``self``.
        result: its annotation.
        doc: its docstring, as `ast.get_docstring` cleans it.
        is_property: whether it is read like an attribute.
    """

    name: str
    parameters: tuple[Parameter, ...]
    result: str
    doc: str
    is_property: bool = False


@dataclass(frozen=True)
class Class:
    """A class.

    Attributes:
        name: its name.
        bases: the names of what it inherits from.
        doc: its docstring.
        fields: its annotated attributes; of a plain class, none.
        constructor: the parameters of ``__init__``; empty where there is none.
        methods: its public ones, properties among them, in the order of the code; first inherited options.
        values: of an enum.
    """

    name: str
    bases: tuple[str, ...]
    doc: str
    fields: tuple[Parameter, ...]
    constructor: tuple[Parameter, ...]
    methods: tuple[Function, ...]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Alias:
    """A name for a type.

    Attributes:
        name: its name.
        type: what it stands for.
        doc: the string below it.
    """

    name: str
    type: str
    doc: str


class Source:
    """The code of a package.

    Args:
        root: the package's directory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._modules: dict[str, ast.Module] = {}

    @cached_property
    def homes(self) -> dict[str, str]:
        """The public names, each with the module it lives in; those that are second names are left out."""
        return {name: home for name, home in self._homes.items() if ":" not in home}

    @cached_property
    def second_names(self) -> dict[str, str]:
        """Other public names of what has one, and that one."""
        return {name: home.partition(":")[2] for name, home in self._homes.items() if ":" in home}

    @cached_property
    def _homes(self) -> dict[str, str]:
        found: dict[str, str] = ast.literal_eval(_value_of(self._module(""), "_HOMES"))
        return found

    def exported(self, module: str) -> list[tuple[str, str]]:
        """The names in a module's ``__all__``, each with the module it is imported from, or that one."""
        tree = self._module(module)
        names: list[str] = ast.literal_eval(_value_of(tree, "__all__"))
        return [(name, _imported(tree).get(name, module)) for name in names]

    def read(self, module: str, name: str) -> Class | Function | Alias:
        """What a module says of a name.

        Raises:
            LookupError: if there is no such name in it.
        """
        overloads = []
        union = None
        body = self._module(module).body
        for node, following in zip(body, [*body[1:], None], strict=True):
            if isinstance(node, ast.ClassDef) and node.name == name:
                if not any(ast.unparse(base) == "_TaggedModel" for base in node.bases):
                    return self._class(module, node)
                union = node
            # The class of a union is followed by all that it can be.
            if union and isinstance(node, ast.AnnAssign) and _name_of(node) == f"_{name}" and node.value is not None:
                return Alias(name, ast.unparse(node.value), ast.get_docstring(union) or "")
            if isinstance(node, ast.FunctionDef) and node.name == name:
                if "overload" in _decorators(node):
                    overloads.append(_function(node))
                    continue
                function = _function(node)  # its words; its signature says less than that of its most general overload
                return replace(overloads[-1], doc=function.doc) if overloads else function
            if isinstance(node, ast.AnnAssign | ast.Assign) and _name_of(node) == name and node.value is not None:
                # The docstring of an alias is a string that stands on its own below it.
                below = _text(following.value) if isinstance(following, ast.Expr) else ""
                stands_for = node.value
                if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call):
                    stands_for = node.annotation  # how it is made says nothing to users
                return Alias(name, _text(stands_for) or ast.unparse(stands_for), below)
        if union:
            return self._class(module, union)
        raise LookupError(f"{module} does not define {name}")

    def awaited(self, module: str, name: str) -> set[str]:
        """The methods of a class, and of those it inherits from, that are awaited; async iterators are not."""
        node = next(each for each in _nodes(self._module(module), ast.ClassDef) if each.name == name)
        found = {
            each.name
            for each in _nodes(node, ast.AsyncFunctionDef)
            if not (_unparsed(each.returns) or "").startswith(("AsyncGenerator[", "AsyncIterator["))
        }
        for base in map(ast.unparse, node.bases):
            home = _imported(self._module(module)).get(base, "")
            if home.startswith(("aio.", "generated.afront")):
                found |= self.awaited(home, base)
        return found

    def room_of(self, model: str) -> str:
        """The module of a generated model.

        Raises:
            LookupError: if there is no such model.
        """
        names: dict[str, str] = ast.literal_eval(_value_of(self._module("generated.registry"), "_NAMES"))
        for room, words in names.items():
            if model in words.split():
                return f"generated.{room}"
        raise LookupError(f"the protocol has no model {model}")

    def rooms_of_methods(self) -> dict[str, tuple[Function, ...]]:
        """The generated methods of the client, by their room."""
        tree = self._module("generated.methods")
        (together,) = _nodes(tree, ast.ClassDef)
        homes = {base: _imported(tree)[base] for base in map(ast.unparse, together.bases)}
        return {home.rpartition(".")[2]: self._class_of(home, base).methods for base, home in homes.items()}

    def _module(self, name: str) -> ast.Module:
        if name not in self._modules:
            path = self._root.joinpath(*name.split(".")) if name else self._root
            candidates = (path.with_suffix(".pyi"), path.with_suffix(".py"), path / "__init__.py")
            file = next(each for each in candidates if each.is_file())
            self._modules[name] = ast.parse(file.read_text(encoding="utf-8"), str(file))
        return self._modules[name]

    def _class_of(self, module: str, name: str) -> Class:
        node = next(each for each in _nodes(self._module(module), ast.ClassDef) if each.name == name)
        return self._class(module, node)

    def _class(self, module: str, node: ast.ClassDef) -> Class:
        methods: list[Function] = []
        bases = tuple(map(ast.unparse, node.bases))
        constructors = [_function(each) for each in _nodes(node, ast.FunctionDef) if each.name == "__init__"]
        for base in bases:
            # What a front inherits is its own, too; the whole protocol has a table of its own.
            home = _imported(self._module(module)).get(base, "")
            if home.startswith("sync.") or (home.startswith("generated.") and base.endswith("Options")):
                methods += self._class_of(home, base).methods
        methods += [_function(each) for each in _nodes(node, ast.FunctionDef) if _is_public(each)]
        return Class(
            node.name,
            bases,
            ast.get_docstring(node) or "",
            tuple(
                Parameter(str(_name_of(each)), ast.unparse(each.annotation), _unparsed(each.value))
                for each in _nodes(node, ast.AnnAssign)
            ),
            constructors[0].parameters if constructors else (),
            tuple(methods),
            tuple(str(ast.literal_eval(each.value)) for each in _nodes(node, ast.Assign)) if "Enum" in bases else (),
        )


def _function(node: ast.FunctionDef) -> Function:
    result = _unparsed(node.returns) or ""
    if "contextmanager" in _decorators(node):  # what calls it gets something else than it returns
        result = result.replace("Iterator[", "AbstractContextManager[", 1)
    return Function(
        node.name,
        tuple(_parameters(node.args)),
        result,
        ast.get_docstring(node) or "",
        is_property=bool(_decorators(node) & {"property", "cached_property"}),
    )


def _parameters(arguments: ast.arguments) -> Iterator[Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + [*arguments.defaults]
    for each, default in zip(positional, defaults, strict=True):
        if each.arg not in {"self", "cls"}:
            yield Parameter(each.arg, _unparsed(each.annotation) or "", _unparsed(default))
    if arguments.vararg:
        yield Parameter(f"*{arguments.vararg.arg}", _unparsed(arguments.vararg.annotation) or "")
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield Parameter(each.arg, _unparsed(each.annotation) or "", _unparsed(default), is_keyword_only=True)
    if arguments.kwarg:
        yield Parameter(f"**{arguments.kwarg.arg}", _unparsed(arguments.kwarg.annotation) or "")


def _is_public(node: ast.FunctionDef) -> bool:
    """Whether it is for users: setters are told by their property, most class methods are for the package itself."""
    is_own = "classmethod" in _decorators(node) and node.name not in _FOR_USERS
    return not (node.name.startswith("_") or is_own or any(word.endswith(".setter") for word in _decorators(node)))


def _decorators(node: ast.FunctionDef) -> set[str]:
    return {ast.unparse(each) for each in node.decorator_list}


def _nodes(parent: ast.Module | ast.ClassDef, kind: type[_Node]) -> list[_Node]:
    return [node for node in parent.body if isinstance(node, kind)]


def _imported(tree: ast.Module) -> dict[str, str]:
    """The names that a module imports from this package, each with its module."""
    return {
        alias.asname or alias.name: node.module.partition(".")[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def _value_of(tree: ast.Module, name: str) -> ast.expr:
    """What a module assigns to a name."""
    return next(node.value for node in _nodes(tree, ast.Assign) if _name_of(node) == name)


def _name_of(node: ast.Assign | ast.AnnAssign) -> str | None:
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    return target.id if isinstance(target, ast.Name) else None


def _unparsed(node: ast.expr | None) -> str | None:
    return None if node is None else ast.unparse(node)


def _text(node: ast.expr) -> str:
    """What a string says; empty if it is none."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
