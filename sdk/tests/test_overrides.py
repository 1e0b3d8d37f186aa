"""Settings on the runtime's command line."""

from __future__ import annotations

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
        ({"a": "\ud800"}, ValueError, "a has a character that is none"),
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


def test_names_of_variables_are_no_secrets() -> None:
    settings: dict[str, Any] = {"model_providers": {"a": {"env_key": "A_TOKEN"}}, "b": {"bearer_token_env_var": "B"}}
    assert len(as_overrides(settings)) == 2
    assert as_toml([date(2026, 1, 2), datetime(2026, 1, 2, 3)], "x") == "[2026-01-02, 2026-01-02T03:00:00]"  # noqa: DTZ001
