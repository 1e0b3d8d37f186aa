from __future__ import annotations

import json
import math
from collections import OrderedDict
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_app_server.events import faster_lists
from codex_app_server.protocol import messages
from codex_app_server.protocol.messages import (
    ErrorResponse,
    Junk,
    Message,
    Notification,
    Response,
    ServerRequest,
    encode_error,
    encode_notification,
    encode_request,
    parse,
    parse_all,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_app_server.protocol.messages import JsonValue


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id":1,"result":{"a":[1]}}', Response(1, {"a": [1]})),
        (b'{"id":1,"result":null}', Response(1, None)),
        (b'{"id":1,"result":2,"error":null}', Response(1, 2)),
        (b'{"id":"x","error":{"code":-32600,"message":"no"}}', ErrorResponse("x", -32600, "no", None)),
        (b'{"id":1,"error":{"code":1,"message":"no","data":{"b":2}}}', ErrorResponse(1, 1, "no", {"b": 2})),
        (b'{"id":7,"method":"ask","params":{}}', ServerRequest(7, "ask", {})),
        (b'{"id":"7","method":"ask"}', ServerRequest("7", "ask", None)),
        (b'{"method":"tell","params":{"a":1},"emittedAtMs":5}', Notification("tell", {"a": 1})),
        (b'{"method":"tell","id":null}', Notification("tell", None)),
        (b' {"jsonrpc":"2.0","method":"tell","params":[1]}\r', Notification("tell", [1])),
    ],
)
def test_each_kind_is_told_by_its_members(line: bytes, message: Message) -> None:
    assert parse(line) == message
    assert type(parse(line)) is type(message)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (b'"gone"', -32603, "gone"),
        (b'{"message":"gone"}', -32603, "gone"),
        (b'{"code":"x"}', -32603, '{"code": "x"}'),
        (b"[]", -32603, "[]"),
    ],
)
def test_an_odd_error_is_still_an_error(error: bytes, code: int, message: str) -> None:
    assert parse(b'{"id":1,"error":' + error + b"}") == ErrorResponse(1, code, message, None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"Listening on stdio", "not JSON"),
        (b'{"id":1,"result":', "not JSON"),
        (b'{"method":"\xff"}', "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b"{}", "neither a method nor an id"),
        (b'{"method":5}', "neither a method nor an id"),
        (b'{"id":null,"error":{"code":-32700,"message":"?"}}', "neither a method nor an id"),
        (b'{"id":1}', "no method, result or error"),
        (b'{"id":true,"result":1}', "neither a string nor an integer"),
        (b'{"id":1.0,"result":1}', "neither a string nor an integer"),
        (b'{"id":[],"method":"ask"}', "neither a string nor an integer"),
    ],
)
def test_what_is_no_message_is_junk_with_a_reason(line: bytes, reason: str) -> None:
    junk = parse(line)

    assert isinstance(junk, Junk)
    assert junk.line == line
    assert reason in junk.reason


@settings(deadline=None)
@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error", "code", "message"]), inner),
    max_leaves=10,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_line_raises(line: bytes) -> None:
    assert parse(line) is not None


def test_a_request_is_one_line_without_the_jsonrpc_member() -> None:
    assert (
        encode_request(1, "thread/read", {"a": "ü\n"})
        == '{"id":1,"method":"thread/read","params":{"a":"ü\\n"}}\n'.encode()
    )


def test_parameters_that_are_none_are_left_out() -> None:
    assert encode_request("a", "account/logout", None) == b'{"id":"a","method":"account/logout"}\n'
    assert encode_notification("initialized") == b'{"method":"initialized"}\n'


def test_any_mapping_will_do_for_parameters() -> None:
    assert encode_notification("tell", OrderedDict(a=1)) == b'{"method":"tell","params":{"a":1}}\n'


def test_an_error_says_whose_it_is() -> None:
    assert parse(encode_error("x", -32601, "unsupported")) == ErrorResponse("x", -32601, "unsupported", None)


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", b"bytes", {1, 2}, object()])
def test_what_the_runtime_could_not_read_is_never_written(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode_request(1, "m", {"value": value})


def test_text_that_is_no_unicode_is_named_by_its_option() -> None:
    with pytest.raises(ValueError, match=r"value of m has '\\ud800' in it, which is no Unicode"):
        encode_request(1, "m", {"other": "é", "value": [{"a": "x\ud800y"}]})


@settings(deadline=None)
@given(st.lists(st.sampled_from([
    b'{"method":"tell","params":{"a":"\xc3\xbc"}}', b'{"id":1,"result":{}}', b'{"id":null,"method":"tell"}',
    b'{"method":"tell","params":{"a":"\\ud800"}}', b"", b" ", b"{}", b"[", b"]", b"1],[2", b'{"a":1},{"b":2}',
    b'{"a":"', b'"}', b"\xff", b"garbage", b'{"method":"tell"}\r', b"[" * 5_000, b'{"method":"x","params":NaN}',
]), max_size=8))  # fmt: skip
@pytest.mark.parametrize("read_list", [messages._scan_list, faster_lists()])
def test_many_lines_are_read_as_each_is_alone(
    read_list: Callable[[bytes], list[JsonValue]], lines: list[bytes]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "_json_list", read_list)
        together = parse_all(lines)

    assert repr(together) == repr([parse(line) for line in lines])  # NaN is not itself
