"""The base of every settings object: typed, closed, frozen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A group of settings. Unknown keys and wrong types are errors; nothing changes after it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
