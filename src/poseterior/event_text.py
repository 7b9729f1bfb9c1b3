"""Events as text, `left_knee_flexion > 60 & ~within(right_wrist, 0.1, -0.2, 0.4, 0.3)`.

    event      = both, {"|", both}
    both       = single, {"&", single}
    single     = "~", single | "(", event, ")" | within(...) | comparison
    comparison = quantity, ("<" | "<=" | ">" | ">="), number, [unit]
    quantity   = the name of a joint angle | one of `FORMS`

Unlike in Python, comparisons need no parentheses. Nothing is evaluated but this grammar.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from poseterior.errors import InputError, known, require
from poseterior.events import COMPARISONS, Event
from poseterior.geometry.joint_angles import ANGLES
from poseterior.geometry.limbs import LEVEL_CAMERA, Vector
from poseterior.quantities import (
    Quantity,
    angle,
    azimuth,
    distance,
    elevation,
    height,
    within,
)

__all__ = ["FORMS", "parse_event"]

# Each way to write a function, with what it makes of its joints, its numbers and `down`.
FORMS: dict[str, Callable[[list[str], list[float], Vector], Quantity | Event]] = {
    "within(joint, x, y, z, radius)": lambda j, n, _: within(j[0], n[:3], n[3]),
    "distance(joint, joint)": lambda j, n, _: distance(j[0], j[1]),
    "distance(joint, x, y, z)": lambda j, n, _: distance(j[0], n),
    "height(joint, joint)": lambda j, n, down: height(j[0], j[1], down),
    "height(joint, x, y, z)": lambda j, n, down: height(j[0], n, down),
    "elevation(joint, joint)": lambda j, n, down: elevation(j[0], j[1], down),
    "azimuth(joint, joint)": lambda j, n, down: azimuth(j[0], j[1], down),
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<symbol><=|>=|\S))"
)
_MOST_PARTS = 100  # far from the depth at which Python stops a recursion


class _Token(NamedTuple):
    kind: str  # number, name, symbol, or the end
    text: str
    start: int


def parse_event(text: str, down: Vector = LEVEL_CAMERA) -> Event:
    """The event that a text describes, with that text.

    Args:
        text: see the module. Metres and degrees; points in camera axes.
        down: direction of gravity in camera axes, for heights, elevations and azimuths.

    Raises:
        InputError: anything but an event. Names of joints are known only with a skeleton:
            `event.joints(skeleton)` checks them.

    >>> parse_event("left_knee_flexion > 60 deg").text
    'left_knee_flexion > 60 deg'
    >>> parse_event("left_kne_flexion > 60")
    Traceback (most recent call last):
        ...
    poseterior.errors.InputError: event "left_kne_flexion > 60": quantity: expected one of ...
    (did you mean left_knee_flexion?), found left_kne_flexion
    """
    text = " ".join(text.split())
    event = _Parser(text, down).whole()
    return Event(text, event.needs, event.holds)


class _Parser:
    """Recursive descent, one method a rule of the module's grammar."""

    def __init__(self, text: str, down: Vector) -> None:
        self.source, self.down, self.at = f'event "{text}"', down, 0
        parts = sum(map(text.count, "(~&|"))
        require(
            parts <= _MOST_PARTS, self.source, "",
            expected=f"at most {_MOST_PARTS} of ( ~ & |", found=parts,
        )  # fmt: skip
        self.tokens = [_token(found) for found in _TOKEN.finditer(text)]
        self.tokens.append(_Token("end", "the end", len(text)))

    def whole(self) -> Event:
        event = self.event()
        if self.next.kind != "end":
            self.refuse("&, | or the end")
        return event

    def event(self) -> Event:
        found = self.both()
        while self.skip("|"):
            found |= self.both()
        return found

    def both(self) -> Event:
        found = self.single()
        while self.skip("&"):
            found &= self.single()
        return found

    def single(self) -> Event:
        if self.skip("~"):
            return ~self.single()
        if self.skip("("):
            found = self.event()
            self.need(")")
            return found
        term = self.term()
        return term if isinstance(term, Event) else self.comparison(term)

    def comparison(self, quantity: Quantity) -> Event:
        symbol = self.next.text
        if symbol not in COMPARISONS:
            self.refuse("<, <=, > or >=")
        self.at += 1
        threshold = self.number(self.take("number", "a number"))
        if self.next.kind == "name":
            unit = self.take("name", "a unit").text
            require(unit == quantity.unit, self.source, "unit", expected=quantity.unit, found=unit)
        return quantity.compared(symbol, threshold)

    def term(self) -> Quantity | Event:
        token = self.take("name", "a quantity, such as left_knee_flexion or distance(...)")
        name = token.text
        functions = dict.fromkeys(form.partition("(")[0] for form in FORMS)
        known(f"{self.source}: quantity", name, [*ANGLES, *functions])
        return self.call(token) if name in functions else angle(name)

    def call(self, function: _Token) -> Quantity | Event:
        self.need("(")
        given = [self.argument()]
        while self.skip(","):
            given.append(self.argument())
        self.need(")")
        forms = [form for form in FORMS if form.startswith(f"{function.text}(")]
        kinds = [token.kind for token in given]
        form = next((form for form in forms if _kinds(form) == kinds), None)
        if form is None:
            found = f"{function.text}({', '.join(token.text for token in given)})"
            self.refuse(" or ".join(forms), function._replace(text=found))
        joints = [token.text for token in given if token.kind == "name"]
        numbers = [self.number(token) for token in given if token.kind == "number"]
        return FORMS[form](joints, numbers, self.down)

    def argument(self) -> _Token:
        kind = "number" if self.next.kind == "number" else "name"
        return self.take(kind, "the name of a joint, or a number")

    def number(self, token: _Token) -> float:
        value = float(token.text)
        if not math.isfinite(value):  # 1e999
            self.refuse("a finite number", token)
        return value

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def skip(self, symbol: str) -> bool:
        """Whether the symbol comes next, which then is behind us."""
        found = self.next.kind == "symbol" and self.next.text == symbol
        self.at += found
        return found

    def need(self, symbol: str) -> None:
        if not self.skip(symbol):
            self.refuse(symbol)

    def take(self, kind: str, expected: str) -> _Token:
        if self.next.kind != kind:
            self.refuse(expected)
        self.at += 1
        return self.tokens[self.at - 1]

    def refuse(self, expected: str, found: _Token | None = None) -> NoReturn:
        token = found or self.next
        where = f"character {token.start + 1}"
        raise InputError(self.source, where, expected=expected, found=token.text)


def _token(found: re.Match[str]) -> _Token:
    kind = str(found.lastgroup)
    return _Token(kind, found[kind], found.start(kind))


def _kinds(form: str) -> list[str]:
    """Of each argument of a form, the kind of its token."""
    words = form[form.index("(") + 1 : -1].split(", ")
    return ["name" if word == "joint" else "number" for word in words]
