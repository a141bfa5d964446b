"""YAML files and command-line overrides as typed, closed settings: every mistake at once, each with its place and remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError
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
    if path.suffix or path.parent != Path():
        raise SettingsError(f"{name}: no such config file")
    shipped = {file.stem: file for file in Path(str(configs.__file__)).parent.glob("*.yaml")}
    if name in shipped:
        return shipped[name]
    raise SettingsError(f"there is no config '{name}'{_hint(name, shipped)} Configs: {', '.join(sorted(shipped))}")


def load(model: type[Model], path: Path, overrides: Sequence[str] = ()) -> Model:
    """`model` from the YAML file `path`, changed by overrides such as `train.lr=0.05` (a leading `--` is ignored)."""
    tree = _read(path)
    given: set[str] = set()
    for override in overrides:
        key, equals, value = override.removeprefix("--").partition("=")
        if not equals or not key:
            raise SettingsError(f"{COMMAND_LINE}: '{override}' is no setting: write key=value, such as train.lr=0.001")
        given.add(key)
        try:
            OmegaConf.update(tree, key, OmegaConf.create(f"x: {value}").x, force_add=True)
        except (OmegaConfBaseException, YAMLError) as error:
            raise SettingsError(f"{COMMAND_LINE}: {key}: {_first_line(error)}") from None
    try:
        return model.model_validate(OmegaConf.to_container(tree, resolve=True))
    except ValidationError as error:
        lines = [_problem(model, path, given, problem) for problem in error.errors()]
        raise SettingsError("\n".join(lines)) from None


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


def _problem(model: type[BaseModel], path: Path, given: set[str], problem: Mapping[str, Any]) -> str:
    """One line about one validation error."""
    place = [str(part) for part in problem["loc"] if part not in ("[key]",)]
    key = ".".join(place)
    where = COMMAND_LINE if any(g == key or key.startswith(f"{g}.") or g.startswith(f"{key}.") for g in given) else path
    if problem["type"] == "extra_forbidden":
        known = dict(_keys(model))
        near = _nearest(key, known)
        return f"{where}: {key}: no such key" + (f"; did you mean '{near}'?" if near else "")
    if problem["type"] == "missing":
        return f"{where}: {key}: missing; it needs a value"
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"{where}: {key + ': ' if key else ''}{message}, not {problem['input']!r}" if key else f"{where}: {message}"


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, None]]:
    """Every dotted key that `model` knows."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", None
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _keys(kind, f"{prefix}{name}.")


def _nearest(key: str, known: Mapping[str, object]) -> str | None:
    """The known key most like `key`: as a whole, else by its last part."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    if near:
        return near[0]
    by_last = {k.rpartition(".")[2]: k for k in known}
    near = difflib.get_close_matches(key.rpartition(".")[2], by_last, n=1)
    return by_last[near[0]] if near else None


def _hint(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else "."
