"""`check` an answer to an exercise; each lesson's module registers what it asks with `exercise`."""

import dataclasses
import difflib
import inspect


@dataclasses.dataclass(frozen=True)
class Check:
    """The verdict on an answer; displays as a sentence.

    Arguments
    ---------
    passed: bool
    sentence: str
        Why, or what to look at.
    """

    passed: bool
    sentence: str

    def __repr__(self):
        return f"{'Passed' if self.passed else 'Not yet'}: {self.sentence}"


_EXERCISES = {}


def check(name, answer, **given):
    """Check the answer to an exercise.

    Arguments
    ---------
    name: str
        Of the exercise, as in the lesson: number of the lesson, underscore, word.
    answer: object
        `...` stands for none yet.
    given: keyword arguments
        The data that the answer was computed from; which ones, the exercise says.

    Returns a `Check`. Raises ValueError for an unknown exercise, with the nearest; TypeError where data is missing.

    >>> check("01_pictures", ..., train=None, shots=20)
    Not yet: no answer so far; put a whole number in the place of the three dots.
    """
    if name not in _EXERCISES:
        nearest = difflib.get_close_matches(str(name), _EXERCISES, n=1, cutoff=0.4)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise ValueError(f"name: {name!r} is no exercise; {hint}There are {', '.join(_EXERCISES)}")
    check_answer, asked_for = _EXERCISES[name]
    needed = set(inspect.signature(check_answer).parameters) - {"answer"}
    if needed != given.keys():
        raise TypeError(
            f"check: {name} was given {', '.join(sorted(given)) or 'no data'}, expected "
            f"{' and '.join(f'{word}=…' for word in sorted(needed))}"
        )
    if answer is None or answer is ...:
        return Check(False, f"no answer so far; put {asked_for} in the place of the three dots.")
    return check_answer(answer, **given)


def exercise(name, asked_for):
    """Return a decorator that registers a function (answer, *, data…) → `Check` as an exercise.

    Arguments
    ---------
    name: str
        Number of the lesson, underscore, word.
    asked_for: str
        What to put in the place of the three dots, as in "a whole number".
    """

    def register(function):
        _EXERCISES[name] = (function, asked_for)
        return function

    return register
