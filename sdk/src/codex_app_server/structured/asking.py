"""One request for structured output: what is said at first, and what is said again if the reply does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from codex_app_server.errors import OutputValidationError
from codex_app_server.results import answer_with
from codex_app_server.structured.expected import Expected, MisfitError
from codex_app_server.timeouts import check_count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_app_server.inputs import Input
    from codex_app_server.options import ClientOptions
    from codex_app_server.results import TurnResult

__all__ = ["Asking"]

_ONCE = {"clientUserMessageId", "toolOutput"}
"""Options that belong to the first turn alone."""


class Asking:
    """Makes the input of one turn after another, until a reply fits.

    Args:
        given: the caller's input.
        options: the options of the turn, under their names in the protocol.
        own: the client's own options: which type is expected, and how often to ask again.

    Attributes:
        given: the input of the next turn.
        options: the options of the next turn.

    Raises:
        TypeError: if a model cannot be told what is expected, or `retries` is no whole number.
        ValueError: if `retries` is negative.
    """

    def __init__(self, given: Input, options: Mapping[str, object], own: ClientOptions) -> None:
        check_count(own.retries, "retries", 0)
        self.given: Input = given
        self.options: Mapping[str, object] = options
        self._expected = Expected()
        self._retries = own.retries
        if own.output_type is None:
            return
        if options.get("outputSchema") is not None:
            raise TypeError("output_type and output_schema exclude each other: the type has a schema of its own")
        from codex_app_server.structured.typed import expected_type

        self._expected = expected_type(own.output_type, is_strict=own.strict)
        if self._expected.instruction is not None:
            self.given = [*_several(given), self._expected.instruction]
        self.options = {**options, "outputSchema": self._expected.schema}

    def fits(self, result: TurnResult[Any]) -> bool:
        """Whether a turn's reply fits. If so, it becomes the result's `output`; if not, `given` asks for it again.

        Raises:
            OutputValidationError: if it does not fit, and was asked for as often as it may.
        """
        try:
            answer_with(result, *self._expected.read_both(result.final_response or ""))
        except MisfitError as misfit:
            if not self._retries:
                raise OutputValidationError(result, misfit.reasons) from misfit.__cause__
            self._retries -= 1
            reasons = "".join(f"- {reason}\n" for reason in misfit.reasons)
            self.given = f"Your answer cannot be used:\n{reasons}Answer again, with JSON alone that fits the schema."
            self.options = {name: value for name, value in self.options.items() if name not in _ONCE}
            return False
        return True


def _several(given: Input) -> Sequence[Any]:
    return given if isinstance(given, Sequence) and not isinstance(given, (str, bytes)) else [given]
