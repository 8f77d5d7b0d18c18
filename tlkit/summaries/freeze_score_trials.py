"""Freeze scores that are painted, and trained and tested side by side. Without torch until one is run."""

import dataclasses
import itertools
import math
from typing import NamedTuple

import pandas as pd

from tlkit.backbones.freezing.costs import FreezingChoice, summarise_freezing
from tlkit.evaluation.intervals import wilson_interval
from tlkit.names import format_strategy, spell_stage
from tlkit.strategies import catalogue
from tlkit.summaries.freeze_score import FreezeScore, Mark, check_rates, make_score, make_strategy

MAX_EPOCHS = 12


@dataclasses.dataclass(frozen=True)
class PaintedScore:
    """A freeze score as a grid of learning rates; ValueError or TypeError if it is none."""

    stages: tuple  # of str
    rates: tuple  # (n_stages + 1, n_epochs), the head in the last row; 0 is frozen
    solves_head: bool = False  # before the first epoch, instead of starting with a random head

    def __post_init__(self):
        object.__setattr__(self, "stages", tuple(map(spell_stage, self.stages)))
        try:
            n_epochs = len(self.rates[0])
        except (TypeError, IndexError):
            n_epochs = 0
        if not 1 <= n_epochs <= MAX_EPOCHS:
            raise ValueError(f"rates: {n_epochs} columns, expected 1 to {MAX_EPOCHS} epochs")
        object.__setattr__(self, "rates", check_rates(self.rates, (*self.stages, "head"), n_epochs))
        if not isinstance(self.solves_head, bool):
            raise TypeError(f"solves_head: {self.solves_head!r}, expected True or False")

    def score(self):
        """Return the `FreezeScore`."""
        n_epochs = len(self.rates[0])
        rates = [[0, *row] for row in self.rates] if self.solves_head else self.rates
        marks = [Mark(solved=True)] * self.solves_head + [Mark()] * n_epochs
        return FreezeScore((*self.stages, "head"), rates, marks)


def make_painted_score(score, stages):
    """Return the `PaintedScore` of a score; ValueError if it has parts that can't be painted."""
    stages = tuple(map(spell_stage, stages))
    if score.parts != (*stages, "head"):
        raise ValueError(f"score: of {', '.join(score.parts)}; expected the parts {', '.join(stages)}, head")
    solves_head = score.marks[:1] == (Mark(solved=True),)
    marks = score.marks[solves_head:]
    if score.prepare or score.finish or set(marks) - {Mark()}:
        raise ValueError("score: only learning rates and a head that is solved first can be painted; this one has more")
    # A score that only solves the head gets one frozen epoch to paint in.
    rates = [row[solves_head:] or (0,) for row in score.rates]
    return PaintedScore(stages, rates, solves_head)


def list_paintable(backbone, n_train):
    """Return {name: PaintedScore} of the known strategies that can be painted on a network."""
    found = {}
    for name in catalogue.names():
        try:
            found[name] = make_painted_score(make_score(catalogue.get(name), backbone, n_train), backbone.stages)
        except ValueError:
            continue  # it has parts that can't be painted, or more epochs
    return found


# Title of each column of the results, and the format of a row's cell.
_COLUMNS = {
    "score": lambda row: format_strategy(row.score),
    "accuracy (95 % interval)": lambda row: f"{row.accuracy:.2f} ({row.accuracy_low:.2f} to {row.accuracy_high:.2f})",
    "test pictures": lambda row: str(row.n_test),
    "trained parameters": lambda row: f"{row.n_trainable:,}",
    "estimated (s)": lambda row: f"{row.estimated_s:.1f}",
    "measured (s)": lambda row: f"{row.duration_s:.1f}",
}
_NAMES = ["score", "accuracy", "accuracy_low", "accuracy_high", "n_test", "n_trainable", "estimated_s", "duration_s"]


class ScoreTrials:
    """Trains and tests freeze scores on the same pictures with the same seed; `results` are rows of `table` by name."""

    def __init__(self, backbone, train, test, costs, *, seed=0, batch_size=8):
        self.backbone, self.train, self.test, self.costs = backbone, train, test, costs
        self.seed, self.batch_size = seed, batch_size
        self.results = {}

    def estimate(self, score):
        """Return the costs of a score, as `summarise_freeze_score` does."""
        return summarise_freeze_score(score, self.costs, len(self.train))

    def run(self, name, score, *, watch=None, before_test=None):
        """Train a score, test it if training was completed, and return the `Run`; a result of that name is replaced."""
        # `watch` is a callback of `transfer`, which may end the training; `before_test` is called without arguments.
        from tlkit.training.transfer import transfer

        strategy = dataclasses.replace(make_strategy(score), name=name)
        takes_steps = any(phase.n_epochs is not None for phase in strategy.phases)
        settings = {"seed": self.seed, "callbacks": [watch] if watch else [], "progress": False}
        settings |= {"batch_size": self.batch_size} if takes_steps else {}
        run = transfer(self.backbone, self.train, strategy, **settings)
        if run.completed:
            if before_test:
                before_test()
            predictions = run.evaluate(self.test).predictions
            n_right, n_test = int((predictions["label"] == predictions["predicted"]).sum()), len(predictions)
            estimate, accuracies = self.estimate(score), (n_right / n_test, *wilson_interval(n_right, n_test))
            row = name, *accuracies, n_test, estimate.n_trainable, estimate.duration_s, run.duration_s
            # The dict is replaced, not changed: another thread may be reading it.
            self.results = self.results | {name: dict(zip(_NAMES, row, strict=True))}
        return run

    @property
    def table(self):
        """DataFrame, one row per result; its intervals don't include the variation over seeds."""
        return pd.DataFrame(list(self.results.values()), columns=_NAMES)


def format_result(row):
    """Return a result of `ScoreTrials` (dict) in words."""
    n_right = round(row["accuracy"] * row["n_test"])
    return (
        f"{n_right} of {row['n_test']} test pictures right ({row['accuracy']:.2f}). Trained in "
        f"{row['duration_s']:.1f} s; {row['estimated_s']:.1f} s were estimated."
    )


def format_results(table):
    """Return the columns and cells of the table of `ScoreTrials` for the script that shows them (dict)."""
    columns = [{"title": title, "number": title != "score"} for title in _COLUMNS]
    return {"columns": columns, "cells": [[form(row) for form in _COLUMNS.values()] for row in table.itertuples()]}


class ScoreCosts(NamedTuple):
    """The costs of a freeze score; memory is the largest of any step, 0 without steps, with stored prefix outputs."""

    # Parameters that train at once are the most of any phase. The duration is estimated from the shortest measured
    # steps, so it is a little short, without reading pictures, converting a network and solving a head.
    n_trainable: int
    n_parameters: int
    memory_mib: float
    n_steps: int
    duration_s: float
    sentence: str


def summarise_freeze_score(score, costs, n_train, *, frozen_prefix_mib=1024):
    """Return the `ScoreCosts` of a score of stages and head, for a number of training pictures."""
    # The frozen prefix is computed once for all epochs of a phase, and for a following phase with the same prefix. As
    # long as its stages are pretrained, its outputs are kept, and any later phase reuses them.
    if score.parts != (*costs.stages, "head"):
        raise ValueError(f"score: of {', '.join(score.parts)}; the costs are of {', '.join(costs.stages)}, head")
    n_of_head = costs.steps["head", "learns", False].n_trainable
    n_trainable, memory_mib, duration_s = 0, 0.0, 0.0
    touched, kept, previous, reused, longest = set(), set(), (), {}, 0
    n_batches = n_train / costs.batch_size  # not rounded up: pictures are divided into batches evenly
    for columns in score.phases():
        mark, rates = score.marks[columns[0]], dict(zip(score.parts, score.column(columns[0]), strict=True))
        frozen = [stage for stage in costs.stages if not rates[stage]]
        summary = summarise_freezing(costs, FreezingChoice(frozen))
        prefix = tuple(itertools.takewhile(frozen.__contains__, costs.stages))
        # The outputs of a whole network are features, which are small.
        n_stored = len(prefix) if prefix != tuple(costs.stages) else 0
        stored_mib = costs.input_bytes[costs.stages[n_stored]] / 2**20 * n_batches if n_stored else 0.0
        if not mark.solved and (mark.augment or stored_mib > frozen_prefix_mib):
            prefix, stored_mib = (), 0.0
        if prefix != previous and prefix not in kept:
            duration_s += n_batches * sum(summary.durations_s[: len(prefix)])
        if touched.isdisjoint(prefix):
            kept.add(prefix)
        previous = prefix
        # Of solving and of epochs, the prefix that is frozen in all their phases.
        reused[mark.solved] = min(len(prefix), reused.get(mark.solved, len(prefix)))
        if mark.solved:
            n_trainable = max(n_trainable, n_of_head)
            continue
        longest = max(longest, len(prefix))
        duration_s += len(columns) * n_batches * sum(summary.durations_s[len(prefix) :])
        # In the measurements the head always trains; here it may be frozen.
        n_learning = summary.n_trainable - (0 if rates["head"] else n_of_head)
        learning = summary.memory_mib["gradients"] + summary.memory_mib["optimizer state"]
        fixed = summary.memory_mib["parameters"] + summary.memory_mib["activations"] + stored_mib
        memory_mib = max(memory_mib, fixed + learning * n_learning / summary.n_trainable)
        n_trainable = max(n_trainable, n_learning)
        touched.update(stage for stage in costs.stages if rates[stage])
    n_steps = score.n_epochs * math.ceil(n_batches)
    sentence = "Nothing learns yet: paint a learning rate into a cell, or solve the head."
    if n_trainable:
        step = f"A step with {costs.batch_size} pictures holds {memory_mib:.0f} MiB. " if n_steps else ""
        sentence = (
            f"{n_trainable:,} of {costs.n_parameters:,} parameters learn at once. {step}{n_steps} steps: at least "
            f"{duration_s:.{0 if duration_s >= 10 else 1}f} s for {n_train} pictures."
        )
        once = {solved: f"up to {costs.stages[n - 1]}" for solved, n in reused.items() if n}
        if once:
            sentence += f" The frozen stages {once.get(True) or once[False]} are computed once"
            then = f"; {'some ' * (longest > 0)}epochs compute all stages"
            then = f", and those {once[False]} for all epochs" if False in once else then
            sentence += f" to solve the head{then}." if len(reused) > 1 else "."
        elif longest:
            stages = f"up to {costs.stages[longest - 1]}"
            sentence += f" The frozen stages {stages} are computed once for the epochs that freeze them."
    return ScoreCosts(n_trainable, costs.n_parameters, memory_mib, n_steps, duration_s, sentence)
