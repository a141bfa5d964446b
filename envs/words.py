"""Numbers in sentences."""


def number_of(number: int, thing: str) -> str:
    """So many of `thing`, whose plural ends in s.

    >>> number_of(1, "move"), number_of(0, "move"), number_of(2000, "visit")
    ('1 move', '0 moves', '2,000 visits')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
