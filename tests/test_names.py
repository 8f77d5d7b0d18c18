"""Names that terminals, tables and files can show."""

from pathlib import Path

import pytest

from tlkit.names import make_printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("käse 猫 👩‍🔬.png", "käse 猫 👩‍🔬.png"),
        ("a\x1b]0;owned\x07", r"a\x1b]0;owned\x07"),
        ("a\nb\tc\x7f\x9b", r"a\nb\tc\x7f\x9b"),
        ("caf\udce9", r"caf\udce9"),
        ("gpj\u202eexe", r"gpj\u202eexe"),
        (Path("x\x1b[8m"), r"x\x1b[8m"),
    ],
)
def test_characters_that_act_are_spelled_out(name, shown):
    assert make_printable(name) == shown
