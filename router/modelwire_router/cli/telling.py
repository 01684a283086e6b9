"""How far a long verb is, told to people now and then."""

import time

from modelwire_router.cli.session import Session

TELL_S = 2.0
"""Seconds between two words on how far it is."""


class Teller:
    """Says how far it is, and leaves out what would come too soon after the last word."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told = time.monotonic()

    def tell(self, text: str) -> None:
        """Say it, if it is time for it."""
        if time.monotonic() - self._told > TELL_S:
            self._told = time.monotonic()
            self._session.say(text.strip())
