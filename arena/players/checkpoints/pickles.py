"""A pickle machine that imports nothing and calls nothing that a file names.

A pickle is a program for a machine with a stack. Python's own machine runs whatever that program names; this one has
the same opcodes (``pickletools`` takes the file apart), but a global is only a :class:`Name`, two texts. What happens
to a name is decided by an exact table (``rebuilding.py``), whose functions are ours and check their arguments.
Everything else becomes a :class:`StandIn`, which remembers what was done to it and does nothing: REDUCE, NEWOBJ, OBJ,
INST and BUILD of names that are not in the table, of other stand-ins and of values are inert or refused. No attribute
is looked up by a name from the file, no ``__setstate__``, ``append`` or ``__setitem__`` is called on anything but
plain lists and dictionaries, nothing is hashed or compared but texts and numbers, and the memo is a dictionary, so
that an index allocates nothing. Lengths are only ever cut from the bytes that the file has.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, TypeAlias, runtime_checkable

from fakeoff.arena.players.checkpoints.limits import Budget, Unreadable, shown

# Names that weights have no use for. Nothing of them would be run; a file that asks is not worth looking into.
_CODE_MODULES = frozenset(
    "os posix nt sys subprocess pty shutil socket ctypes importlib imp runpy code codeop pickle "  # noqa: SIM905
    "_pickle marshal shelve builtins __builtin__ operator _operator commands popen2 webbrowser pip multiprocessing "
    "threading asyncio signal types inspect timeit pdb bdb platform".split()
)
_HARMLESS = frozenset(
    "set frozenset bytearray bytes complex object dict list tuple int float str bool slice range "  # noqa: SIM905
    "type long unicode SimpleNamespace MappingProxyType".split()
)
_KEYS = (str, int, float, bytes, type(None))


@dataclass(frozen=True, slots=True)
class Name:
    """A global that a file names: two texts, and nothing behind them."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class StandIn:
    """What stands for an object of a class that is not imported.

    Attributes:
        name: Of the class, or of the function that would have made it; from the file.
        arguments: What it would have been called with.
        state: What BUILD set; None if nothing.
        entries: What was put into it by key.
    """

    __slots__ = ("arguments", "entries", "name", "state")

    def __init__(self, name: str, arguments: object = ()) -> None:
        self.name = name
        self.arguments = arguments
        self.state: Any = None
        self.entries: dict[Any, Any] = {}


class Ordered(dict[Any, Any]):
    """A ``collections.OrderedDict``.

    Attributes:
        state: What BUILD set: of a state dict, ``_metadata``.
    """

    state: Any = None

    def build(self, state: Any) -> None:
        self.state = state


@runtime_checkable
class Built(Protocol):
    """A value of ours that BUILD completes."""

    def build(self, state: Any) -> None:
        """Completes it with what the file says, checked."""


Rebuild: TypeAlias = Callable[[tuple[Any, ...], Budget], Any]
"""Makes a value from the arguments of REDUCE, which it checks."""


class PickleMachine:
    """Runs pickles, inertly.

    Args:
        rebuilds: What is made for which globals, by module and name.
        persistent: What is made for a persistent id; None refuses them.
        budget: Counts opcodes.
    """

    def __init__(
        self,
        rebuilds: Mapping[tuple[str, str], Rebuild],
        *,
        persistent: Callable[[Any], Any] | None = None,
        budget: Budget,
    ) -> None:
        self._rebuilds = rebuilds
        self._persistent = persistent
        self._budget = budget
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self, content: io.BytesIO) -> Any:
        """Runs one pickle from where ``content`` stands, and leaves it behind that pickle's end.

        Raises:
            Unreadable: It is no pickle, is cut off, or does what is refused.
        """
        self._stack, self._marked, self._memo = [], [], {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of escapes in texts of damaged files
                self._run(content)
        except Unreadable:
            raise
        except (ValueError, OverflowError, EOFError) as error:
            raise Unreadable(f"it is no pickle, or is cut off ({shown(error)})") from error
        return self._pop()

    def _run(self, content: io.BytesIO) -> None:
        for opcode, argument, _ in pickletools.genops(content):
            self._budget.spend()
            name = opcode.name
            if name in _LITERALS:
                self._push(argument)
            elif name in _MADE:
                self._push(_MADE[name]())
            elif name == "STOP":
                return
            elif name in _STEPS:
                _STEPS[name](self, argument)
            else:
                raise Unreadable(f"its pickle has the opcode {name}, which no checkpoint needs")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if not self._stack:
            _refuse("takes from an empty stack")
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack:
            _refuse("looks at an empty stack")
        return self._stack[-1]

    def _pop_mark(self) -> list[Any]:
        if not self._marked:
            _refuse("looks for a mark that is not there")
        values, self._stack = self._stack, self._marked.pop()
        return values

    def _mark(self, _: Any) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def _drop(self, _: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def _drop_mark(self, _: Any) -> None:
        self._pop_mark()

    def _get(self, index: Any) -> None:
        if index not in self._memo:
            _refuse(f"reads memo {shown(index)}, which nothing was put in")
        self._stack.append(self._memo[index])

    def _put(self, index: Any) -> None:
        self._memo[index] = self._top()

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._top()

    def _tuple_of(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self._stack.append(tuple(reversed(values)))

    def _append(self, values: list[Any]) -> None:
        target = self._top()
        if type(target) is list:
            target.extend(values)
        elif type(target) is not StandIn:  # what a stand-in holds in order is of no use
            _refuse(f"appends to {_kind(target)}")

    def _set_items(self, pairs: list[Any]) -> None:
        target = self._top()
        if type(target) not in (dict, Ordered, StandIn):
            _refuse(f"puts entries into {_kind(target)}")
        if len(pairs) % 2:
            _refuse("has a key without a value")
        entries = target.entries if type(target) is StandIn else target
        entries.update(_plain(pairs))

    def _dict(self, _: Any) -> None:
        pairs = self._pop_mark()
        if len(pairs) % 2:
            _refuse("has a key without a value")
        self._stack.append(_plain(pairs))

    def _global(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            _refuse("names a global by something else than text")
        root = module.partition(".")[0]
        if root in _CODE_MODULES and not (name in _HARMLESS and root == module):
            raise Unreadable(
                f"it names '{shown(f'{module}.{name}')}', which weights have no use for: whoever wrote it wanted code "
                "to run; nothing of it was run"
            )
        self._stack.append(Name(module, name))

    def _stack_global(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        self._global(module, name)

    def _text_global(self, argument: Any) -> None:
        module, _, name = argument.partition(" ")
        self._global(module, name)

    def _call(self, function: Any, arguments: Any) -> None:
        """What REDUCE, NEWOBJ, OBJ and INST come to."""
        if type(arguments) is not tuple:
            _refuse(f"calls with {_kind(arguments)} in place of arguments")
        if type(function) is Name:
            rebuild = self._rebuilds.get((function.module, function.name))
            made = StandIn(str(function), arguments) if rebuild is None else rebuild(arguments, self._budget)
            self._stack.append(made)
        elif type(function) is StandIn:
            self._stack.append(StandIn(function.name, arguments))
        else:
            _refuse(f"calls {_kind(function)}")

    def _reduce(self, _: Any) -> None:
        arguments = self._pop()
        self._call(self._pop(), arguments)

    def _newobj_ex(self, _: Any) -> None:
        self._pop()  # named arguments: no function of the table has any, and a stand-in does not need them
        self._reduce(None)

    def _obj(self, _: Any) -> None:
        values = self._pop_mark()
        if not values:
            _refuse("makes an object of no class")
        self._call(values[0], tuple(values[1:]))

    def _inst(self, argument: Any) -> None:
        values = self._pop_mark()
        self._text_global(argument)
        self._call(self._pop(), tuple(values))

    def _build(self, _: Any) -> None:
        state, target = self._pop(), self._top()
        if type(target) is StandIn:
            target.state = state
        elif isinstance(target, Built):
            target.build(state)
        else:
            _refuse(f"sets the state of {_kind(target)}")

    def _persistent_id(self, _: Any) -> None:
        if self._persistent is None:
            _refuse("refers to something outside of it")
        self._stack.append(self._persistent(self._pop()))


def _plain(pairs: list[Any]) -> dict[Any, Any]:
    """Entries whose keys are texts or numbers. Others name no tensor, and hashing them could go on without end."""
    keys, values = pairs[::2], pairs[1::2]
    return {key: value for key, value in zip(keys, values, strict=True) if isinstance(key, _KEYS)}


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"


def _refuse(what: str) -> NoReturn:
    raise Unreadable(f"its pickle {what}: it is damaged, or was made to do harm")


_LITERALS = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 STRING BINSTRING SHORT_BINSTRING BINBYTES "  # noqa: SIM905
    "SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 FLOAT BINFLOAT".split()
)
"""Opcodes that push what stands behind them."""

_MADE: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,  # sets are lists here: what is in them is not hashed
}
"""Opcodes that push something of their own."""

_STEPS: dict[str, Callable[[PickleMachine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "MARK": PickleMachine._mark,
    "POP": PickleMachine._drop,
    "POP_MARK": PickleMachine._drop_mark,
    "DUP": lambda machine, _: machine._push(machine._top()),
    "GET": PickleMachine._get,
    "BINGET": PickleMachine._get,
    "LONG_BINGET": PickleMachine._get,
    "PUT": PickleMachine._put,
    "BINPUT": PickleMachine._put,
    "LONG_BINPUT": PickleMachine._put,
    "MEMOIZE": PickleMachine._memoize,
    "TUPLE": lambda machine, _: machine._push(tuple(machine._pop_mark())),
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
    "LIST": lambda machine, _: machine._push(machine._pop_mark()),
    "FROZENSET": lambda machine, _: machine._push(machine._pop_mark()),
    "DICT": PickleMachine._dict,
    "APPEND": lambda machine, _: machine._append([machine._pop()]),
    "APPENDS": lambda machine, _: machine._append(machine._pop_mark()),
    "ADDITEMS": lambda machine, _: machine._append(machine._pop_mark()),
    "SETITEM": lambda machine, _: machine._set_items([machine._pop(), machine._pop()][::-1]),
    "SETITEMS": lambda machine, _: machine._set_items(machine._pop_mark()),
    "GLOBAL": PickleMachine._text_global,
    "STACK_GLOBAL": PickleMachine._stack_global,
    "REDUCE": PickleMachine._reduce,
    "NEWOBJ": PickleMachine._reduce,
    "NEWOBJ_EX": PickleMachine._newobj_ex,
    "OBJ": PickleMachine._obj,
    "INST": PickleMachine._inst,
    "BUILD": PickleMachine._build,
    "BINPERSID": PickleMachine._persistent_id,
}
"""The other opcodes. PERSID, EXT1, EXT2, EXT4, NEXT_BUFFER and READONLY_BUFFER are not among them."""
