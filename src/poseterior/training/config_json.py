"""Frozen config dataclasses to JSON and back, every field checked against its annotation."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from poseterior.errors import InputError, require

__all__ = ["config_from_json", "config_to_json"]

C = TypeVar("C")


def config_to_json(config: Any) -> dict[str, Any]:
    """A config dataclass as what `json.dumps` takes: tuples become lists.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Config:
    ...     widths: tuple[int, ...] = (64, 64)
    >>> config_to_json(Config())
    {'widths': [64, 64]}
    """
    return {f.name: _plain(getattr(config, f.name)) for f in fields(config)}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return config_to_json(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def config_from_json(cls: type[C], data: object, source: object) -> C:
    """The inverse of `config_to_json`, strict.

    `InputError` (naming `source` and the field) on unknown or missing fields, on a value that
    is not of the annotated type, and on what the dataclass itself refuses.
    """
    require(isinstance(data, Mapping), source, "config", expected="an object", found=_name(data))
    assert isinstance(data, Mapping)
    hints = get_type_hints(cls)
    names = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    unknown, missing = sorted(set(data) - set(names)), sorted(set(names) - set(data))
    require(not unknown, source, "config", expected=f"only {names}", found=f"unknown {unknown}")
    require(not missing, source, "config", expected=f"all of {names}", found=f"no {missing}")
    values = {name: _checked(hints[name], data[name], source, name) for name in names}
    try:
        return cls(**values)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(source, "config", expected=f"a {cls.__name__}", found=error) from error


def _checked(kind: Any, value: Any, source: object, field: str) -> Any:
    origin = get_origin(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return config_from_json(kind, value, f"{source}: {field}")
    if origin is tuple:
        return _checked_tuple(get_args(kind), value, source, field)
    if origin in (Union, types.UnionType):
        return _checked_union(get_args(kind), value, source, field)
    if origin is Literal:
        allowed = get_args(kind)
        ok = any(type(value) is type(a) and value == a for a in allowed)
        require(ok, source, field, expected=f"one of {list(allowed)}", found=repr(value))
        return value
    if kind is float and type(value) is int:
        return float(value)
    require(type(value) is kind, source, field, expected=_name(kind), found=repr(value))
    return value


def _checked_tuple(kinds: tuple[Any, ...], value: Any, source: object, field: str) -> tuple:
    require(isinstance(value, list), source, field, expected="a list", found=repr(value))
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    require(
        len(kinds) == len(value),
        source, field, expected=f"{len(kinds)} values", found=f"{len(value)}: {value}",
    )  # fmt: skip
    return tuple(_checked(k, v, source, field) for k, v in zip(kinds, value, strict=True))


def _checked_union(kinds: tuple[Any, ...], value: Any, source: object, field: str) -> Any:
    for kind in kinds:
        try:
            return _checked(kind, value, source, field)
        except InputError:
            continue
    expected = " or ".join(_name(kind) for kind in kinds)
    raise InputError(source, field, expected=expected, found=repr(value))


def _name(kind: Any) -> str:
    if kind is type(None):
        return "null"
    return kind.__name__ if isinstance(kind, type) else str(kind)
