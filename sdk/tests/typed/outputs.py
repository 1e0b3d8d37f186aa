"""What type checkers have to know of the outputs of runs; nobody runs it, mypy and pyright read it.

A line with ``type: ignore`` is a mistake that has to be found.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from codex_app_server import AsyncThread, RunResult, Thread, TurnResult


class Model(BaseModel):
    name: str


@dataclass
class Data:
    name: str


class Dictionary(TypedDict):
    name: str


class Color(Enum):
    RED = "red"


def classes(thread: Thread) -> None:
    model: Model = thread.run("go", output_type=Model, retries=2).output
    data: Data = thread.run("go", output_type=Data, strict=False, timeout=1).output
    dictionary: Dictionary = thread.run("go", output_type=Dictionary).output
    color: Color = thread.run("go", output_type=Color).output
    number: int = thread.run("go", output_type=int).output
    numbers: list[int] = thread.run("go", output_type=list[int]).output
    print(model.name, data.name, dictionary["name"], color.value, number, numbers)
    print(thread.run("go", output_type=Model).output.nonsense)  # type: ignore[attr-defined]
    words: str = thread.run("go", output_type=int).output  # type: ignore[assignment]
    print(words)


def forms(thread: Thread) -> None:
    maybe: int | None = thread.run("go", output_type=int | None).output
    either: Model | Data = thread.run("go", output_type=Model | Data).output
    word: Literal["a", "b"] = thread.run("go", output_type=Literal["a", "b"]).output
    small: int = thread.run("go", output_type=Annotated[int, Field(lt=5)]).output
    print(maybe, either, word, small)
    sure: int = thread.run("go", output_type=int | None).output  # type: ignore[assignment]
    print(sure)


def without(thread: Thread) -> str | None:
    nothing: None = thread.run("go").output
    anything: str = thread.run("go", output_schema={"type": "object"}).output["name"]
    result: RunResult = thread.run("go")
    same: TurnResult = thread.run("go", output_type=Model)
    typed: RunResult[Model] = thread.run("go", output_type=Model)
    print(nothing, anything, same, typed.output.name)
    wrong: RunResult[Model] = thread.run("go")  # type: ignore[assignment]
    print(wrong)
    return result.final_response


async def asynchronously(thread: AsyncThread) -> None:
    model: Model = (await thread.run("go", output_type=Model)).output
    maybe: int | None = (await thread.run("go", output_type=int | None)).output
    nothing: None = (await thread.run("go")).output
    print(model.name, maybe, nothing)
