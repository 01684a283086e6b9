"""What SQLite says, in the words of modelwire's errors."""

import sqlite3
from pathlib import Path

from modelwire_schemas.errors import Corrupt, ModelwireError, Rejected, Unavailable

ALLOW = "make the file and its folder readable and writable for this user"
REFUSED = {"SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"}
"""What SQLite says to a quota, a limit of the process, and a full disk under its shared memory."""
LASTING = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PROTOCOL,
}


def unavailable(path: Path, why: str, todo: str) -> Unavailable:
    """Return the error of a log that is out of reach."""
    return Unavailable("E_LOG_UNAVAILABLE", f"the log {path} is out of reach: {why}", todo=todo)


def gone(path: Path) -> Unavailable:
    """Return the error of a log that was open and whose file is no longer there."""
    return unavailable(path, "the file is gone", "put it back; nothing else is needed")


def not_a_log(path: Path, why: str) -> Rejected:
    """Return the error of a file that is something else."""
    return Rejected(
        "E_LOG_FORMAT",
        f"{path} is no log: {why}",
        expected="a SQLite file that modelwire made, or none yet",
        todo="name another file in sqlite:///path",
    )


def code_of(error: Exception) -> int:
    """Return SQLite's primary code; a text that cannot be decoded, which has none, is damage."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF


def is_lasting(error: Exception) -> bool:
    """Return whether a connection is better made anew after this."""
    return code_of(error) in LASTING


def told(error: Exception, path: Path) -> ModelwireError:
    """Return modelwire's error for one of SQLite's or of the file system's."""
    if isinstance(error, OSError):
        return unavailable(path, error.strerror or str(error), ALLOW)
    code = code_of(error)
    if code == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorname", "") in REFUSED:
        return Unavailable(
            "E_NO_SPACE",
            f"no space left for the log {path} (or a quota, or a limit); nothing was written",
            todo="free some space; nothing needs a restart",
        )
    match code:
        case sqlite3.SQLITE_NOTADB:
            return not_a_log(path, "it is no database")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_CONSTRAINT:
            return Corrupt(
                "E_CORRUPT",
                f"the log {path} is damaged ({error})",
                todo="restore it from a backup, or salvage it with `sqlite3 … .recover`",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return unavailable(path, "another process holds it locked", "find who, with `lsof`")
        case sqlite3.SQLITE_TOOBIG:
            return Rejected(
                "E_TOO_LARGE", "a record is too large", expected="at most 1 GB", todo="split it"
            )
        case _:
            return unavailable(path, str(error), ALLOW)
