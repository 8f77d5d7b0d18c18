"""Freeze scores as far as they are painted: learning rates, and if the head is solved first. Without torch."""

import dataclasses

from tlkit.names import spell_stage
from tlkit.strategies import catalogue
from tlkit.summaries.freeze_score import FreezeScore, Mark, check_rates, make_score

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
        raise ValueError(
            "score: only learning rates and a head that is solved first can be painted; this one has more, such as "
            "augmentation, a penalty, or steps before and after the phases"
        )
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
