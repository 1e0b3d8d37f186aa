"""What the embedded model says in each example: its answers, in their order, by the name of the example's folder.

An answer may look at the request, so that what is printed proves what the model was really told.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from codex_app_server.testing import Answer, Failure, ModelRequest, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ANSWERS"]

NUMBERS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
SEAS = {
    "Danube": "Black Sea",
    "Ganges": "Bay of Bengal",
    "Mekong": "South China Sea",
    "Nile": "Mediterranean",
    "Rhine": "North Sea",
}


def command(line: str) -> ToolCall:
    """The wish to run a command."""
    return ToolCall("exec_command", {"cmd": line})


def pictures(request: ModelRequest) -> Text:
    """What is to be seen, if a picture has come."""
    parts = [part for item in request.body["input"] for part in item.get("content", [])]
    seen = [part for part in parts if part.get("type") == "input_image"]
    return Text("A red circle, a green square and a blue triangle." if len(seen) == 1 else f"{len(seen)} pictures?")


def favourite_colour(request: ModelRequest) -> Text:
    """What was said in an earlier turn, if the runtime has kept it."""
    has_told = any("colour is teal" in text for text in request.texts)
    return Text("Your favourite colour is teal." if has_told else "You have not told me.")


def options(request: ModelRequest) -> Text:
    """JSON, if that was called for, about what it was asked with."""
    body = request.body
    is_asked_for_json = "language" in body["text"]["format"]["schema"]["properties"]
    answer = {"language": "Python", "reason": f"{body['model']} thinks so, with effort {body['reasoning']['effort']}."}
    return Text(json.dumps(answer) if is_asked_for_json else str(answer))


def product(request: ModelRequest) -> Text:
    """An answer that says who gave it."""
    return Text(f"391, says {request.body['model']} with effort {request.body['reasoning']['effort']}.")


def steered(request: ModelRequest) -> Text:
    """What follows when more was said."""
    return Text("I would have said two." if "Stop counting" in request.texts[-1] else "Nobody said anything.")


def sea(request: ModelRequest) -> Text:
    """The sea of a river, said slowly, so that turns overlap."""
    river = next(river for river in SEAS if river in request.texts[-1])
    return Text(f"The {river} flows into the {SEAS[river]}.", delay_s=0.05)


def mouth(request: ModelRequest) -> Text:
    """The same as JSON."""
    river = next(river for river in SEAS if river in request.texts[-1])
    return Text(json.dumps({"sea": SEAS[river]}))


def approvals(request: ModelRequest) -> Text:
    """What became of the two commands."""
    made, touched = request.tool_outputs.values()
    return Text(f"mkdir {_outcome(made)}, touch {_outcome(touched)}.")


def rhine(request: ModelRequest) -> Text:
    """What follows from what was said before."""
    has_told = any("Where does it flow?" in text for text in request.texts)
    return Text("The Rhine flows into the North Sea." if has_told else "The Rhine does what?")


def named(request: ModelRequest) -> Text:
    """A river or a sea."""
    return Text("The Danube." if "river" in request.texts[-1] else "The Black Sea.")


def rivers(request: ModelRequest) -> Text:
    """What was asked for again, with what was wrong with it."""
    found = [
        {"name": "Ganges", "continent": "Asia", "length_km": 2525},
        {"name": "Nile", "continent": "Africa", "length_km": 6650},
    ]
    return Text(json.dumps({"result": found if "[0].length_km" in request.texts[-1] else []}))


def rules(request: ModelRequest) -> Text:
    """What became of four commands."""
    names = ("mkdir", "ls", "rm", "mkdir $(date)")
    outcomes = zip(names, request.tool_outputs.values(), strict=True)
    return Text(", ".join(f"{name} {_outcome(output)}" for name, output in outcomes) + ".")


def bought(request: ModelRequest) -> Text:
    """What came of four calls."""
    there, missing, refused, order = request.tool_outputs.values()
    why = "20 was too much" if "less than or equal to 10" in str(refused) else str(refused)
    return Text(f"Tea: {there}. {missing} Bought {json.loads(order)['amount']}, for {why}.")


def _outcome(output: object) -> str:
    return "was declined" if "rejected" in str(output) else "worked"


def conversation(request: ModelRequest) -> Text:
    """An echo; but whoever asks for numbers gets them, slowly."""
    said = request.texts[-1]
    return Text(NUMBERS, delay_s=0.2) if said.startswith("count") else Text(f"You said: {said}")


def total(request: ModelRequest) -> ToolCall:
    """What a tool has given, as the output of the run."""
    (result,) = request.tool_outputs.values()
    return ToolCall("final_result", {"result": int(result), "explanation": "The tool has added them."})


ANSWERS: dict[str, tuple[Answer | Callable[[ModelRequest], Answer], ...]] = {
    "01_quickstart_constructor": (Text("Hello, nice to meet you!"), Text("Goodbye, until next time.")),
    "02_turn_run": (command("echo hello"), Text("It printed hello.")),
    "03_turn_stream_events": (command("echo hello"), Text("It printed hello.")),
    "04_models_and_metadata": (),
    "05_existing_thread": (Text("OK"), favourite_colour),
    "06_thread_lifecycle_and_controls": (Text("One."), Text("Two."), Text("They counted.")),
    "07_image_and_text": (pictures,),
    "08_local_image_and_text": (pictures,),
    "09_async_parity": (Text("Hello there."), Text("Goodbye.")),
    "10_error_handling_and_retry": (
        Failure(400, "there is no such model"),
        Text("Hello."),
        Text(NUMBERS, delay_s=0.5),
    ),
    "11_interactive_mini_cli": (conversation,) * 100,
    "12_turn_params_kitchen_sink": (options,),
    "13_model_select_and_turn_params": (product, product),
    "14_steering_and_interrupting": (Text(NUMBERS, delay_s=0.2), steered, Text(NUMBERS, delay_s=0.2)),
    "15_many_turns_at_once": (sea,) * len(SEAS),
    "16_approval_policy": (command("mkdir reports"), command("touch reports/one.txt"), approvals),
    "17_structured_output": (
        Text('{"result": [{"name": "Ganges", "continent": "Asia", "length_km": -1}]}'),
        rivers,
        Text('{"result": "Nile"}'),
    ),
    "18_stream_block": (command("echo hello"), Text(NUMBERS, delay_s=0.05), Text("I stopped counting.")),
    "19_many_prompts": (mouth,) * len(SEAS),
    "21_approval_rules": (*map(command, ("mkdir reports", "ls", "rm -r reports", "mkdir $(date +%A)")), rules),
    "22_watching_and_limiting": (*(command(f"echo {number}") for number in range(1, 6)), Text("Done.")),
    "25_telemetry": (
        ToolCall("weather", {"city": "Lisbon"}),
        ToolCall("weather", {"city": "Atlantis"}),
        Text("Sunny in Lisbon; of Atlantis nobody knows."),
    ),
    "26_pydantic_ai": (
        ToolCall("add", {"a": 19, "b": 23}),
        total,
        Text("Because of how air scatters light."),
        Text("A README."),
    ),
    "27_agents_sdk": (command("echo hello"), Text("It printed hello.")),
    "28_editor": (
        ToolCall(
            "exec_command",
            {"cmd": "mkdir reports", "sandbox_permissions": "require_escalated", "justification": "You asked for it."},
        ),
        Text("There it is."),
    ),
    "29_remote": (Text(NUMBERS, delay_s=0.4), Text("Seventeen, sixteen, and so on.")),
    "30_pool": (Text("A tenant."), Text("A tenant."), *(sea,) * len(SEAS)),
    "31_ray": (sea,) * len(SEAS),
    "32_fastapi": (Text("The Danube."), Text(NUMBERS, delay_s=0.05)),
    "33_langgraph": (Text("Where does what flow?"), Text("The Danube flows into the Black Sea."), rhine),
    "34_django": (Text("The Danube."), Text("Into the Black Sea.")),
    "35_celery": (named, named),
    "20_tools": (
        ToolCall("stock", {"what": "tea"}),
        ToolCall("stock", {"what": "milk"}),
        ToolCall("buy", {"what": "tea", "amount": 20}),
        ToolCall("buy", {"what": "tea", "amount": 2}),
        bought,
    ),
    "23_threads_as_handles": (Text("The Danube."), Text("The Black Sea."), Text("Vienna.")),
    "24_more_than_turns": (
        Text("No: count may be zero."),
        Text("first"),
        Text("second"),
        ToolCall("update_goal", {"status": "complete"}),
        Text("It is reached."),
    ),
}
