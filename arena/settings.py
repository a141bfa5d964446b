"""YAML files and command-line overrides as typed, closed settings: every mistake at once, each with its place and remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json, to_json
from yaml import YAMLError

import configs

Model = TypeVar("Model", bound=BaseModel)
COMMAND_LINE = "command line"


class SettingsError(ValueError):
    """One line a problem: where, which key, what is wrong, what to write instead."""


def find_config(name: str) -> Path:
    """The file `name`, or the config of that name that comes with the package. SettingsError names the nearest one."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in Path(str(configs.__file__)).parent.glob("*.yaml")}
    if name in shipped:
        return shipped[name]
    if path.suffix or path.parent != Path():
        raise SettingsError(f"{name}: no such config file{_hint(path.stem, shipped)}")
    raise SettingsError(f"there is no config '{name}'{_hint(name, shipped)} Configs: {', '.join(sorted(shipped))}")


def kind(path: Path) -> str:
    """What sort of experiment the YAML file `path` says it is: its `kind`, empty for self-play."""
    return str(_read(path).get("kind", ""))


def load(model: type[Model], path: Path, overrides: Sequence[str] = ()) -> Model:
    """`model` from the YAML file `path`, changed by overrides such as `train.lr=0.05` (a leading `--` is ignored).

    Values are literal: nothing is filled in from other keys or from the environment. An override of a section changes the
    keys it names, one of any other key is the whole new value. SettingsError lists every mistake.
    """
    tree = _read(path)
    sections = {key.rpartition(".")[0] for key, _ in _keys(model)}
    given: list[str] = []
    problems: list[str] = []
    for override in overrides:
        key, equals, value = override.removeprefix("--").partition("=")
        if not equals or not key:
            problems.append(f"{COMMAND_LINE}: '{override}' is no setting: write key=value, such as train.lr=0.001")
            continue
        given.append(key)
        try:
            new = OmegaConf.create(f"x: {value}").x
            OmegaConf.update(tree, key, new, merge=key in sections, force_add=True)
        except (OmegaConfBaseException, YAMLError) as error:
            problems.append(f"{COMMAND_LINE}: {key}: {_first_line(error)}")
    document = to_json(OmegaConf.to_container(tree, resolve=False))
    try:
        # JSON, since there strict validation takes lists for tuples
        settings = model.model_validate_json(document)
    except ValidationError as error:
        problems += _problems(model, from_json(document), path, given, error)
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def dump(settings: BaseModel) -> str:
    """YAML that `load` reads back as an equal object, every default written out."""
    return str(OmegaConf.to_yaml(OmegaConf.create(settings.model_dump(mode="json"))))


def _read(path: Path) -> DictConfig:
    try:
        tree = OmegaConf.load(path)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from None
    except (OmegaConfBaseException, YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: no valid YAML: {_first_line(error)}") from None
    if not isinstance(tree, DictConfig) or not tree:
        raise SettingsError(f"{path}: expected settings as 'key: value' lines, found none")
    return tree


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _problems(
    model: type[BaseModel], values: Any, path: Path, given: Sequence[str], error: ValidationError
) -> list[str]:
    """One line a wrong key; what the members of a union say about the same value is one line too."""
    messages: dict[tuple[str, str], list[str]] = {}
    inputs: dict[tuple[str, str], str] = {}
    for problem in error.errors():
        key = _key(values, problem)
        inside = [g for g in given if g.startswith(f"{key}.")]
        own = inside or any(f"{key}.".startswith(f"{g}.") for g in given)
        where = COMMAND_LINE if own else f"{path} and {COMMAND_LINE}" if given and not key else str(path)
        shows_input = problem["type"] not in ("extra_forbidden", "missing", "value_error", "assertion_error")
        # In a group that nobody knows: the keys as they were typed.
        for typed in inside if inside and problem["type"] == "extra_forbidden" else [key]:
            messages.setdefault((where, typed), []).append(_message(model, typed, problem))
            inputs[where, typed] = f", not {problem['input']!r}" if shows_input else ""
    return [
        f"{where}: {key + ': ' if key else ''}{' or '.join(dict.fromkeys(texts))}{inputs[where, key]}"
        for (where, key), texts in messages.items()
    ]


def _key(values: Any, problem: ErrorDetails) -> str:
    """The dotted key of a problem. Pydantic's location may end in names of union members: those are no keys."""
    parts: list[str] = []
    for part in problem["loc"]:
        known = part in values if isinstance(values, dict) else isinstance(values, list) and isinstance(part, int)
        if not known and problem["type"] != "missing":
            break
        parts.append(str(part))
        values = values[part] if known else None
    return ".".join(parts)


def _message(model: type[BaseModel], key: str, problem: ErrorDetails) -> str:
    match problem["type"]:
        case "extra_forbidden":
            near = _nearest(key, dict(_keys(model)))
            return "no such key" + (f"; did you mean '{near}'?" if near else "")
        case "missing":
            return "missing; it needs a value"
        case "model_type" | "dict_type":
            return "should be a group of settings, 'key: value' lines"
        case _:
            return (
                problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ").removeprefix("Input ")
            )


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, None]]:
    """Every dotted key that `model` knows."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", None
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _keys(kind, f"{prefix}{name}.")


def _nearest(key: str, known: dict[str, None]) -> str | None:
    """The known key most like `key`: as a whole, else by its last part, else the group it was meant to be in."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    if near:
        return near[0]
    by_last = {k.rpartition(".")[2]: k for k in reversed(known)}  # the first of equal names
    group, _, last = key.rpartition(".")
    near = difflib.get_close_matches(last, by_last, n=1)
    if near:
        return by_last[near[0]]
    return _nearest(group, known) if group and group not in known else None


def _hint(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else "."
