"""Cassettes: a session with a model, here an embedded one, recorded once and replayed offline, without its secrets."""

from __future__ import annotations

import errno
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from codex_app_server import Codex, TurnFailedError
from codex_app_server.testing import Cassette, Failure, ModelServer, Reasoning, Text, ToolCall
from codex_app_server.testing.recording import SCRUBBED, Exchange, events_in, packed, read, scrubber

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "sk-test-0123456789abcdefghij"
TOKEN = "hunter2hunter2"


@pytest.fixture
def real() -> Iterator[ModelServer]:
    """What stands in for a real model."""
    with ModelServer() as model:
        yield model


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MY_SERVICE_TOKEN", TOKEN)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return tmp_path / "cassettes" / "session.json"


def cassette(path: Path, real: ModelServer | None = None, **options: Any) -> Cassette:
    upstream = f"{real.url}/v1" if real else "http://127.0.0.1:9/v1"
    return Cassette(path, model="gpt-5", upstream=upstream, **options)


def session(model: Cassette, codex_binary: Path, *words: str) -> list[str | None]:
    """What comes of some turns in one thread."""
    with Codex(model.config(codex_bin=codex_binary)) as codex:
        thread = codex.thread_start(ephemeral=True)
        return [thread.run(each).final_response for each in words]


def test_a_session_is_recorded_once_and_replayed_offline(real: ModelServer, path: Path, codex_binary: Path) -> None:
    real.add(
        [Reasoning("I look."), ToolCall("exec_command", {"cmd": f"echo {TOKEN}"})],
        Text(f"It is {TOKEN}, with {KEY}."),
        Text("Bye."),
    )
    words = ("Look.", f"My key is {KEY}.")
    with cassette(path, real) as model:
        assert model.is_recording
        recorded = session(model, codex_binary, *words)
    assert recorded == [f"It is {SCRUBBED}, with {SCRUBBED}.", "Bye."]
    assert [request.headers["authorization"] for request in real.requests] == [f"Bearer {KEY}"] * 3
    assert not [request for request in model.requests if "authorization" in request.headers]
    kept = path.read_text(encoding="utf-8")
    assert KEY not in kept
    assert TOKEN not in kept
    assert "Bearer" not in kept
    with cassette(path) as model:
        assert not model.is_recording
        assert session(model, codex_binary, *words) == recorded
        model.assert_used_up()
    assert len(real.requests) == 3


def test_turns_side_by_side_find_their_answers(real: ModelServer, path: Path, codex_binary: Path) -> None:
    real.add(*[lambda request: Text(f"You said {request.said[-1]}.")] * 2)
    with cassette(path, real) as model:
        session(model, codex_binary, "one")
        session(model, codex_binary, "two")
    with cassette(path) as model:
        assert session(model, codex_binary, "two") == ["You said two."]
        assert session(model, codex_binary, "one") == ["You said one."]


def test_what_was_not_recorded_fails_the_turn_and_the_test(real: ModelServer, path: Path, codex_binary: Path) -> None:
    real.add(Text("Hello."))
    with cassette(path, real) as model:
        session(model, codex_binary, "Hi.")
    words = r"no answer to .*'said': \['Ho.'\].* left are .*'Hi.'"
    with pytest.raises(LookupError, match=words) as caught, cassette(path) as model:
        session(model, codex_binary, "Ho.")
    assert isinstance(caught.value.__context__, TurnFailedError)
    with cassette(path) as model, pytest.raises(AssertionError, match=r"these were not asked for: .*'Hi.'"):
        model.assert_used_up()


def test_a_failure_is_a_part_of_the_session(real: ModelServer, path: Path, codex_binary: Path) -> None:
    real.add(Failure(400, f"no such model, {KEY}"))

    def failure(model: Cassette) -> str:
        with pytest.raises(TurnFailedError) as caught:
            session(model, codex_binary, "Hi.")
        return str(caught.value.result.failure)

    with cassette(path, real) as model:
        said = failure(model)
    assert "no such model" in said
    assert KEY not in said
    with cassette(path) as model:
        assert failure(model) == said


def test_what_changes_from_run_to_run_can_be_left_out(real: ModelServer, path: Path, codex_binary: Path) -> None:
    real.add(Text("Read."))
    secrets = [re.compile(r"/tmp/\w+")]
    with cassette(path, real, secrets=secrets) as model:
        session(model, codex_binary, "Read /tmp/one.")
    with cassette(path, secrets=secrets) as model:
        assert session(model, codex_binary, "Read /tmp/two.") == ["Read."]


def test_a_session_that_goes_wrong_leaves_no_file(real: ModelServer, path: Path) -> None:
    with pytest.raises(RuntimeError, match="on purpose"), cassette(path, real):
        raise RuntimeError("on purpose")
    assert not path.exists()


def test_when_it_records(real: ModelServer, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="must not be recorded"):
        cassette(path, record="never")
    with cassette(path, real):
        pass
    with cassette(path, real) as model:
        assert not model.is_recording
    with cassette(path, real, record="always") as model:
        assert model.is_recording
    with pytest.raises(ValueError, match="'once', 'never' or 'always'"):
        cassette(path, record="sometimes")
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"session\.json is no cassette"):
        cassette(path)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="set OPENAI_API_KEY, or say headers"):
        cassette(path, record="always")


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "ghp_" + "a1" * 18,
        "AKIA" + "A1" * 8,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
        TOKEN,
        "mine",
    ],
)
def test_secrets_are_scrubbed_wherever_they_are_cut(secret: str) -> None:
    scrub = scrubber(["mine"], {"A_PASSWORD": TOKEN, "SHORT_KEY": "a", "HOME": "/home/somebody"})
    half = len(secret) // 2
    about = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0}
    events = [
        {**about, "delta": f"a {secret[:half]}", "sequence_number": 1, "obfuscation": "x"},
        {**about, "delta": f"{secret[half:]} b", "sequence_number": 2},
        {
            "type": "response.output_item.done",
            "item": {"type": "function_call", "arguments": json.dumps({"a": [secret]})},
        },
    ]
    kept = packed(events, scrub)
    assert kept[0] == {**about, "delta": f"a {SCRUBBED} b"}
    assert json.loads(kept[1]["item"]["arguments"]) == {"a": [SCRUBBED]}
    assert scrub("/home/somebody has a cat") == "/home/somebody has a cat"


def test_what_repeats_the_request_is_not_kept() -> None:
    first = b'{"type": "a", "response": {"id": "r", "instructions": "long", "usage": {}}}'
    stream = b"event: a\ndata: " + first + b"\n\ndata: [DONE]\n\n"
    reasoning = {"type": "b", "item": {"type": "reasoning", "encrypted_content": "long", "summary": []}}
    kept = packed([*events_in(stream), reasoning], str)
    assert kept == [
        {"type": "a", "response": {"id": "r", "usage": {}}},
        {"type": "b", "item": {"type": "reasoning", "summary": []}},
    ]


def test_lines_end_where_those_of_events_do() -> None:
    stream = 'data: {"delta": "a\u2028b\x85c\x0cd"}\r\n\r\ndata: {"delta": "e"}\n\n'
    stream = stream.replace("\x0c", "\\f")  # which JSON escapes, as it does all below a space
    assert events_in(stream.encode()) == [{"delta": "a\u2028b\x85c\x0cd"}, {"delta": "e"}]


def test_halves_of_a_character_are_kept(path: Path) -> None:
    with cassette(path, record="always") as model:
        said = [{"type": "a", "delta": "\ud83d\ude00"}, {"type": "a", "delta": "a\ud83d"}]
        model._exchanges.append(Exchange({"said": []}, 200, said))
    (exchange,) = read(path.read_text(encoding="utf-8"))
    assert [each["delta"] for each in exchange.events] == ["😀", "a\ud83d"]


def test_a_cassette_that_cannot_be_written_leaves_the_one_before(
    real: ModelServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cassette(path, real):
        pass
    before = path.read_bytes()

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(path), "write_bytes", full)
    with pytest.raises(OSError, match="No space left"), cassette(path, real, record="always"):
        pass
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"events": None}, "no list of objects in events"),
        ({"events": [5]}, "no list of objects in events"),
        ({"events": [{}]}, "an event without a type"),
        ({"asked": 5}, "no object in asked"),
        ({"status": "500"}, "no number in status"),
        ({"status": 500}, "no message of an error"),
        ({"status": 500, "events": [{"error": "no"}]}, "no message of an error"),
        ({"more": 1}, "none of asked, status, events"),
    ],
)
def test_a_damaged_cassette_is_refused_before_anything_is_asked(
    path: Path, changes: dict[str, object], words: str
) -> None:
    sound = {"asked": {}, "status": 200, "events": []}
    path.parent.mkdir()
    path.write_text(json.dumps({"version": 1, "exchanges": [sound, {**sound, **changes}]}))
    with pytest.raises(ValueError, match=rf"session.json is no cassette: exchange 1, .*{words}"):
        cassette(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [("[" * 100_000, "too deep"), ('{"version": 1}', "no list"), ("", "Expecting value"), ("[]", "no version 1")],
)
def test_what_is_no_cassette_is_refused(path: Path, text: str, words: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ValueError, match=f"session.json is no cassette: .*{words}"):
        cassette(path)


@pytest.mark.parametrize("secrets", ["hunter2", [5], [re.compile(b"a")], re.compile("a")])
def test_secrets_are_a_list_of_texts_and_patterns(path: Path, real: ModelServer, secrets: Any) -> None:
    with pytest.raises(TypeError, match="secret") as caught:
        cassette(path, real, secrets=secrets)
    assert "hunter2" not in str(caught.value)
