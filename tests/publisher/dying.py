"""A publisher that dies at a moment of choice: `python -m tests.publisher.dying`.

It reads `URL FILE STORE MOMENT` from each line, does that in a fork, and tells as JSON what could
be counted as moments until then. Moments are all calls that touch files, and all words of
progress; at the one chosen the fork kills itself. MOMENT -1 lets it live; STORE - is the log.
"""

import json
import os
import signal
import sys

from modelwire_log.sqlite.log import SqliteLog
from modelwire_publisher import Stage, publish
from modelwire_publisher.publishing import release
from modelwire_publisher.store.folder import Folder

WARM = (release, SqliteLog, Folder)
"""What publishers import, imported before the forks."""

WATCHED = ("open", "os.", "shutil.", "sqlite3.", "mmap.", "tempfile.", "modelwire.")


class Moments:
    """Counts, and ends it all when it is time."""

    def __init__(self, last: int) -> None:
        self.seen: list[str] = []
        self._last = last
        self._me = os.getpid()

    def hook(self, event: str, _: tuple[object, ...]) -> None:
        if event.startswith(WATCHED) and os.getpid() == self._me:
            self.seen.append(event)  # first, as the kill itself is heard of, too
            if len(self.seen) - 1 == self._last:
                os.kill(self._me, signal.SIGKILL)


def told(stage: Stage, done: int, total: int) -> None:
    sys.audit(f"modelwire.{stage}", done, total)


def in_a_fork(url: str, file: str, store: str, moment: int) -> None:
    moments = Moments(moment)
    sys.addaudithook(moments.hook)
    publish(
        file,
        model="flights-late",
        version="1",
        log=url,
        fields=["a", "b", "c", "d"],
        store=None if store == "-" else store,
        progress=told,
    )
    answer(moments.seen)


def main() -> None:
    for line in sys.stdin:
        url, file, store, moment = line.split()
        child = os.fork()
        if not child:
            in_a_fork(url, file, store, int(moment))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            answer(os.waitstatus_to_exitcode(status))


def answer(said: object) -> None:
    sys.stdout.write(f"{json.dumps(said)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
