"""The freeze score: a strategy as a table of learning rates, stages down and epochs across. Without torch."""

import collections.abc
import dataclasses
import itertools
import json
import textwrap

from tlkit.arguments import check_number
from tlkit.names import KEYWORDS, spell_stage
from tlkit.strategies.strategy import Phase, Strategy, adjust_phases, resolve_keys

_LINE_LENGTH = 88
_NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclasses.dataclass(frozen=True)
class Mark:
    """The settings of a column of a score, besides its learning rates; as in `Phase`."""

    # A head that is solved to convergence takes a column, but no epoch.
    solved: bool = False
    augment: str | tuple | None = None
    penalty: object = None
    objective: object = None
    norm_statistics: str = "frozen"


@dataclasses.dataclass(frozen=True)
class FreezeScore:
    """A strategy as a table: (n_parts, n_columns) learning rates, and one `Mark` per column."""

    # Parts are the stages in forward order; then "norm", "bias" and "adapter", each only if a phase trains it by that
    # name; "head" comes last. A rate of 0 is frozen. A column is an epoch, or a solved head, whose rates are all 0.
    parts: tuple
    rates: tuple
    marks: tuple
    prepare: object = None
    finish: object = None
    name: str = "painted"

    def __post_init__(self):
        for field in ("parts", "marks"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        if len(self.parts) < 2 or self.parts[-1] != "head" or len(set(self.parts)) != len(self.parts):
            raise ValueError(f'parts: {self.parts}, expected the names of stages, each once, and "head" at the end')
        object.__setattr__(self, "rates", check_rates(self.rates, self.parts, len(self.marks)))
        for column, mark in enumerate(self.marks):
            if mark.solved and any(self.column(column)):
                raise ValueError(f"rates: column {column} solves the head and has learning rates, expected 0 in all")

    def column(self, column):
        """Return the (n_parts,) learning rates of a column."""
        return tuple(row[column] for row in self.rates)

    def phases(self):
        """Return the columns (list of int) of each phase; equal neighbours are one phase, frozen columns are none."""
        columns = range(len(self.marks))
        kept = [column for column in columns if self.marks[column].solved or any(self.column(column))]
        groups = itertools.groupby(kept, key=lambda column: (self.column(column), self.marks[column]))
        return [list(group) for _, group in groups]

    @property
    def n_epochs(self):
        """Number of epochs in which any part trains."""
        return sum(len(columns) for columns in self.phases() if not self.marks[columns[0]].solved)


def check_rates(rates, parts, n_columns):
    """Return learning rates as (n_parts, n_columns) tuples of float; errors name the part."""
    is_table = isinstance(rates, collections.abc.Iterable) and not isinstance(rates, str)
    rows = list(rates) if is_table else []
    lengths = [len(row) if isinstance(row, collections.abc.Sized) else None for row in rows]
    if lengths != [n_columns] * len(parts):
        raise ValueError(f"rates: rows of {lengths}, expected {len(parts)} rows, one per part, of {n_columns} columns")
    return tuple(
        tuple(check_number(f"rates of {part}", rate, at_least=0, hint="; 0 is frozen") for rate in row)
        for part, row in zip(parts, rows, strict=True)
    )


def make_score(strategy, backbone, n_train):
    """Return the `FreezeScore` of a strategy on a backbone's stages, for a number of training pictures."""
    strategy = adjust_phases(strategy, backbone, n_train)
    columns = [_make_column(phase, backbone) for phase in strategy.phases]
    used = {part for rates, _ in columns for part in rates}
    keywords = [key for key in ("norm", "bias", "adapter") if key in used]
    parts = (*map(spell_stage, backbone.stages), *keywords, "head")
    # A solved head takes one column, as an epoch does.
    spread = [index for index, phase in zip(columns, strategy.phases, strict=True) for _ in range(phase.n_epochs or 1)]
    rates = tuple(tuple(rates.get(part, 0.0) for rates, _ in spread) for part in parts)
    marks = tuple(mark for _, mark in spread)
    return FreezeScore(parts, rates, marks, prepare=strategy.prepare, finish=strategy.finish, name=strategy.name)


def _make_column(phase, backbone):
    """Return ({part: learning rate}, Mark) of a phase."""
    if phase.n_epochs is None:
        return {}, Mark(solved=True, objective=phase.objective)
    rates = {}
    # "all" is the widest key: narrower keys come later and overwrite it.
    for key in sorted(phase.learning_rate, key=lambda key: key != "all"):
        rates |= dict.fromkeys(resolve_keys([key], backbone), phase.learning_rate[key])
    fields = ("augment", "penalty", "objective", "norm_statistics")
    return rates, Mark(**{field: getattr(phase, field) for field in fields})


def make_strategy(score):
    """Return the `Strategy` of a score; ValueError if nothing trains."""
    # Equal neighbouring columns become one phase, so its learning rate warms up and decays once.
    phases = [_read_phase(score, columns) for columns in score.phases()]
    if not phases:
        raise ValueError("score: nothing learns in any epoch; give a part a learning rate, or solve the head")
    return Strategy(phases, score.prepare, score.finish, name=score.name)


def _read_phase(score, columns):
    """Return the `Phase` of some equal columns."""
    mark = score.marks[columns[0]]
    if mark.solved:
        return Phase(["head"], None, objective=mark.objective)
    rates = {part: rate for part, rate in zip(score.parts, score.column(columns[0]), strict=True) if rate}
    stages = [part for part in score.parts if part not in KEYWORDS]
    of_stages = {rates.get(stage, 0.0) for stage in stages}
    if len(of_stages) == 1 and min(of_stages) > 0 and "head" in rates:
        rates = {"all": of_stages.pop()} | {part: rate for part, rate in rates.items() if part not in stages}
        if rates["head"] == rates["all"]:
            del rates["head"]
    settings = {field: getattr(mark, field) for field in ("augment", "penalty", "objective", "norm_statistics")}
    return Phase(list(rates), len(columns), rates, **settings)


def write_python(score):
    """Return Python code that makes a score's strategy; ValueError if it contains functions, or if nothing trains."""
    strategy = make_strategy(score)
    functions = {"prepare": strategy.prepare, "finish": strategy.finish}
    for phase in strategy.phases:
        functions |= {key: getattr(phase, key) for key in ("penalty", "objective") if getattr(phase, key)}
    if named := [name for name, function in functions.items() if function]:
        raise ValueError(f"score: has {', '.join(named)}, functions that can't be written as code")
    lines = ["import tlkit as tl", "", "strategy = tl.Strategy(", "    ["]
    lines += [_write_phase(phase) for phase in strategy.phases]
    return "\n".join([*lines, "    ],", f"    name={json.dumps(strategy.name, ensure_ascii=False)},", ")"])


def _write_phase(phase):
    """Return the code of a phase, broken into lines."""
    arguments = [json.dumps(phase.train, ensure_ascii=False), repr(phase.n_epochs)]
    if phase.n_epochs is not None:
        # A key and its rate stay on one line.
        rates = [
            f"{json.dumps(key, ensure_ascii=False)}:{_NO_BREAK}{rate!r}" for key, rate in phase.learning_rate.items()
        ]
        alike = len(set(phase.learning_rate.values())) == 1
        arguments.append(repr(next(iter(phase.learning_rate.values()))) if alike else f"{{{', '.join(rates)}}}")
    if phase.augment:
        arguments.append(f"augment={json.dumps(phase.augment)}")
    if phase.norm_statistics != "frozen":
        arguments.append(f'norm_statistics="{phase.norm_statistics}"')
    call = "tl.Phase("
    indent = " " * 8
    layout = {"initial_indent": indent, "subsequent_indent": indent + " " * len(call)}
    layout |= {"break_long_words": False, "break_on_hyphens": False}
    text = textwrap.fill(f"{call}{', '.join(arguments)}),", _LINE_LENGTH, **layout)
    return text.replace(_NO_BREAK, " ")


def format_rate(rate):
    """Return a learning rate as text for a cell, with two digits at most."""
    if not rate:
        return "frozen"
    digits, exponent = f"{rate:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"
