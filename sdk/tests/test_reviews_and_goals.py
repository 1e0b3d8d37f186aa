"""Reviews, and goals that a thread works towards by itself, on the real binary."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from awaited import bare

from codex_app_server import (
    AsyncCodex,
    BaseBranchReviewTarget,
    CommitReviewTarget,
    InvalidRequestError,
    RequestTimeoutError,
    TurnFailedError,
    WaitTimeoutError,
)
from codex_app_server.events import Notification
from codex_app_server.handles.goals import GoalFold
from codex_app_server.handles.reviews import inner_turn
from codex_app_server.testing import TOOL_MODES, Failure, ModelServer, Text, ToolCall, ToolMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("leaves_nothing")

SLOW = Text("one two three four five six", delay_s=0.3)
COMPLETE = ToolCall("update_goal", {"status": "complete"})
FOUND = {
    "findings": [
        {
            "title": "[P1] It says b",
            "body": "It has to say a.",
            "confidence_score": 0.9,
            "priority": 1,
            "code_location": {"absolute_file_path": "/f", "line_range": {"start": 1, "end": 1}},
        }
    ],
    "overall_correctness": "patch is incorrect",
    "overall_explanation": "One word is wrong.",
    "overall_confidence_score": 0.8,
}


class TestReviews:
    def test_what_is_not_committed_is_reviewed(self, play: Callable[..., None], tmp_path: Path) -> None:
        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
        (tmp_path / "f").write_text("b\n", encoding="utf-8")

        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start(cwd=tmp_path)
            review = await thread.review(timeout=50)
            assert review.text.startswith("One word is wrong.")
            assert "[P1] It says b" in review.text
            assert review.turn.thread_id == thread.id
            assert review.turn.is_completed
            assert any("untracked" in text for text in model.requests[0].texts)
            assert (await thread.run("And now?")).text == "Mend it."

        play(scene, Text(json.dumps(FOUND)), Text("Mend it."))

    def test_without_a_repository_there_is_no_branch(self, play: Callable[..., None], tmp_path: Path) -> None:
        """The runtime says that it failed, and of a turn that has not begun nothing else."""

        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start(cwd=tmp_path)
            with pytest.raises(TurnFailedError, match="is not a git repository"):
                await thread.review(BaseBranchReviewTarget(branch="main"), timeout=30)
            assert (await thread.run("Go on.", timeout=30)).text == "Done."
            assert not model.requests[0].texts[-1].startswith("Review")

        play(scene)

    def test_other_things_are_too(self, play: Callable[..., None], tmp_path: Path) -> None:
        person = ("-c", "user.name=A", "-c", "user.email=a@example.com")
        for words in (("init", "-q", "-b", "main"), (*person, "commit", "-q", "--allow-empty", "-m", "first")):
            subprocess.run(["git", *words], cwd=tmp_path, check=True)

        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start(cwd=tmp_path)
            for target in ("Look at f.", BaseBranchReviewTarget(branch="main"), CommitReviewTarget(sha="c0ffee")):
                assert (await thread.review(target)).text == "It is fine."
            asked = [str(request.texts) for request in model.requests]
            for words, said in zip(("Look at f.", "'main'", "c0ffee"), asked, strict=True):
                assert words in said

        play(scene, default=Text("It is fine."))

    def test_one_that_takes_too_long_is_stopped(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            events = codex.client.subscribe(thread_id=thread.id)
            with pytest.raises(TimeoutError):
                await thread.review("all", timeout=0.6)
            assert await asyncio.to_thread(ended, bare(codex), events) == "interrupted"
            assert (await thread.run("go on", timeout=20)).text == "Done."

        def ended(codex: Any, events: Any) -> str:
            if isinstance(codex, AsyncCodex):
                loop = codex._driver._loop
                assert loop is not None
                return asyncio.run_coroutine_threadsafe(last(aiter(events)), loop).result(20)
            return next(str(event.payload.turn.status.value) for event in events if event.method == "turn/completed")

        async def last(events: Any) -> str:
            async for event in events:
                if event.method == "turn/completed":
                    return str(event.payload.turn.status.value)
            return ""

        # Not one after the other: on a busy machine the time is over before the model is asked.
        play(scene, default=lambda asked: Text("Done.") if asked.texts[-1] == "go on" else SLOW)

    def test_one_that_is_cancelled_in_its_first_moments_is_stopped(self, codex_binary: Path) -> None:
        async def scene(model: ModelServer) -> None:
            async with AsyncCodex(model.config(codex_bin=codex_binary)) as codex:
                thread = await codex.thread_start()
                task = asyncio.create_task(thread.review("all"))
                events = codex.client.subscribe(thread_id=thread.id)
                async for event in events:
                    if event.method == "item/started":
                        break
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                async for event in events:
                    if event.method == "turn/completed":
                        assert event.payload.turn.status == "interrupted"
                        break

        with ModelServer(SLOW) as model:
            asyncio.run(scene(model))

    def test_one_that_fails_says_so(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start()
            with pytest.raises(InvalidRequestError):
                await thread.review("")

        play(scene)

    def test_the_reviewers_own_turn_is_told_from_others(self) -> None:
        def started(turn: Any) -> Notification:
            return Notification("turn/started", {"turn": turn})

        assert inner_turn(started({"id": "b", "rootTurnId": "a"}), "a") == "b"
        assert inner_turn(started({"id": "b", "rootTurnId": "a"}), None) == "b"
        assert inner_turn(started({"id": "b", "rootTurnId": "a"}), "c") is None
        assert inner_turn(started({"id": "a", "rootTurnId": "a"}), "a") is None
        assert inner_turn(started(5), None) is None


class TestGoals:
    @pytest.mark.parametrize("mode", TOOL_MODES)
    def test_turns_begin_by_themselves_until_it_is_reached(self, play: Callable[..., None], mode: ToolMode) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start()
            async with await thread.goal("Write it.", token_budget=100_000) as goal:
                assert goal.status == "active"
                events = [event.method async for event in goal.stream()]
                result = await goal.wait()
            assert events.count("turn/completed") == 2
            assert events[-1] == "turn/completed"
            assert (result.status, result.is_complete, goal.status) == ("complete", True, "complete")
            assert result.final_response == "It is written."
            assert [turn.text for turn in result.turns] == ["I begin.", "It is written."]
            assert result.tokens_used > 0
            assert (await thread.run("Thanks.")).text == "Done."

        play(scene, Text("I begin."), COMPLETE, Text("It is written."), mode=mode)

    def test_it_ends_when_its_tokens_are_used_up(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            goal = await (await codex.thread_start()).goal("Write it.", token_budget=30)
            result = await goal.wait(timeout=30)
            assert (result.status, result.tokens_used, len(result.turns)) == ("budgetLimited", 30, 2)

        play(scene, default=Text("More."))

    def test_it_ends_when_a_turn_fails(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            result = await (await (await codex.thread_start()).goal("Write it.")).wait(timeout=30)
            assert result.status == "blocked"
            assert [turn.status for turn in result.turns] == ["failed"]
            assert result.final_response is None

        play(scene, default=Failure(500))

    def test_it_pauses_goes_on_and_is_taken_away(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            async with await thread.goal("Write it.") as goal:
                await asyncio.to_thread(model.wait_for_requests, 1)
                await goal.pause()
                assert (await goal.wait(timeout=30)).status == "paused"
                before = len(model.requests)
                await goal.resume()
                assert goal.status == "active"
                async for event in goal.stream():
                    if event.method == "turn/started":
                        break
                await goal.clear()
                result = await goal.wait(timeout=30)
                assert (result.status, goal.status) == ("cleared", "cleared")
                assert len(result.turns) >= 2
                assert len(model.requests) > before
            with pytest.raises(InvalidRequestError):
                await goal.pause()

        play(scene, default=Text("More and more.", delay_s=0.1))

    def test_who_does_not_wait_any_longer_has_it_paused(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            goal = await thread.goal("Write it.")
            await asyncio.to_thread(model.wait_for_requests, 1)
            with pytest.raises(WaitTimeoutError, match="the goal was not reached in time"):
                await goal.wait(timeout=0.5)
            result = await goal.wait(timeout=30)
            assert (result.status, result.turns[-1].status) == ("paused", "interrupted")

            async with await thread.goal("Write something else.") as goal:
                await asyncio.to_thread(model.wait_for_requests, len(model.requests) + 1)
            assert (await thread.run("What now?", timeout=30)).is_completed
            before = len(model.requests)
            await asyncio.sleep(0.3)
            assert len(model.requests) == before

        play(scene, SLOW, SLOW, default=Text("Done."))

    def test_a_wait_that_is_cancelled_pauses_it(self, codex_binary: Path) -> None:
        async def scene(model: ModelServer) -> None:
            async with AsyncCodex(model.config(codex_bin=codex_binary)) as codex:
                goal = await (await codex.thread_start()).goal("Write it.")
                task = asyncio.create_task(goal.wait())
                await asyncio.to_thread(model.wait_for_requests, 1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert (await goal.wait(timeout=30)).status == "paused"
                assert len(model.requests) == 1

        with ModelServer(default=SLOW) as model:
            asyncio.run(scene(model))

    def test_what_is_no_goal_is_refused(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, _: ModelServer) -> None:
            thread = await codex.thread_start()
            for objective, budget in (("", None), ("Write it.", -1)):
                with pytest.raises(InvalidRequestError):
                    await thread.goal(objective, token_budget=budget)

        play(scene)

    def test_one_that_is_refused_leaves_the_other_alone(self, play: Callable[..., None]) -> None:
        async def scene(codex: Any, model: ModelServer) -> None:
            thread = await codex.thread_start()
            goal = await thread.goal("Write it.")
            await asyncio.to_thread(model.wait_for_requests, 1)
            with pytest.raises(InvalidRequestError):
                await thread.goal("")
            assert (await goal.wait(timeout=30)).is_complete

        play(scene, Text("I begin.", delay_s=0.1), COMPLETE, default=Text("Done."))

    def test_a_runtime_that_does_not_say_how_it_is_is_the_trouble(self, scripted: Callable[..., None]) -> None:
        script = """
        greet()
        goal = {"threadId": "t", "goal": {"status": "complete"}}
        for result in ({"thread": {"id": "t"}}, goal):
            write({"id": read()["id"], "result": result})
        write({"method": "thread/goal/updated", "params": goal})
        wait_for_end()
        """

        async def scene(codex: Any) -> None:
            goal = await (await codex.thread_start()).goal("Write it.")
            with pytest.raises(RequestTimeoutError, match="thread/goal/get got no answer"):
                await goal.wait(timeout=30)

        scripted(scene, script, request_timeout_s=0.5)

    def test_nothing_is_taken_for_granted(self) -> None:
        fold = GoalFold("t")
        for params in (None, 5, {"goal": 5}, {"turn": 5}):
            for method in ("thread/goal/updated", "turn/started", "turn/completed", "error"):
                fold.add(Notification(method, params))  # type: ignore[arg-type]  # nonsense
        assert fold.result().tokens_used == 0
