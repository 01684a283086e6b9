"""Which words may travel: the same on every Python, whatever its tables of characters say."""

import sys
import unicodedata

import pytest

from modelwire_schemas.names import printable

ASSIGNED_LATER = "\U0001fae8"
"""A character of Unicode 15: some Pythons call it printable, others do not know it."""


def test_what_hides_or_moves_other_characters_is_not_printable() -> None:
    for point in range(sys.maxunicode + 1):
        kind = unicodedata.category(chr(point))
        if kind in {"Cc", "Cs", "Co", "Zl", "Zp"} or (kind == "Zs" and chr(point) != " "):
            assert not printable(f"a{chr(point)}b"), hex(point)


def test_letters_of_all_scripts_are_printable_and_no_table_is_asked() -> None:
    assert printable("Größe 速度 скорость 🛫 " + ASSIGNED_LATER)
    for point in range(sys.maxunicode + 1):
        if unicodedata.category(chr(point))[0] in "LMNPS":
            assert printable(chr(point)), hex(point)


@pytest.mark.parametrize("sly", ["\n", "\x1b[2J", "\x00", "\u202e", "\u200b", "\ufeff", "\u2028"])
def test_a_line_that_is_none_is_not_printable(sly: str) -> None:
    assert not printable(f"ann{sly}bob")
