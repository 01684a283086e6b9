"""Every error that modelwire raises: one tree, each with a code, a place and a way out.

ModelwireError          exit 1   something failed
├── NotFound            exit 3   what was asked for does not exist
├── Conflict            exit 4   somebody else was first; names who
├── Rejected            exit 5   the input breaks a rule; names the rule
│   └── RejectedFile    exit 5   a file breaks rules; names every fault and its place
├── TimedOut            exit 6   the wait was bounded, and it ended
│   └── NotReady        exit 6   no version can answer yet; says why
├── Unavailable         exit 1   the log, a store or a disk is out of reach
├── Corrupt             exit 1   bytes are not what was written
└── TooNew              exit 1   a record needs a newer modelwire (R25)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


def one_line(text: str) -> str:
    """Return `text` with control characters escaped, so that it stays one harmless line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class ModelwireError(Exception):
    """Something failed: `E_CODE: what is wrong, where; expected …; what to do`."""

    exit_code: ClassVar[int] = 1

    def __init__(
        self, code: str, what: str, *, where: str = "", expected: str = "", todo: str = ""
    ) -> None:
        self.code = code
        self.what = one_line(what)
        self.where = one_line(where)
        self.expected = one_line(expected)
        self.todo = one_line(todo)
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f", {self.where}" if self.where else ""
        wanted = f"; expected {self.expected}" if self.expected else ""
        mend = f"; {self.todo}" if self.todo else ""
        return f"{self.code}: {self.what}{place}{wanted}{mend}"

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.code, self.what, self.where, self.expected, self.todo)


def _restore(
    kind: type[ModelwireError], code: str, what: str, where: str, expected: str, todo: str
) -> ModelwireError:
    return kind(code, what, where=where, expected=expected, todo=todo)


class NotFound(ModelwireError):
    """Raised when a model, version, route, stream or file does not exist."""

    exit_code = 3


class Conflict(ModelwireError):
    """Raised when a change lost against another one; the text names who won."""

    exit_code = 4


class Rejected(ModelwireError):
    """Raised when an input breaks a rule: a name, a contract, a document, a file."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    code: str
    what: str
    expected: str = ""
    todo: str = ""

    def __str__(self) -> str:
        wrong = Rejected(self.code, self.what, expected=self.expected, todo=self.todo)
        return f"{one_line(self.file)}:{self.line}:{self.column}: {wrong}"


class RejectedFile(Rejected):
    """Raised when a file breaks rules: all its faults, `FILE:LINE:COLUMN: E_CODE: …`, one a line.

    `code` and `what` are those of the first one.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        first = faults[0]
        self.faults = tuple(faults)
        super().__init__(first.code, first.what, expected=first.expected, todo=first.todo)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)

    def __reduce__(self) -> tuple[object, ...]:
        return RejectedFile, (self.faults,)


class TimedOut(ModelwireError):
    """Raised when a bounded wait ended without what was waited for."""

    exit_code = 6


class NotReady(TimedOut):
    """Raised when no version can answer yet; the text says why."""


class Unavailable(ModelwireError):
    """Raised when the log, an object store or a disk is out of reach."""


class Corrupt(ModelwireError):
    """Raised when bytes are not what was written."""


class TooNew(ModelwireError):
    """Raised when a record needs a newer modelwire; the reader stops there (R25)."""
