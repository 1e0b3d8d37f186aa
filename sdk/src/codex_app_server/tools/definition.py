"""What a model is told of a function, and how what it passes becomes the function's arguments.

The schema comes from the signature and its annotations, through pydantic. The runtime drops most constraints from it on
its way to the model, so they are told in words as well; what comes back is validated here, by all of them.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
from dataclasses import dataclass
from types import SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from codex_app_server.structured.wording import CONSTRAINTS, described
from codex_app_server.tools.context import ToolContext, ToolError
from codex_app_server.tools.docstrings import read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codex_app_server.protocol.messages import JsonValue

__all__ = ["Definition", "define"]

_LONGEST_INPUT = 100
"""How much of an argument that does not fit is told back, in characters."""


@dataclass(frozen=True)
class Definition:
    """What a function is to a model.

    Attributes:
        description: what it does.
        schema: of its arguments, as JSON Schema.
    """

    description: str
    schema: dict[str, JsonValue]
    _arguments: type[BaseModel]
    _parameters: Mapping[str, str]  # by the name of the field
    _contexts: tuple[str, ...]
    _filled: frozenset[str] = frozenset()  # fields whose default the function does not see, in the annotation alone

    def bind(self, given: JsonValue, context: ToolContext) -> dict[str, Any]:
        """The function's arguments, of what a model passed; what it did not pass is left to the function.

        Raises:
            ToolError: if it does not fit; in words for the model.
        """
        try:
            values = self._arguments.model_validate_json(json.dumps(given))
        except ValidationError as error:
            raise ToolError(_reasons(error)) from None
        arguments = {
            self._parameters[field]: getattr(values, field) for field in values.model_fields_set | self._filled
        }
        return arguments | dict.fromkeys(self._contexts, context)


class _Schema(GenerateJsonSchema):
    """A default that JSON cannot say is only left out."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - as in the base class


def define(function: Callable[..., object], description: str | None, where: str) -> Definition:
    """What a model is told of a function.

    Args:
        function: what it is about.
        description: what it does; without it, what its docstring says.
        where: the function, for messages.

    Raises:
        TypeError: if a parameter cannot be passed by its name, or its type cannot be described or resolved.
    """
    said = read(inspect.getdoc(function))
    hints = _hints(function, where)
    fields: dict[str, Any] = {}
    parameters: dict[str, str] = {}
    contexts: list[str] = []
    wanted: set[str] = set()
    for number, (name, parameter) in enumerate(_signature(function, where).parameters.items()):
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(
                f"{where} has a parameter {parameter} without a name of its own: a model passes all by name"
            )
        hint = hints.get(name, Any)
        if _is_context(hint):
            contexts.append(name)
            continue
        if isinstance(parameter.default, FieldInfo):
            raise TypeError(f"{where}: say Annotated[..., Field(...)] for {name}, for its default is what is passed")
        given = {} if parameter.default is parameter.empty else {"default": parameter.default}
        if name in said.parameters and not _is_described(hint):
            given["description"] = said.parameters[name]
        # Under names of our own: a parameter may be called like a method of the model.
        fields[f"p{number}"] = (hint, Field(alias=name, **given))
        parameters[f"p{number}"] = name
        if parameter.default is parameter.empty:
            wanted.add(f"p{number}")
    try:
        arguments = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
        schema = _for_models(arguments.model_json_schema(schema_generator=_Schema))
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError) as error:
        problem = str(error).partition("\n")[0]
        raise TypeError(f"{where} has a parameter that no schema can describe: {problem}") from error
    return Definition(
        said.about if description is None else description,
        schema,
        arguments,
        parameters,
        tuple(contexts),
        frozenset(name for name in wanted if not arguments.model_fields[name].is_required()),
    )


def _signature(function: Callable[..., object], where: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError as error:  # as of `int`
        raise TypeError(f"{where} does not say what it takes: {error}; write a function that calls it") from error


def _hints(function: Callable[..., object], where: str) -> dict[str, Any]:
    """The annotations, resolved."""
    plain: Any = function
    while isinstance(plain, functools.partial):
        plain = plain.func
    if not (inspect.isroutine(plain) or inspect.isclass(plain)):
        plain = type(plain).__call__
    plain = inspect.unwrap(plain)
    if sys.version_info < (3, 11) and hasattr(plain, "__code__"):
        # Where it sees a default of None, it would make the type optional, which it is not in later versions.
        plain = SimpleNamespace(__annotations__=plain.__annotations__, __globals__=plain.__globals__)
    try:
        try:
            return get_type_hints(plain, include_extras=True)
        except NameError:
            # It is likely to be imported for type checkers alone.
            return get_type_hints(plain, localns={"ToolContext": ToolContext}, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"an annotation of {where} cannot be resolved: {error}; import it when the module runs, and define it "
            "outside of functions"
        ) from error


def _is_context(hint: object) -> bool:
    """Whether a parameter gets the `ToolContext`, also as ``ToolContext | None``, for callers without one."""
    if get_origin(hint) is Annotated:
        return _is_context(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return all(each is type(None) or _is_context(each) for each in get_args(hint))
    return hint is ToolContext


def _is_described(hint: object) -> bool:
    return any(getattr(each, "description", None) for each in getattr(hint, "__metadata__", ()))


def _for_models(schema: Any) -> Any:
    """A schema without titles, which say nothing, and with its constraints in its descriptions."""
    if not isinstance(schema, dict):
        return schema
    kept = {name: value for name, value in schema.items() if name != "title"}
    for group in ("properties", "$defs", "patternProperties"):
        if group in kept:
            kept[group] = {name: _for_models(each) for name, each in kept[group].items()}
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if name in kept:
            kept[name] = [_for_models(each) for each in kept[name]]
    for name in ("items", "additionalProperties"):
        if name in kept:
            kept[name] = _for_models(kept[name])
    if lost := {name: kept[name] for name in CONSTRAINTS if name in kept}:
        kept["description"] = described(kept.get("description"), lost)
    return kept


def _reasons(error: ValidationError) -> str:
    """What does not fit, for a model."""
    lines = ["The arguments do not fit, so nothing was done:"]
    for each in error.errors(include_url=False, include_context=False):
        place = ".".join(map(str, each["loc"])) or "all of them"
        found = "" if each["type"] == "missing" else f", not {_shortened(each['input'])}"
        lines.append(f"- {place}: {each['msg']}{found}")
    return "\n".join(lines)


def _shortened(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _LONGEST_INPUT else f"{text[:_LONGEST_INPUT]}…"
