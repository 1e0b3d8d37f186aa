"""A program that closes whatever is iterated over before its end, for type checkers: nothing here runs."""

from __future__ import annotations

from contextlib import aclosing, closing
from typing import TYPE_CHECKING

from codex_app_server import AsyncCodex, AsyncCodexPool, Codex, CodexPool, TextInput

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from codex_app_server.integrations.ray import AsyncRayPool, RayPool


def closed(codex: Codex, pool: CodexPool, ray: RayPool) -> list[int]:
    with closing(codex.map(["a"], output_type=int)) as outcomes:
        numbers: list[int] = [outcome.unwrap().output for outcome in outcomes]
    with closing(pool.map(["a"])) as plain, closing(ray.map(["a"], output_type=int)) as far:
        print([outcome.unwrap().text for outcome in plain], [outcome.unwrap().output + 1 for outcome in far])
    with closing(codex.threads(cwd=".")) as threads:
        thread = next(threads)
    with closing(thread.turns()) as turns, closing(thread.turn(TextInput("go")).stream()) as events:
        print([turn.id for turn in turns], [event.method for event in events])
    with thread.stream("go") as stream, closing(stream.text()) as words, closing(stream.items()) as items:
        print("".join(words), [item.type for item in items])
    with closing(codex.command(["ls"]).stream()) as pieces, closing(thread.goal("go").stream()) as steps:
        print([piece.text for piece in pieces], [step.method for step in steps])
    codex.map(["a"]).close()
    return numbers


async def closed_async(codex: AsyncCodex, pool: AsyncCodexPool, ray: AsyncRayPool) -> list[int]:
    async with aclosing(codex.map(["a"], output_type=int)) as outcomes:
        numbers: list[int] = [outcome.unwrap().output async for outcome in outcomes]
    async with aclosing(pool.map(["a"])) as plain, aclosing(ray.map(["a"], output_type=int)) as far:
        print([each.unwrap().text async for each in plain], [each.unwrap().output + 1 async for each in far])
    async with aclosing(codex.threads(cwd=".")) as threads:
        thread = await anext(threads)
    turn = await thread.turn(TextInput("go"))
    async with aclosing(thread.turns()) as turns, aclosing(turn.stream()) as events:
        print([each.id async for each in turns], [event.method async for event in events])
    async with thread.stream("go") as stream, aclosing(stream.text()) as words, aclosing(stream.items()) as items:
        print([each async for each in words], [item.type async for item in items])
    command, goal = await codex.command(["ls"]), await thread.goal("go")
    async with aclosing(command.stream()) as pieces, aclosing(goal.stream()) as steps:
        print([piece.text async for piece in pieces], [step.method async for step in steps])
    async with aclosing(ray.map(prompts(), journal="j")) as further:
        print([each.prompt async for each in further])
    await codex.map(prompts()).aclose()
    return numbers


async def prompts() -> AsyncGenerator[str, None]:
    yield "a"
