"""Exercises are found by their names, and are declared by right answers, slips and hints."""

import operator
import subprocess
import sys

import pytest

from tlkit.lessons import check
from tlkit.lessons.exercise import NotYet, calling_answer, compare, compare_number, find_slip

SLIPS = {"one too many": 4, "one too few": 2, "also one too few": 2}


def list_loaded(code):
    """Return the names of the lessons' modules that another Python has loaded after running code."""
    code = f"{code}\nimport sys\nprint(*sorted(name for name in sys.modules if name.startswith('tlkit.lessons.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [name.removeprefix("tlkit.lessons.") for name in done.stdout.split()]


@pytest.mark.slow
def test_a_lesson_is_imported_when_one_of_its_exercises_is_checked():
    assert list_loaded("import tlkit.lessons") == []
    loaded = list_loaded("import tlkit as tl; tl.lessons.check('08_claim', ..., gains=None)")
    assert loaded == ["exercise", "lesson_08", "progress"]


@pytest.mark.parametrize("name", ["01_picture", "1_pictures", "pictures", "99_pictures", ""])
def test_an_unknown_exercise_gets_the_nearest_name(name):
    with pytest.raises(ValueError, match=r"is unknown; .*'01_pictures'"):
        check(name, 3)
    if len(name) > 8:
        with pytest.raises(ValueError, match="nearest: '01_pictures'"):
            check(name, 3)


def test_missing_data_is_named():
    with pytest.raises(TypeError, match=r"01_pictures was given train, expected shots=… and train=…"):
        check("01_pictures", 3, train=None)
    with pytest.raises(TypeError, match=r"10_debiased was given toy, expected $"):
        check("10_debiased", 3, toy=None)


def test_the_first_slip_that_the_answer_equals_gives_the_hint():
    compare(3, 3, {"never": 3}, "otherwise")
    assert find_slip(2, SLIPS) == "one too few"
    assert find_slip(9, SLIPS) is None
    for answer, hint in ((4, "one too many"), (2, "one too few"), (9, "otherwise")):
        with pytest.raises(NotYet, match=rf"^{hint}$"):
            compare(answer, 3, SLIPS, "otherwise")
    with pytest.raises(NotYet, match=r"^one too many$"):
        compare(2.9, 7, SLIPS, "otherwise", lambda a, b: abs(a - b) < 2)
    with pytest.raises(NotYet, match=r"^one too few$"):
        compare_number(2.9, 7, SLIPS, "otherwise", 1.9)


def test_an_exception_of_the_readers_function_is_a_hint_and_a_hint_stays_one():
    with pytest.raises(NotYet, match=r"^the function ended in ZeroDivisionError: "), calling_answer():
        operator.truediv(1, 0)
    with pytest.raises(NotYet, match=r"^as it is$"), calling_answer():
        raise NotYet("as it is")
