"""The tables of a log file, and how one is made.

A record's `id` is its place (22 bits) and its offset (40 bits), so a place is one stretch of the
table, in the order of its offsets, and needs no index. `high` is the highest `timestamp` up to
the record: it never falls within a place, so a time is found by bisection. The columns of
CloudEvents are for those who look into the file; they are drawn from the headers when asked.
"""

import sqlite3
import uuid
from pathlib import Path

from modelwire_log.sqlite.errors import not_a_log, unavailable
from modelwire_log.sqlite.seal import seal
from modelwire_schemas.errors import TooNew

APPLICATION = 0x6D776C67
"""`mwlg` in the header of the file says that it is ours."""
FORMAT = 1
SMALLEST = 512
"""The least size of a database in bytes."""
OFFSET_BITS = 40

RECORDS = """
CREATE TABLE records (
  id INTEGER PRIMARY KEY,
  timestamp INTEGER NOT NULL,
  appended INTEGER NOT NULL,
  high INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  key BLOB,
  headers TEXT,
  value BLOB,
  ce_id TEXT AS (json_extract(headers, '$.ce_id')),
  ce_source TEXT AS (json_extract(headers, '$.ce_source')),
  ce_specversion TEXT AS (json_extract(headers, '$.ce_specversion')),
  ce_type TEXT AS (json_extract(headers, '$.ce_type')),
  ce_subject TEXT AS (json_extract(headers, '$.ce_subject')),
  ce_time TEXT AS (json_extract(headers, '$.ce_time')),
  content_type TEXT AS (json_extract(headers, '$."content-type"'))
)
"""
TABLES = (
    "CREATE TABLE log (id TEXT NOT NULL, appended INTEGER NOT NULL, crc INTEGER NOT NULL)",
    """
    CREATE TABLE places (
      place INTEGER PRIMARY KEY,
      stream TEXT NOT NULL,
      partition INTEGER NOT NULL,
      partitions INTEGER NOT NULL,
      next INTEGER NOT NULL,
      high INTEGER NOT NULL,
      crc INTEGER NOT NULL,
      UNIQUE (stream, partition)
    )
    """,
    RECORDS,
    """
    CREATE TABLE groups (name TEXT PRIMARY KEY, generation INTEGER NOT NULL)
    """,
    """
    CREATE TABLE members (
      id TEXT PRIMARY KEY,
      grp TEXT NOT NULL,
      streams TEXT NOT NULL,
      space TEXT NOT NULL,
      pid INTEGER NOT NULL,
      started INTEGER NOT NULL,
      session INTEGER NOT NULL,
      beat INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE shares (
      grp TEXT NOT NULL,
      stream TEXT NOT NULL,
      partition INTEGER NOT NULL,
      holder TEXT NOT NULL,
      heir TEXT NOT NULL,
      PRIMARY KEY (grp, stream, partition)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE positions (
      grp TEXT NOT NULL,
      stream TEXT NOT NULL,
      partition INTEGER NOT NULL,
      after INTEGER NOT NULL,
      control INTEGER NOT NULL,
      settled INTEGER NOT NULL,
      crc INTEGER NOT NULL,
      PRIMARY KEY (grp, stream, partition)
    ) WITHOUT ROWID
    """,
)


def is_made(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the tables are there, False for an empty file.

    Raises Rejected `E_LOG_FORMAT` for somebody else's database, TooNew `E_LOG_FORMAT` for a log
    of a later modelwire.
    """
    if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        if 0 < path.stat().st_size < SMALLEST:  # which SQLite would take for empty
            raise not_a_log(path, "it is no database")
        return False
    # Asked after the tables, which another process may be making: they come with the number.
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise not_a_log(path, "it is a database of something else")
    number = connection.execute("PRAGMA user_version").fetchone()[0]
    if number != FORMAT:
        raise TooNew(
            "E_LOG_FORMAT",
            f"the log {path} has format {number}",
            expected=f"format {FORMAT}",
            todo="upgrade modelwire",
        )
    return True


def make(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or find that another process was quicker."""
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise unavailable(path, "its file system cannot share memory", "choose a local disk")
    connection.execute("BEGIN IMMEDIATE")
    if not is_made(connection, path):
        for table in TABLES:
            connection.execute(table)
        log_id = uuid.uuid4().hex
        connection.execute("INSERT INTO log VALUES (?, 0, ?)", (log_id, seal(log_id, 0)))
        connection.execute(f"PRAGMA application_id={APPLICATION}")
        connection.execute(f"PRAGMA user_version={FORMAT}")
    connection.execute("COMMIT")
