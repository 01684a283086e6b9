"""What somebody may have meant: the known word that is nearest to an unknown one (pure)."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `did you mean X?`, or nothing where no known word is near."""
    by_small = {each.lower(): each for each in sorted(known)}
    found = get_close_matches(word.lower(), by_small, n=1, cutoff=0.6)
    return f"did you mean {by_small[found[0]]}?" if found else ""
