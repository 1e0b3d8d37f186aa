"""The pages of lists: of ``model/list`` gathered to one answer, and of all of them to the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import AppServerError

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES = """
greet()

def answer(result, **params):
    request = read()
    assert (request["method"], request["params"]) == ("model/list", {"includeHidden": True, **params}), request
    write({"id": request["id"], "result": result})
"""


def test_each_page_asks_for_the_next_one_and_the_last_says_all(scripted: Callable[..., None]) -> None:
    async def scene(codex: Any) -> None:
        listed = await codex.models(include_hidden=True)
        assert listed.model_dump(by_alias=True, exclude_unset=True) == {"data": ["a", "b"], "etag": 7}

    script = 'answer({"data": ["a"], "nextCursor": "1"})\nanswer({"data": ["b"], "etag": 7}, cursor="1")'
    scripted(scene, PAGES + script + "\nwait_for_end()")


def test_a_single_page_is_the_answer_as_it_came(scripted: Callable[..., None]) -> None:
    answers = [{"data": ["a"], "nextCursor": None}, {"data": ["a"], "nextCursor": ""}, {"data": "?"}]

    async def scene(codex: Any) -> None:
        for answer in answers:
            listed = await codex.models(include_hidden=True)
            assert listed.model_dump(by_alias=True, exclude_unset=True, warnings=False) == answer
        assert await codex.models(include_hidden=True) is None

    scripted(scene, PAGES + f"for each in {[*answers, None]}:\n    answer(each)\nwait_for_end()")


def test_pages_that_do_not_end_are_an_error(scripted: Callable[..., None]) -> None:
    async def scene(codex: Any) -> None:
        assert (await codex.models(include_hidden=True)).data == ["a"]
        with pytest.raises(AppServerError, match="the answer to model/list has more than 100 pages"):
            await codex.models(include_hidden=True)

    script = """
for last in ({"data": ["a"]}, {"data": [], "nextCursor": "99"}):
    answer({"data": [], "nextCursor": "0"})
    for number in range(98):
        answer({"data": [], "nextCursor": str(number + 1)}, cursor=str(number))
    answer(last, cursor="98")
wait_for_end()
"""
    scripted(scene, PAGES + script)


@pytest.mark.parametrize("others", [[], ["another"]])
def test_a_page_that_leads_back_is_the_last(scripted: Callable[..., None], others: list[str]) -> None:
    async def scene(codex: Any) -> None:
        assert [thread.id async for thread in codex.threads()] == ["t"]
        thread = await codex.thread_start()
        pages = ["t", "t", *("t" for _ in others)]
        assert [turn.id async for turn in thread.turns()] == pages
        assert [server.id for server in await codex.mcp_servers()] == pages

    script = f"""
greet()
following = dict(zip(cursors := ["same", *{others}], [*cursors[1:], "same"]))
while (request := read()) is not None:
    cursor = following.get(request["params"].get("cursor"), "same")
    page = {{"data": [{{"id": "t"}}], "thread": {{"id": "t"}}, "nextCursor": cursor}}
    write({{"id": request["id"], "result": page}})
"""
    scripted(scene, script)
