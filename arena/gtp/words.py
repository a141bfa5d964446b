"""What the words of a command mean. GTPError where they mean nothing."""

from __future__ import annotations

from arena.gtp.protocol import GTPError

COLOURS = {"b": 0, "black": 0, "w": 1, "white": 1}
LARGEST = 10**9
BOOLEANS = {"true": True, "false": False}


def is_colour(text: str) -> bool:
    return text.lower() in COLOURS


def colour(text: str) -> int:
    """0 Black, 1 White."""
    if not is_colour(text):
        raise GTPError("syntax error: invalid color")
    return COLOURS[text.lower()]


def whole(text: str) -> int:
    """A number such as 0 or 19."""
    if not (text.isascii() and text.isdecimal() and len(text) < len(str(LARGEST))):
        raise GTPError("syntax error: not an integer")
    return int(text)


def number(text: str) -> float:
    """A number such as 0 or 7.5, of seconds for one."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < LARGEST:
        raise GTPError("syntax error: not a number")
    return value


def boolean(text: str) -> bool:
    if text.lower() not in BOOLEANS:
        raise GTPError("syntax error: not true or false")
    return BOOLEANS[text.lower()]
