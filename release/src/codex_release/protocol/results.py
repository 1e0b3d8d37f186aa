"""What a method takes and gives. The schema says the first; of the second, names and rules tell, or a likeness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_release.base.errors import ProtocolError
from codex_release.protocol.naming import pascal, snake
from codex_release.protocol.schema import Schema, name_in

if TYPE_CHECKING:
    from collections.abc import Collection

    from codex_release.protocol.rules import Rules

__all__ = ["guess", "params_name", "result_names"]

_RESULT = "Response"


def params_name(params: Any) -> str | None:
    """The definition of a method's parameters; None if it has none."""
    options = [params, *params.get("anyOf", ())] if isinstance(params, dict) else []
    return next((name_in(option) for option in options if "$ref" in option), None)


def result_names(method: str, params: Any, rules: Rules) -> list[str]:
    """The names that the definition of a method's result can have, by the rules and by its own names."""
    taken = params_name(params)
    names = [rules.results.get(method), taken and taken.removesuffix("Params") + _RESULT, pascal(method) + _RESULT]
    return [name for name in names if name]


def guess(method: str, schema: Schema, taken: Collection[str], definitions: Collection[str]) -> str:
    """The most likely result of a method for which no rule finds one.

    That is what no method has yet, or else what several methods share and none has to itself; of these, what has most
    words in common with the method.

    Args:
        method: of the client's, or of the runtime's.
        schema: that has it.
        taken: the results of other methods.
        definitions: what is known of the schema.

    Raises:
        ProtocolError: if nothing in the schema is called like a result.
    """
    requests = {**schema.client_requests, **schema.server_requests}
    own = {pascal(each) + _RESULT for each in requests}
    words = {*snake(method).split("_"), *snake(params_name(requests[method]) or "").split("_")}

    def likeness(name: str) -> tuple[object, ...]:
        has_owner = name in own or name.removesuffix(_RESULT) + "Params" in definitions
        return name not in taken, not has_owner, len(words & {*snake(name).split("_")}), -len(name), name

    candidates = [name for name in schema.definitions if name in definitions and name.endswith(_RESULT)]
    if not candidates:
        raise ProtocolError(f"the schema has no result for {method}: no definition in it is called ...{_RESULT}")
    return max(candidates, key=likeness)
