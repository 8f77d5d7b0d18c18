"""The claims of all lessons: their measurements in `claims/lesson_*.py`, and the tables beside them. Without torch."""

import collections
import dataclasses
import functools
import importlib.util
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tlkit.arguments import check_count, check_known
from tlkit.claims.claim import Claim
from tlkit.course import find_course

FEWEST_REPLICATIONS = 10
_REGISTERED = []
# A function of choices that measures the effects of claims {name: Claim}, and its replications (list of dict).
Measurement = collections.namedtuple("Measurement", "function replications claims")


class Shown(tuple):
    """Claims that display below each other."""

    def __repr__(self):
        return "\n".join(map(repr, self))

    def _repr_html_(self):
        """Return the claims below each other."""
        return "".join(claim._repr_html_() for claim in self)


def measurement(choices: Mapping[str, Sequence], n_replications: int = 12, **claims: Claim) -> Callable:
    """Return a decorator of a function that measures claims; used in the files of the ledger.

    Parameters
    ----------
    choices : dict of str to sequence
        Levels of each choice that a careful researcher could make otherwise: text, numbers or booleans.
    n_replications : int
        Number of combinations of choices, at least 10, by default balanced over levels; all if there aren't more.
    **claims : Claim
        The claims by name. A name is that of a table, too.

    Returns
    -------
    callable
        A decorator. The function takes one keyword per choice and returns a result for each claim, {name: result}: an
        array of at least two paired differences, (effect, low, high), or one number without an interval.

    Raises
    ------
    ValueError
        If a claim has fewer than 10 different replications, or its choices or their levels can't be used.

    Examples
    --------
    >>> claim = Claim("The sum of both is positive.", (0, None), effect="sum")
    >>> @measurement({"first": [1, 2, 3], "second": [4, 5, 6], "third": ["a", "b"]}, sums_are_positive=claim)
    ... def add(first, second, third):
    ...     return {"sums_are_positive": first + second}
    """
    levels = {name: list(values) for name, values in choices.items()}
    for name, values in levels.items():
        # A table is read from text: 1.0 would come back as 1, and 3 beside 2.5 as 3.0.
        is_whole = all(isinstance(value, float) and value.is_integer() for value in values)
        if is_whole or len(set(map(str, values))) < len(values) or len(set(map(type, values))) > 1:
            raise ValueError(f"choices: the levels of {name} are {values}, expected different ones of one type")
    check_count("n_replications", n_replications, FEWEST_REPLICATIONS)
    for name, claim in claims.items():
        check_known(f"{name}: ignores", claim.ignores, levels)
        entering = {choice: values for choice, values in levels.items() if choice not in claim.ignores}
        claims[name] = dataclasses.replace(claim, name=name, choices=entering)
    replications = _draw_replications(levels, n_replications, [claim.choices for claim in claims.values()])
    for name, claim in claims.items():
        if (n := len(find_different(replications, claim.choices))) < FEWEST_REPLICATIONS:
            raise ValueError(f"choices: {n} combinations for {name}, expected at least {FEWEST_REPLICATIONS}: add more")

    def register(function):
        path = Path(function.__code__.co_filename)
        for name, claim in claims.items():
            claims[name] = dataclasses.replace(claim, lesson=path.stem[-2:], path=path.with_name(f"{name}.csv"))
        _REGISTERED.append(Measurement(function, replications, claims))
        return function

    return register


def find_different(replications, names):
    """Return the combinations of some choices (list of dict), each once, in the order of the replications."""
    different = dict.fromkeys(tuple(row[name] for name in names) for row in replications)
    return [dict(zip(names, levels, strict=True)) for levels in different]


def _draw_replications(levels, n_wanted, entering):
    """Return all combinations of levels as dicts, or a balanced draw of `n_wanted` different ones."""
    combinations = [dict(zip(levels, values, strict=True)) for values in itertools.product(*levels.values())]
    if len(combinations) <= n_wanted:
        return combinations
    # Each level is dealt equally often and shuffled, until no combination occurs twice, and each claim has enough.
    generator = np.random.default_rng(0)
    for _ in range(10_000):
        dealt = [generator.permutation(np.resize(range(len(values)), n_wanted)) for values in levels.values()]
        rows = sorted(set(zip(*(places.tolist() for places in dealt), strict=True)))
        drawn = [{name: levels[name][place] for name, place in zip(levels, row, strict=True)} for row in rows]
        is_enough = [len(find_different(drawn, names)) >= FEWEST_REPLICATIONS for names in entering]
        if len(rows) == n_wanted and all(is_enough):
            break
    return drawn


def find_folder():
    """Return the folder of the ledger."""
    return find_course() / "claims"


def load_measurements():
    """Return the measurements of all lessons (tuple)."""
    return _load(find_folder())


@functools.cache
def _load(folder):
    """Run the files of a folder, and return the measurements that they define."""
    n_before = len(_REGISTERED)
    for path in sorted(folder.glob("lesson_*.py")):
        specification = importlib.util.spec_from_file_location(f"tlkit_claims_{path.stem}", path)
        specification.loader.exec_module(importlib.util.module_from_spec(specification))
    return tuple(_REGISTERED[n_before:])


def find_claims(*names):
    """Return claims (list) by name, by number of a lesson, or all if no name is given."""
    claims = {claim.name: claim for one in load_measurements() for claim in one.claims.values()}
    lessons = {claim.lesson for claim in claims.values()}
    check_known("names", names, {*claims, *lessons})
    return [one for name in names or sorted(lessons) for one in claims.values() if name in (one.name, one.lesson)]


def get(name: str) -> Claim:
    """Return a claim by name.

    Parameters
    ----------
    name : str
        Its name; `tl.claims.table()` lists all.

    Returns
    -------
    Claim
        The claim with its replications.

    Raises
    ------
    ValueError
        If there is no such claim; the message has the nearest names.

    Examples
    --------
    >>> name = table()["name"].iloc[0]
    >>> get(name).name == name
    True
    """
    return find_claims(name)[0]


def show(*names: str) -> Shown:
    """Show claims below each other, each with the share of its replications in which it holds.

    Parameters
    ----------
    *names : str
        Names of claims, or numbers of lessons such as "05" for all of their claims.

    Returns
    -------
    Shown
        The claims (a tuple), which display as text. In a notebook the rate folds out the specification curve.

    Raises
    ------
    ValueError
        If a name is unknown; the message has the nearest names.

    Examples
    --------
    >>> name = table()["name"].iloc[0]
    >>> len(show(name))
    1
    """
    return Shown(find_claims(*names))


def table() -> pd.DataFrame:
    """Return the table of all claims.

    Returns
    -------
    DataFrame
        One row per claim, by lesson, with these columns:

        - lesson, name, sentence : str
        - expected : str or tuple, the expected verdict or bounds
        - n_holding, n_replications : int
        - rate : float, share of the replications in which the claim holds
        - duration_s : float, of all its replications

    Examples
    --------
    >>> list(table())[:3]
    ['lesson', 'name', 'sentence']
    """
    rows = []
    for claim in find_claims():
        counts = (claim.n_holding, len(claim.replications), claim.rate, claim.replications["duration_s"].sum())
        rows.append((claim.lesson, claim.name, claim.sentence, claim.expected, *counts))
    columns = ["lesson", "name", "sentence", "expected", "n_holding", "n_replications", "rate", "duration_s"]
    return pd.DataFrame(rows, columns=columns)
