"""Rules of Go as KataGo names them, and which of them are ours: area scoring, any ko rule, with or without suicide.

>>> parse("chinese")[0]
Rules(superko='simple', suicide=False, bonus='N')
>>> parse({"ko": "SITUATIONAL", "scoring": "TERRITORY"}, parse("tromp-taylor")[0])
(Rules(superko='situational', suicide=True, bonus='0'), ['scoring TERRITORY'])
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from envs.go import Go

BONUSES = ("0", "N-1", "N")
KO = {"SIMPLE": "simple", "POSITIONAL": "positional", "SITUATIONAL": "situational"}
OURS = {"scoring": "AREA", "tax": "NONE", "hasButton": False}  # what cannot be otherwise


class Rules(NamedTuple):
    superko: str  # as `Go` names it
    suicide: bool
    bonus: str  # points that White gets for N handicap stones, one of `BONUSES`

    def bonus_points(self, stones: int) -> int:
        """What White gets for so many handicap stones; a single one is no handicap."""
        return (0, stones - 1, stones)[BONUSES.index(self.bonus)] if stones > 1 else 0


_CHINESE, _SUPERKO = Rules("simple", False, "N"), Rules("positional", False, "N")
_AGA = Rules("situational", False, "N-1")
_TERRITORY = Rules("simple", False, "0")
NAMED: dict[str, tuple[Rules, list[str]]] = {  # the nearest of ours, and what is not ours
    "tromp-taylor": (Rules("positional", True, "0"), []),
    "chinese": (_CHINESE, []),
    "chinese-ogs": (_SUPERKO, []),
    "chinese-kgs": (_SUPERKO, []),
    "aga": (_AGA, []),
    "bga": (_AGA, []),
    "new-zealand": (Rules("situational", True, "0"), []),
    "japanese": (_TERRITORY, ["scoring TERRITORY", "tax SEKI"]),
    "korean": (_TERRITORY, ["scoring TERRITORY", "tax SEKI"]),
    "stone-scoring": (_TERRITORY, ["tax ALL"]),
    "aga-button": (_AGA, ["hasButton true"]),
}


def of(game: Go) -> Rules:
    """The rules of `game`: White gets no points for handicap stones."""
    return Rules(game.superko, game.suicide, "0")


def parse(told: object, base: Rules | None = None) -> tuple[Rules, list[str]]:
    """The nearest rules to those told, by name or field by field, and what of them we have not.

    Fields that are not told are those of `base`. ValueError where this names no rules.
    """
    if isinstance(told, str):
        name = told.lower().replace("_", "-").replace(" ", "-")
        if name not in NAMED:
            raise ValueError(f"unknown rules '{told[:40]}': choose {', '.join(NAMED)}")
        return NAMED[name]
    if not isinstance(told, Mapping):
        raise ValueError("rules are a name or a dictionary")
    rules, missing = base or NAMED["tromp-taylor"][0], []
    for field, value in told.items():
        if field == "ko" and str(value) in KO:
            rules = rules._replace(superko=KO[str(value)])
        elif field == "suicide" and isinstance(value, bool):
            rules = rules._replace(suicide=value)
        elif field == "whiteHandicapBonus" and str(value) in BONUSES:
            rules = rules._replace(bonus=str(value))
        elif field in OURS and isinstance(value, type(OURS[field])):
            missing += [f"{field} {str(value)[:20]}"] * (value != OURS[field])
        elif field != "friendlyPassOk":  # the players' business, not the rules'
            raise ValueError(f"unknown rule {str(field)[:20]} {str(value)[:20]}")
    return rules, missing


def described(rules: Rules) -> dict[str, object]:
    """`rules` field by field."""
    fields = {"ko": rules.superko.upper(), "suicide": rules.suicide, "whiteHandicapBonus": rules.bonus, **OURS}
    return dict(sorted(fields.items()))
