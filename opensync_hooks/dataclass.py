"""`dataclass` as the standard library has it, for modules that have to be imported fast.

The standard library compiles up to six methods per class while its module is imported. With it, a
worker that delivers one turn costs 1.3 times as many instructions, and `status` 1.8 times. Here
`__init__` is compiled when the first object is created, and all classes share the other methods.
`field`, `replace`, `fields` and `asdict` of the standard library work with these classes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, FrozenInstanceError, fields
from functools import cache, partial
from operator import attrgetter

__all__ = ["dataclass"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass
    from typing import Any
else:

    def dataclass(
        cls: type | None = None,
        /,
        *,
        frozen: bool = False,
        slots: bool = False,
        eq: bool = True,
    ) -> Any:
        """Turn a class with annotations into one whose objects are made of these fields."""
        if cls is None:
            return partial(dataclass, frozen=frozen, slots=slots, eq=eq)
        cls.__doc__ = cls.__doc__ or cls.__name__  # or its signature would be computed for it
        cls = dataclasses.dataclass(cls, init=False, repr=False, eq=False, slots=slots)
        methods: dict[str, Any] = {"__init__": _first_init(cls, frozen=frozen), "__repr__": _repr}
        if frozen:
            methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
        if eq:
            methods |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
        for name, method in methods.items():
            if vars(cls).get(name) is None:
                setattr(cls, name, method)
        return cls


def _first_init(cls: type, *, frozen: bool) -> Callable[..., None]:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        cls.__init__ = _compile_init(cls, frozen=frozen)  # type: ignore[misc]
        cls.__init__(self, *args, **kwargs)  # type: ignore[misc]

    return init


def _compile_init(cls: Any, *, frozen: bool) -> Callable[..., None]:
    namespace: dict[str, Any] = {"_MISSING": MISSING, "_set": object.__setattr__}
    parameters, body = ["self"], []
    for field in fields(cls):
        if not field.init:  # `__post_init__` sets it
            continue
        name = value = field.name
        if field.default_factory is not MISSING:
            namespace[f"_make_{name}"] = field.default_factory
            value = f"_make_{name}() if {name} is _MISSING else {name}"
            parameters.append(f"{name}=_MISSING")
        elif field.default is not MISSING:
            namespace[f"_default_{name}"] = field.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        body.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    lines = "\n ".join(body or ["pass"])
    exec(f"def __init__({', '.join(parameters)}):\n {lines}", namespace)  # noqa: S102
    init: Callable[..., None] = namespace["__init__"]
    return init


@cache
def _compared(cls: Any) -> Callable[[object], object]:
    names = [field.name for field in fields(cls) if field.compare]
    return attrgetter("__class__", *names)


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    values = _compared(self.__class__)
    return values(self) == values(other)


def _hash(self: Any) -> int:
    return hash(_compared(self.__class__)(self))


def _repr(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse(self: Any, name: str, *_: object) -> None:
    raise FrozenInstanceError(f"{self.__class__.__qualname__}.{name} cannot be changed")
