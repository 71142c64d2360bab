"""Typed configuration: nested frozen dataclasses from and to plain dicts, TOML and `a.b=c` overrides.

An unknown key is an error that names the near ones.  Supported field types: bool, int, float, str,
None, Literal, tuples of these, dicts of str, nested dataclasses and optional forms of all of them.  A field may
hold one of several dataclasses, which their own field `kind` tells apart (`BY_KIND`).
"""

import dataclasses
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from wordsight.base.errors import ConfigError, NotFound
from wordsight.base.reading import read_text

T = TypeVar("T")
DEEPEST = 100  # lists and groups of a TOML file in one another
# in a field's metadata: a function that returns a `Choice` for each kind of dataclass the field may hold; the first is
# meant where no kind is stated
BY_KIND = "by kind"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the dataclasses that a field may hold; `implied` are keys that may be given with this one value."""

    dataclass: type[Any]
    implied: Mapping[str, Any] = field(default_factory=dict)


def from_dict(kind: type[T], values: dict[str, Any], *, where: str = "") -> T:
    """Build dataclass `kind` from nested dicts; unknown keys and wrong types raise `ConfigError`."""
    hints = get_type_hints(kind)
    parts = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in parts:
            raise unknown_key(f"{where}{key}", key, list(parts))
    missing = [
        f"{where}{name}"
        for name, part in parts.items()
        if name not in values and part.default is dataclasses.MISSING and part.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{missing[0]} is missing", cure=f"set {' and '.join(missing)}")
    given = {}
    for key, value in values.items():
        if BY_KIND in parts[key].metadata and isinstance(value, dict):
            given[key] = _choose(parts[key].metadata[BY_KIND](), value, f"{where}{key}")
        else:
            given[key] = _convert(hints[key], value, f"{where}{key}", like=parts[key].default)
    return kind(**given)


def known_keys(kind: type[Any], values: Mapping[str, Any], *, where: str = "") -> list[str]:
    """Return the dotted keys that `values` of dataclass `kind` may have; of a dict field those of the names in it."""
    hints, keys = get_type_hints(kind), []
    for part in dataclasses.fields(kind):
        given, name = values.get(part.name), f"{where}{part.name}"
        inside: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
        hint = hints[part.name]
        if BY_KIND in part.metadata:
            choices = part.metadata[BY_KIND]()
            choice = choices.get(str(inside.get("kind"))) or next(iter(choices.values()))
            keys += known_keys(choice.dataclass, inside, where=f"{name}.")
        elif dataclasses.is_dataclass(hint):
            keys += known_keys(hint, inside, where=f"{name}.")  # type: ignore[arg-type]
        elif get_origin(hint) is dict and dataclasses.is_dataclass(get_args(hint)[1]):
            keys.append(name)
            for own, below in inside.items():
                below = below if isinstance(below, Mapping) else {}
                keys += known_keys(get_args(hint)[1], below, where=f"{name}.{own}.")
        else:
            keys.append(name)
    return keys


def _choose(choices: Mapping[str, Choice], values: dict[str, Any], where: str) -> Any:
    """Build the dataclass that `kind` names, the first where there is no such key."""
    kind = values.get("kind", next(iter(choices)))
    if not isinstance(kind, str) or kind not in choices:
        raise ConfigError(f"{where}.kind = {kind!r}", cure=f"use one of {', '.join(map(repr, choices))}")
    choice, own = choices[kind], {}
    for key, value in values.items():
        if key not in choice.implied:
            own[key] = value
        elif (tuple(value) if isinstance(value, list) else value) != choice.implied[key]:
            raise ConfigError(f'{where}.{key} = {value!r} with {where}.kind = "{kind}"', cure="leave it out")
    return from_dict(choice.dataclass, own, where=f"{where}.")


def to_dict(config: Any) -> dict[str, Any]:
    """Turn a nested dataclass into plain dicts and lists, leaving out what is None."""

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return to_dict(value)
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [plain(v) for v in value]
        return str(value) if isinstance(value, Path) else value

    pairs = {f.name: plain(getattr(config, f.name)) for f in dataclasses.fields(config)}
    return {key: value for key, value in pairs.items() if value is not None}


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file into nested dicts, no more than `DEEPEST` in one another."""
    import tomllib  # here and below: reading a model's JSON does without

    try:
        return _parsed(read_text(path), str(path))
    except FileNotFoundError:
        raise NotFound(f"no file {path}", cure="check the path") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", cure="check the file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", cure="mend the line named") from None


def _parsed(text: str, what: str) -> dict[str, Any]:
    """Return what TOML holds; what is none raises `TOMLDecodeError`, what is too deep or too long `ConfigError`."""
    import tomllib

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise _too_deep(what) from None
    except ValueError:  # Python reads no longer ones
        raise ConfigError(f"{what} has a number of thousands of digits", cure="give a shorter number") from None
    level: list[Any] = [values]
    for _ in range(DEEPEST):
        inside = (list(one.values()) if isinstance(one, dict) else one for one in level)
        level = [below for one in inside for below in one if isinstance(below, dict | list)]
    if level:
        raise _too_deep(what)
    return values


def _too_deep(what: str) -> ConfigError:
    return ConfigError(f"{what} has lists or groups more than {DEEPEST} deep", cure="leave out brackets and dots")


def override(values: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return a copy of nested dicts with `a.b=c` assignments applied; `c` is read as TOML if possible, else as text."""
    result: dict[str, Any] = _copy(values)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"{assignment!r} is not of the form a.b=c", cure="write for example optimiser.lr=0.001")
        *parents, last = path.strip().split(".")
        section = result
        for name in parents:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise ConfigError(f"{path}: {name} is a value, not a group", cure="shorten the path")
        section[last] = _parse(text.strip(), path.strip())
    return result


def _parse(text: str, path: str) -> Any:
    import tomllib

    try:
        return _parsed(f"value = {text}", path)["value"]
    except tomllib.TOMLDecodeError:
        return text


def _copy(value: Any) -> Any:
    return {k: _copy(v) for k, v in value.items()} if isinstance(value, dict) else value


def unknown_key(path: str, key: str, names: list[str]) -> ConfigError:
    """Return the error of a key that is none of the names; `path` is what it is called, with what it lies in."""
    import difflib

    close = difflib.get_close_matches(key, names, n=3, cutoff=0.6)
    near = [name for name in close if name.startswith(key) or key.startswith(name)] or close
    cure = f"did you mean {' or '.join(near)}?" if near else f"known here: {', '.join(names)}"
    return ConfigError(f"unknown key {path}", cure=cure)


_NAMES = {  # what a type is called in a message
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    tuple: "a list",
    list: "a list",
    dict: "a group of keys",
    type(None): "nothing",
}


def _convert(hint: Any, value: Any, where: str, *, like: Any = None) -> Any:
    """Return the value as the type `hint` asks for; `like` is a value of that type, an example for the message."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(hint, value, where, like=like)
    if origin is Literal:
        if value in get_args(hint):
            return value
        raise ConfigError(f"{where} = {value!r}", cure=f"use one of {', '.join(map(repr, get_args(hint)))}")
    if origin is tuple and isinstance(value, list | tuple):
        return _convert_tuple(get_args(hint), value, where, like=like)
    if origin is dict and isinstance(value, dict):
        kind = get_args(hint)[1]
        return {k: _convert(kind, v, f"{where}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return from_dict(hint, value, where=f"{where}.")  # type: ignore[arg-type]
    if hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise _wrong_type(origin or hint, value, where, like=like)


def _wrong_type(wanted: Any, value: Any, where: str, *, like: Any) -> ConfigError:
    if dataclasses.is_dataclass(wanted):
        name, first = "a group of keys", dataclasses.fields(wanted)[0].name
        return ConfigError(
            f"{where} = {value!r} is {_name(type(value))}", cure=f"give {name}, for example {where}.{first}"
        )
    example = f", for example {list(like) if isinstance(like, tuple) else like!r}"
    fits = isinstance(like, wanted) and like != "" and not isinstance(like, bool)
    cure = f"give {_name(wanted)}{example if fits else ''}"
    return ConfigError(f"{where} = {value!r} is {_name(type(value))}", cure=cure)


def _name(kind: type) -> str:
    return _NAMES.get(kind, kind.__name__)


def _convert_tuple(inner: tuple[Any, ...], value: Sequence[Any], where: str, *, like: Any) -> tuple[Any, ...]:
    kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
    if len(kinds) != len(value):
        raise ConfigError(f"{where} has {len(value)} items", cure=f"give {len(kinds)}")
    examples = like if isinstance(like, tuple) and len(like) == len(value) else [None] * len(value)
    triples = zip(kinds, value, examples, strict=True)
    return tuple(_convert(kind, v, f"{where}[{i}]", like=example) for i, (kind, v, example) in enumerate(triples))


def _convert_union(hint: Any, value: Any, where: str, *, like: Any) -> Any:
    kinds = get_args(hint)
    if value is None and type(None) in kinds:
        return None
    failures = []
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return _convert(kind, value, where, like=like)
        except ConfigError as error:
            failures.append(error)
    raise failures[0]
