"""`check` an answer to an exercise, and the parts that exercises are made of. Without torch."""

import contextlib
import dataclasses
import functools
import importlib
import inspect
import math
import numbers
import operator
import pkgutil
from collections.abc import Callable
from pathlib import Path

from tlkit.arguments import check_known
from tlkit.languages import translate
from tlkit.lessons.progress import keep_try
from tlkit.notices import warn


@dataclasses.dataclass(frozen=True)
class Check:
    """The verdict on an answer; displays as a sentence.

    Parameters
    ----------
    passed : bool
        Whether the answer is right.
    sentence : str
        Why it is right, or a hint.

    Examples
    --------
    >>> Check(False, "the lower end comes first.")
    Not yet: the lower end comes first.
    """

    passed: bool
    sentence: str

    def __repr__(self):
        return translate(f"Passed: {self.sentence}" if self.passed else f"Not yet: {self.sentence}")


class NotYet(Exception):
    """An answer isn't right yet; the message is a hint."""


_EXERCISES = {}


def check(name: str, answer: object, **given: object) -> Check:
    """Check the answer to an exercise; in an open notebook, its tries are counted in `progress.json` beside it.

    Parameters
    ----------
    name : str
        Name of the exercise as in the lesson: number of the lesson, underscore, word.
    answer : object
        The answer; `...` stands for none yet.
    **given : object
        The data that the answer was computed from, by the names that the exercise gives.

    Returns
    -------
    Check
        Whether the answer is right, and a sentence.

    Raises
    ------
    ValueError
        If there is no such exercise; the message has the nearest names.
    TypeError
        If data is missing, or isn't used by the exercise.

    Examples
    --------
    >>> check("01_pictures", ..., train=None, shots=20)
    Not yet: no answer yet; replace the three dots with a whole number.
    """
    check_answer, expected, read = _find(name)
    needed = set(inspect.signature(check_answer).parameters) - {"answer"}
    if needed != given.keys():
        wanted = " and ".join(f"{word}=…" for word in sorted(needed))
        raise TypeError(f"check: {name} was given {', '.join(sorted(given)) or 'no data'}, expected {wanted}")
    if answer is None or answer is ...:
        return Check(False, f"no answer yet; replace the three dots with {expected}.")
    try:
        verdict = Check(True, check_answer(read(answer), **given))
    except NotYet as hint:
        verdict = Check(False, str(hint))
    if problem := keep_try(name, verdict.passed):
        warn(problem)
    return verdict


def _find(name):
    """Return what `exercise` has registered; import the module of its lesson."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    lessons = [module.name for module in modules if module.name.startswith("lesson_")]
    own = f"lesson_{str(name).partition('_')[0]}"
    for module in sorted(lessons, key=own.__ne__):  # its own first; the others to suggest the nearest name
        if name not in _EXERCISES:
            importlib.import_module(f"tlkit.lessons.{module}")
    check_known("name", name, list(_EXERCISES))
    return _EXERCISES[name]


def exercise(name: str, expected: str, read: Callable = lambda answer: answer) -> Callable:
    """Return a decorator that registers a function (answer, *, data …); `expected` describes the answer."""

    # The function returns a sentence if the answer is right, and raises NotYet with a hint if it isn't. It is given
    # what `read` returns of an answer, which raises NotYet for one of another type.
    def register(function):
        _EXERCISES[name] = (function, expected, read)
        return function

    return register


def find_slip(answer, slips, are_equal=operator.eq):
    """Return the hint of the first usual wrong answer in {hint: wrong answer} that the answer equals, or None."""
    return next((hint for hint, wrong in slips.items() if are_equal(answer, wrong)), None)


def compare(answer, right, slips, otherwise, are_equal=operator.eq):
    """Raise NotYet if the answer isn't right, with the hint of the slip that it equals, or else with `otherwise`."""
    if not are_equal(answer, right):
        raise NotYet(find_slip(answer, slips, are_equal) or otherwise)


def compare_number(answer, right, slips, otherwise, tolerance=0.0, *, share=0.0):
    """Do as `compare` does for numbers: the hint is that of the nearest slip, within the tolerance or share of it."""
    nearest_first = dict(sorted(slips.items(), key=lambda slip: abs(answer - slip[1])))
    are_close = functools.partial(math.isclose, rel_tol=share, abs_tol=tolerance)
    if abs(right) < 1 < abs(answer) and are_close(answer / 100, right):
        raise NotYet("this is in percent; give a share, from 0 to 1.")
    compare(answer, right, nearest_first, otherwise, are_close)


def name_type(answer):
    """Return the name of an answer's type."""
    return type(answer).__name__


def _take_out(answer):
    """Return the only number of an array, a column or a tensor, or else the answer itself."""
    with contextlib.suppress(AttributeError, ValueError, RuntimeError):
        return answer.item()
    return answer


def expect_function(answer):
    """Return the answer; raise NotYet if it isn't a function."""
    if not callable(answer):
        raise NotYet(f"this should be your function, without brackets after it, and is a {name_type(answer)}.")
    return answer


def expect_whole_number(answer, quantity):
    """Return the answer, a quantity such as "a number of pictures", as int; raise NotYet if it isn't a whole number."""
    number = _take_out(answer)
    if isinstance(number, bool) or not isinstance(number, numbers.Real) or number % 1 != 0:
        raise NotYet(f"{quantity} is a whole number, and this is a {name_type(answer)}.")
    return int(number)


def expect_number(answer):
    """Return the answer as float; raise NotYet if it isn't a number."""
    try:
        return float(_take_out(answer))
    except (TypeError, ValueError):
        raise NotYet(f"this should be a number, and is a {name_type(answer)}.") from None


@contextlib.contextmanager
def calling_answer():
    """Turn any exception of the reader's function into a hint."""
    try:
        yield
    except NotYet:
        raise
    except Exception as error:
        raise NotYet(f"the function ended in {name_type(error)}: {error}") from error
