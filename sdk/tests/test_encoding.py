"""What callers pass, as JSON values."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, IntEnum
from pathlib import Path, PurePosixPath

import pytest

import codex_app_server
from codex_app_server.generated import (
    ApiKeyLoginAccountParams,
    ReadOnlySandboxPolicy,
    SandboxMode,
    TextUserInput,
    TurnEnvironmentParams,
)
from codex_app_server.models.encoding import encode_options
from codex_app_server.models.model import decode
from codex_app_server.protocol.messages import encode_request


@dataclass
class Greeting:
    """Says itself."""

    name: str

    def to_wire(self) -> dict[str, object]:
        return {"type": "text", "text": f"hello {self.name}", "from": PurePosixPath("/tmp")}


class Color(Enum):
    red = "red"


class Size(IntEnum):
    small = 1


class Shouted(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


def test_none_is_not_sent_but_may_be_inside() -> None:
    assert encode_options({"a": None, "b": 0, "c": "", "d": False, "e": [], "f": {"x": None}, "g": [None]}) == {
        "b": 0,
        "c": "",
        "d": False,
        "e": [],
        "f": {"x": None},
        "g": [None],
    }


def test_models_are_sent_with_what_was_set_under_wire_names() -> None:
    options = {"sandboxPolicy": ReadOnlySandboxPolicy(network_access=True), "input": [TextUserInput(text="x")]}
    assert encode_options(options) == {
        "sandboxPolicy": {"type": "readOnly", "networkAccess": True},
        "input": [{"type": "text", "text": "x"}],
    }


def test_a_model_can_be_all_the_parameters() -> None:
    assert encode_options(ApiKeyLoginAccountParams(api_key="k")) == {"type": "apiKey", "apiKey": "k"}
    with pytest.raises(TypeError, match="params must be a model, not str"):
        encode_options("x")


def test_an_explicit_null_of_a_model_is_sent() -> None:
    environment = TurnEnvironmentParams(environment_id="e", cwd="/x", runtime_workspace_roots=None)
    assert encode_options({"e": environment}) == {
        "e": {"environmentId": "e", "cwd": "/x", "runtimeWorkspaceRoots": None}
    }


def test_what_was_decoded_goes_back_as_it_came() -> None:
    sent = {"type": "text", "text": 5, "new": [1]}
    assert encode_options({"input": [decode("UserInput", sent)]}) == {"input": [sent]}


def test_enums_paths_and_what_says_itself() -> None:
    encoded = encode_options(
        {
            "mode": SandboxMode.read_only,
            "color": Color.red,
            "size": Size.small,
            "cwd": Path("a", "b"),
            "roots": (PurePosixPath("/c"),),
            "greeting": Greeting("you"),
            "shouted": Shouted("quiet"),
        }
    )
    assert encoded == {
        "mode": "read-only",
        "color": "red",
        "size": 1,
        "cwd": str(Path("a", "b")),
        "roots": ["/c"],
        "greeting": {"type": "text", "text": "hello you", "from": "/tmp"},
        "shouted": "quiet",
    }
    assert {type(value) for value in encoded.values()} == {str, int, list, dict}
    assert encode_request(1, "m", encoded)


def test_any_mapping_and_sequence_will_do() -> None:
    encoded = encode_options({"config": OrderedDict({Color.red.value: range(2)}), "keys": {SandboxMode.read_only: 1}})
    assert encoded == {"config": {"red": [0, 1]}, "keys": {"read-only": 1}}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (object(), "a: object cannot be sent"),
        (b"x", "a: bytes cannot be sent"),
        ({1, 2}, "a: set cannot be sent"),
        ([{"x": 1j}], r"a\[0\]\.x: complex cannot be sent"),
        ({1: 2}, "a: the key 1 is not a string"),
        (SandboxMode, "a: the class SandboxMode cannot be sent"),
    ],
)
def test_the_message_names_the_option(value: object, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        encode_options({"a": value})


@pytest.mark.parametrize("word", ["read-only", SandboxMode.read_only])
def test_a_word_for_a_sandbox_is_no_policy(word: object) -> None:
    with pytest.raises(TypeError, match=r"sandbox_policy: .*read.only.* sandbox= .*ReadOnlySandboxPolicy\(\)"):
        encode_options({"sandboxPolicy": word})


def test_plain_values_need_no_pydantic() -> None:
    source = str(Path(codex_app_server.__file__).parents[1])
    program = (
        f"import sys; sys.path.insert(0, {source!r}); from codex_app_server.models.encoding import encode_options; "
        "encode_options({'a': [1, {'b': None}]}); print('pydantic' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "False"
