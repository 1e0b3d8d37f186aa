"""Settings on the runtime's command line."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from codex_app_server import AppServerConfig
from codex_app_server.overrides import as_overrides, as_toml

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
zones = st.none() | st.integers(-1_439, 1_439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
values = st.recursive(
    texts
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.dates()
    | st.times()
    | st.datetimes(timezones=zones),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts.filter(lambda key: "_" not in key), inner),
    max_leaves=8,
)


@given(values)
def test_a_toml_reader_reads_what_was_meant(value: object) -> None:
    assert tomli.loads(f"x={as_toml(value, 'x')}")["x"] == value


def test_what_is_no_number_is_none_in_toml_too() -> None:
    assert math.isnan(tomli.loads(f"x={as_toml(math.nan, 'x')}")["x"])
    assert as_toml(-math.inf, "x") == "-inf"


def test_tables_are_written_whole_for_the_runtime_splits_keys_at_dots() -> None:
    settings: dict[str, Any] = {
        "model": "o",
        "projects": {"/a.b": {"trust_level": "trusted"}},
        "a": {"x": [1, True]},
    }
    assert as_overrides(settings) == [
        'model="o"',
        'projects={"/a.b" = {trust_level = "trusted"}}',
        "a={x = [1, true]}",
    ]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"a.b": 1}, ValueError, "'a.b' is no key of config.toml; tables within tables are mappings"),
        ({"a": {"b": [1, None]}}, TypeError, r"a.b\[1\] is of type NoneType"),
        ({"a": {1: 2}}, TypeError, "a key of a is of type int"),
        ({"a": b"x"}, TypeError, "a is of type bytes"),
        ({"a": 2**63}, ValueError, "a is beyond the integers"),
        ({"a": time(1, tzinfo=timezone.utc)}, ValueError, "a is a time with a time zone"),
        ({"a": "\ud800"}, ValueError, "a has half of a surrogate pair in it"),
        (
            {"a": {"http_headers": {"Authorization": "Bearer x"}}},
            ValueError,
            "a.http_headers.Authorization looks like a",
        ),
        (
            {"mcp_servers": {"a": {"env": {"GH_TOKEN": "x"}}}},
            ValueError,
            "mcp_servers.a.env.GH_TOKEN looks like a secret",
        ),
        ({"a": {"http_headers": {"Cookie": "x"}}}, ValueError, "Cookie looks like a secret"),
        ({"a": {"args": ["--quiet", "--token=x"]}}, ValueError, "a.args looks like a secret"),
        ({"a": {"http_headers": {"X-Api-Key": "x"}}}, ValueError, "X-Api-Key looks like a secret"),
        ({"experimental_bearer_token": "x"}, ValueError, "experimental_bearer_token looks like a secret"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_path(settings: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        AppServerConfig(config=settings)
    assert "Bearer" not in str(caught.value)


KEY = "sk-proj-0123456789abcdefghij"


@pytest.mark.parametrize(
    "settings",
    [
        {"notes": KEY},
        {"a": {"b": [f"say {KEY}"]}},
        {"args": ["--token", KEY]},
        {"args": ["--api-key", "hunter2"]},
        {"args": ["--header", "Authorization: Bearer hunter2"]},
        {"args": ["--header=X-Api-Key: hunter2"]},
        {"url": "https://u:hunter2@h/x"},
    ],
)
def test_what_looks_like_a_secret_is_refused_wherever_it_stands(settings: Any) -> None:
    for options in ({"config": settings}, {"config_overrides": as_overrides_unchecked(settings)}):
        with pytest.raises(ValueError, match="looks like a secret") as caught:
            AppServerConfig(**options)
        assert "hunter2" not in str(caught.value)
        assert KEY not in str(caught.value)


def as_overrides_unchecked(settings: dict[str, Any]) -> list[str]:
    # JSON's arrays and strings are TOML's; a table within is said as a dotted key.
    flat = {f"{name}.b": each["b"] if isinstance(each, dict) else each for name, each in settings.items()}
    return [f"{name}={json.dumps(each)}" for name, each in flat.items()]


@pytest.mark.parametrize(
    "override",
    [
        'model_providers.zz.experimental_bearer_token="hunter2"',
        "model_providers.zz.experimental_bearer_token=hunter2",
        'model_providers.zz={name="z", experimental_bearer_token = "hunter2"}',
        """mcp_servers.a.http_headers={"Authorization"='hunter2'}""",
        'mcp_servers.a.http_headers."X-Api-Key"="hunter2"',
        f"notes={KEY}",
        f'mcp_servers.a.env_http_headers.Authorization="{KEY}"',
        """mcp_servers.a={env_http_headers={"X"="Y"}, http_headers={"Authorization"='hunter2'}}""",
        "openai_base_url=http://u:hunter2@h/v1",
    ],
)
def test_a_secret_is_refused_in_toml_too(override: str) -> None:
    with pytest.raises(ValueError, match=r"^config_overrides\[1\] looks like a secret") as caught:
        AppServerConfig(config_overrides=["a=1", override])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "override",
    [
        "a.max_token=5",
        "features.token=true",
        "a.token=[1, 2]",
        'b={env_key="A_TOKEN", bearer_token_env_var = "B"}',
        'args=["--token", "--verbose", "--header", "Authorization: Bearer ${TOKEN}"]',
        'openai_base_url="https://h:8080/v1?to=a@b"',
        'url="https://u:$PASSWORD@h/x"',
        'mcp_servers.a={url="u", env_http_headers={"Authorization"="A_TOKEN"}}',
        'mcp_servers.a.env_http_headers={"Authorization"="A_TOKEN"}',
        'mcp_servers.a.env_http_headers.Authorization="A_TOKEN"',
    ],
)
def test_what_only_names_a_secret_is_taken(override: str) -> None:
    assert AppServerConfig(config_overrides=[override]).overrides() == [override]


def test_no_message_says_a_secret() -> None:
    wrong: list[dict[str, Any]] = [
        {"features": {"x": KEY}},
        {"cwd": [KEY]},
        {"config_overrides": [KEY]},
        {"base_url": f"https://h/{KEY}", "api_key": "k"},
        {"base_url": "https://u:hunter2@h/v1", "api_key": "k"},
    ]
    for options in wrong:
        with pytest.raises((TypeError, ValueError)) as caught:
            AppServerConfig(**options)
        assert KEY not in str(caught.value)
        assert "hunter2" not in str(caught.value)


def test_names_of_variables_are_no_secrets() -> None:
    settings: dict[str, Any] = {"model_providers": {"a": {"env_key": "A_TOKEN"}}, "b": {"bearer_token_env_var": "B"}}
    settings["mcp_servers"] = {"a": {"env_http_headers": {"Authorization": "A_TOKEN"}}}
    assert len(as_overrides(settings)) == 3
    assert as_toml([date(2026, 1, 2), datetime(2026, 1, 2, 3)], "x") == "[2026-01-02, 2026-01-02T03:00:00]"  # noqa: DTZ001
