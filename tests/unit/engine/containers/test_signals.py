from __future__ import annotations

import pytest

from engine.containers.signals import parse_signal
from engine.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "number"),
    [("SIGTERM", 15), ("term", 15), ("9", 9), ("sigkill", 9), ("RTMIN+3", 37), ("SIGRTMAX-1", 63), ("HUP", 1)],
)
def test_signals_are_known_by_name_and_number(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "-1", "SIGNOPE", "RTMIN+x", "TERM KILL"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid signal"):
        parse_signal(text)
