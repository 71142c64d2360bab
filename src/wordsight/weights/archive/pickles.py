"""A reader of pickles that can do nothing but make plain values: no import, no call of anything but our own few.

    machine = Machine(data, names=ALLOWED, persistent=lambda pid: ..., where="x.pt")
    value = machine.run()                 # and machine.at, where the next pickle of the same file begins

Python's own unpickler runs what a file names.  This one interprets the opcodes of pickletools itself; a name is
looked up in the table it was given, and one that is not there is a `FormatError`.  Steps, containers and
numbers are limited, and lengths are compared with the file before anything is allocated, so no file can make it
work or grow without end.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wordsight.base.errors import FormatError

MOST_STEPS = 3_000_000  # opcodes; the optimiser's state of a large model has some hundred thousand
MOST_CONTAINERS = 500_000
MOST_DIGITS = 1000  # of a whole number in decimal, and bytes of one in binary
KEY_LIMIT = 2**60  # whole numbers above this can be chosen so that a dict becomes slow
PLAIN_KEYS = (str, int, float, bool, bytes, type(None))
FAULTS = (TypeError, ValueError, IndexError, KeyError, OverflowError, AttributeError, ZeroDivisionError)


@dataclass(frozen=True, slots=True)
class Name:
    """A name that a pickle may say; `call` is what stands for it here, None where it is only a label."""

    path: str
    call: Callable[..., Any] | None = None


@dataclass(eq=False, slots=True)
class PickledObject:
    """An instance of a class that is not looked at: its name and its fields."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)


class Machine:
    """Interprets one pickle of `data`, from byte `at` on."""

    def __init__(
        self,
        data: bytes,
        *,
        names: Callable[[str, str], Name | None],
        persistent: Callable[[Any], Any],
        where: str,
        at: int = 0,
    ) -> None:
        self.data, self.at, self.where = data, at, where
        self._names, self._persistent = names, persistent
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._containers = 0

    def run(self) -> Any:
        """Return the value of the pickle, and stop behind it."""
        for _ in range(MOST_STEPS):
            code = self._take(1)[0]
            if code == STOP:
                return self._pop()
            step = STEPS.get(code)
            if step is None:
                raise self.bad(f"it uses opcode {code:#04x}, which no checkpoint needs")
            try:
                step(self)
            except (*FAULTS, struct.error, RecursionError) as error:
                raise self.bad(f"it is damaged ({type(error).__name__} at byte {self.at})") from None
        raise self.bad(f"it has more than {MOST_STEPS} steps")

    def bad(self, problem: str) -> FormatError:
        """Return the error that says what is wrong with this pickle."""
        return FormatError(
            f"{self.where} is refused, nothing of it was run: {problem}",
            cure="use weights from a source you trust, best as safetensors",
        )

    # reading

    def _take(self, count: int) -> bytes:
        part = self.data[self.at : self.at + count]
        if count < 0 or len(part) < count:
            raise self.bad(f"it ends early (byte {len(self.data)}, {count} more were announced)")
        self.at += count
        return part

    def _number(self, width: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._take(width), "little", signed=signed)

    def _line(self) -> bytes:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise self.bad("it ends early, in a line")
        line = self.data[self.at : end]
        self.at = end + 1
        return line

    # the stack

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if not self._stack:
            raise self.bad("it takes more than it has put down")
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack:
            raise self.bad("it takes more than it has put down")
        return self._stack[-1]

    def _mark(self) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _to_mark(self) -> list[Any]:
        if not self._marks:
            raise self.bad("it ends a group that has not begun")
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _new(self, container: Any) -> None:
        self._containers += 1
        if self._containers > MOST_CONTAINERS:
            raise self.bad(f"it holds more than {MOST_CONTAINERS} lists and dicts")
        self._push(container)

    # values

    def _whole(self, width: int) -> None:
        if width > MOST_DIGITS:
            raise self.bad(f"it holds a whole number of {width} bytes")
        self._push(self._number(width, signed=True))

    def _digits(self) -> None:
        text = self._line().rstrip(b"L")
        if len(text) > MOST_DIGITS:
            raise self.bad(f"it holds a whole number of {len(text)} digits")
        self._push({b"00": False, b"01": True}[text] if text in (b"00", b"01") else int(text))

    def _text(self, width: int) -> None:
        self._push(self._take(self._number(width)).decode("utf-8", "surrogatepass"))

    def _quoted(self) -> None:
        text = self._line()
        if len(text) < 2 or text[0] not in b"'\"" or text[-1] != text[0] or b"\\" in text:
            raise self.bad("it holds a string that is not plainly quoted")
        self._push(text[1:-1].decode("latin-1"))

    def _append(self, items: list[Any]) -> None:
        target = self._top()
        if type(target) is not list:
            raise self.bad(f"it appends to {type(target).__name__}")
        target.extend(items)

    def _set(self, items: list[Any]) -> None:
        target = self._top()
        if type(target) is not dict:
            raise self.bad(f"it sets items of {type(target).__name__}")
        target.update(pairs(two_by_two(items)))

    def _add(self) -> None:
        items = self._to_mark()
        target = self._top()
        if type(target) is not set:
            raise self.bad(f"it adds to {type(target).__name__}")
        target.update(key(item) for item in items)

    def _remember(self, number: int) -> None:
        if number < 0:
            raise self.bad("it remembers at a negative number")
        self._memo[number] = self._top()

    def _recall(self, number: int) -> None:
        if number not in self._memo:
            raise self.bad(f"it recalls {number}, which was never put down")
        self._push(self._memo[number])

    # names and calls

    def _name(self, module: Any, name: Any) -> None:
        known = self._names(module, name) if type(module) is str and type(name) is str else None
        if known is None:
            raise self.bad(f"it names {str(module)[:80]}.{str(name)[:80]}, which holds no weights")
        self._push(known)

    def _global(self) -> None:
        module, name = self._line().decode("utf-8"), self._line().decode("utf-8")
        self._name(module, name)

    def _global_from_stack(self) -> None:
        name, module = self._pop(), self._pop()
        self._name(module, name)

    def _call(self, callee: Any, arguments: Any, named: Any = None) -> None:
        if type(callee) is not Name or callee.call is None:
            label = callee.path if type(callee) is Name else type(callee).__name__
            raise self.bad(f"it calls {label}")
        if type(arguments) is not tuple or (named is not None and named != {}):
            raise self.bad(f"it calls {callee.path} with {type(arguments).__name__}")
        try:
            self._new(callee.call(*arguments))
        except FAULTS as error:
            raise self.bad(f"it misuses {callee.path} ({type(error).__name__}: {str(error)[:100]})") from None

    def _reduce(self) -> None:
        arguments, callee = self._pop(), self._pop()
        self._call(callee, arguments)

    def _new_object(self) -> None:
        named, arguments, callee = self._pop(), self._pop(), self._pop()
        self._call(callee, arguments, named)

    def _instance(self) -> None:
        self._global()
        callee = self._pop()
        self._call(callee, tuple(self._to_mark()))

    def _object(self) -> None:
        callee, *arguments = self._to_mark()
        self._call(callee, tuple(arguments))

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        if type(target) is dict:  # an attribute of an ordered dict: `_metadata`, the versions of PyTorch's modules
            return
        if type(target) is PickledObject:
            for part in state if type(state) is tuple else (state,):
                target.fields.update(pairs((part or {}).items()))
            return
        build = getattr(target, "build", None)
        if build is None:
            raise self.bad(f"it changes {type(target).__name__}")
        build(*state)

    def _persist(self, pid: Any) -> None:
        self._push(self._persistent(pid))


def key(value: Any) -> Any:
    """Return a value that can be a key of a dict, or raise `ValueError`."""
    for part in value if type(value) is tuple and len(value) <= 8 else (value,):
        if not isinstance(part, PLAIN_KEYS) and type(part) is not Name:
            raise ValueError(f"a {type(part).__name__} as a key")
        if isinstance(part, int) and abs(part) > KEY_LIMIT:
            raise ValueError("a key beyond all reason")
    return value


def pairs(items: Any) -> dict[Any, Any]:
    """Return a dict of pairs whose keys are plain."""
    return {key(name): value for name, value in items}


def two_by_two(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the items in pairs; an odd number is a `ValueError`."""
    return zip(items[::2], items[1::2], strict=True)


def _tuple_of(count: int) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        items = [machine._pop() for _ in range(count)]
        machine._push(tuple(reversed(items)))

    return step


def _constant(value: Any) -> Callable[[Machine], None]:
    return lambda machine: machine._push(value)


def _protocol(machine: Machine) -> None:
    if machine._number(1) > 5:
        raise machine.bad("it is of a protocol after the fifth")


STOP = ord(".")
STEPS: Mapping[int, Callable[[Machine], None]] = {
    0x80: _protocol,
    0x95: lambda m: (m._number(8), None)[1],  # a frame: how much may be read ahead
    ord("("): Machine._mark,
    ord("0"): lambda m: (m._pop(), None)[1],
    ord("1"): lambda m: (m._to_mark(), None)[1],
    ord("2"): lambda m: m._push(m._top()),
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord("I"): Machine._digits,
    ord("L"): Machine._digits,
    ord("J"): lambda m: m._push(m._number(4, signed=True)),
    ord("K"): lambda m: m._push(m._number(1)),
    ord("M"): lambda m: m._push(m._number(2)),
    0x8A: lambda m: m._whole(m._number(1)),
    0x8B: lambda m: m._whole(m._number(4)),
    ord("F"): lambda m: m._push(float(m._line()[:MOST_DIGITS])),
    ord("G"): lambda m: m._push(struct.unpack(">d", m._take(8))[0]),
    ord("S"): Machine._quoted,
    ord("T"): lambda m: m._push(m._take(m._number(4)).decode("latin-1")),
    ord("U"): lambda m: m._push(m._take(m._number(1)).decode("latin-1")),
    ord("V"): lambda m: m._push(m._line().decode("raw-unicode-escape")),
    ord("X"): lambda m: m._text(4),
    0x8C: lambda m: m._text(1),
    0x8D: lambda m: m._text(8),
    ord("B"): lambda m: m._push(m._take(m._number(4))),
    ord("C"): lambda m: m._push(m._take(m._number(1))),
    0x8E: lambda m: m._push(m._take(m._number(8))),
    0x96: lambda m: m._push(m._take(m._number(8))),
    ord("]"): lambda m: m._new([]),
    ord("l"): lambda m: m._new(m._to_mark()),
    ord("a"): lambda m: m._append([m._pop()]),
    ord("e"): lambda m: m._append(m._to_mark()),
    ord(")"): _constant(()),
    ord("t"): lambda m: m._new(tuple(m._to_mark())),
    0x85: _tuple_of(1),
    0x86: _tuple_of(2),
    0x87: _tuple_of(3),
    ord("}"): lambda m: m._new({}),
    ord("d"): lambda m: m._new(pairs(two_by_two(m._to_mark()))),
    ord("s"): lambda m: m._set([m._pop(), m._pop()][::-1]),
    ord("u"): lambda m: m._set(m._to_mark()),
    0x8F: lambda m: m._new(set()),
    0x90: Machine._add,
    0x91: lambda m: m._new(frozenset(key(item) for item in m._to_mark())),
    ord("p"): lambda m: m._remember(int(m._line()[:20])),
    ord("q"): lambda m: m._remember(m._number(1)),
    ord("r"): lambda m: m._remember(m._number(4)),
    0x94: lambda m: m._remember(len(m._memo)),
    ord("g"): lambda m: m._recall(int(m._line()[:20])),
    ord("h"): lambda m: m._recall(m._number(1)),
    ord("j"): lambda m: m._recall(m._number(4)),
    ord("c"): Machine._global,
    0x93: Machine._global_from_stack,
    ord("R"): Machine._reduce,
    ord("b"): Machine._build,
    0x81: Machine._reduce,
    0x92: Machine._new_object,
    ord("i"): Machine._instance,
    ord("o"): Machine._object,
    ord("P"): lambda m: m._persist(m._line().decode("utf-8")),
    ord("Q"): lambda m: m._persist(m._pop()),
}
