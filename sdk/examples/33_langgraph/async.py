"""A graph of LangGraph with Codex in one of its nodes: its words are streamed, and its thread goes on; with asyncio.

LangGraph's writer needs Python 3.11 here: before it, a task cannot be given the graph's context.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _bootstrap import example_config
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import StreamWriter
from typing_extensions import TypedDict

from codex_app_server import AppServerConfig, AsyncCodex


class State(TypedDict, total=False):
    """What the nodes hand on."""

    question: str
    answer: str
    thread_id: str


async def main(config: AppServerConfig) -> None:
    async with AsyncCodex(config) as codex:

        async def ask(state: State, writer: StreamWriter) -> State:
            known = state.get("thread_id")
            thread = await (codex.thread_resume(known) if known else codex.thread_start(sandbox="read-only"))
            async with thread.stream(state["question"], timeout=300) as stream:
                async for words in stream.text():
                    writer(words)
            return {"answer": stream.result.text, "thread_id": thread.id}

        def next_node(state: State) -> str:
            return "ask" if "?" in state["answer"] else END

        def insist(state: State) -> State:
            return {"question": "Do not ask back, answer."}

        builder = StateGraph(State)
        builder.add_node("ask", ask)
        builder.add_node("insist", insist)
        builder.add_edge(START, "ask")
        builder.add_conditional_edges("ask", next_node, {"ask": "insist", END: END})
        builder.add_edge("insist", "ask")
        # What a checkpointer keeps of Codex is the thread's id: the runtime stores the thread itself.
        graph = builder.compile(checkpointer=InMemorySaver())
        conversation: RunnableConfig = {"configurable": {"thread_id": "rivers"}}
        for question in ("Where does it flow?", "And the Rhine?"):
            async for words in graph.astream({"question": question}, conversation, stream_mode="custom"):
                print(words, end="", flush=True)
            print()


if __name__ == "__main__":
    with example_config(__file__) as config:
        asyncio.run(main(config))
