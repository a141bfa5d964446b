"""Whatever is typed or read from a file gets a documented answer, soon, and the next input is treated as if nothing had been."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import KINDS, fuzz

FEEDS = {kind: start() for kind, (start, _) in KINDS.items() if kind not in ("gtp", "json")}


@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_is_answered_as_documented(kind: str) -> None:
    seen, _, _ = fuzz(kind, 100, seed=1)
    assert sum(seen.values()) == 100
    assert len(seen) > 3  # it got past the first check


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_thousand_bad_inputs_are_answered_as_documented(kind: str) -> None:
    fuzz(kind, 100_000, seed=0)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(FEEDS)), st.binary(max_size=200))
def test_any_bytes_are_a_file_of_records(kind: str, data: bytes) -> None:
    FEEDS[kind](data)


@pytest.fixture(scope="module")
def conversations() -> dict[str, object]:
    return {kind: KINDS[kind][0]() for kind in ("gtp", "json")}


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["gtp", "json"]),
    st.binary(max_size=200) | st.text(max_size=100).map(lambda s: s.encode("utf-8", "replace")),
)
def test_any_bytes_can_be_said_to_an_engine(conversations: dict[str, object], kind: str, data: bytes) -> None:
    conversations[kind](data)  # type: ignore[operator]  # a `Feed`
