"""What of a freeze score is painted by hand: learning rates, and whether the head is solved first. Without torch."""

import dataclasses

from tlkit.strategies import catalogue
from tlkit.strategies.freeze_score import FreezeScore, Mark, check_rates, make_score

MOST_EPOCHS = 12


@dataclasses.dataclass(frozen=True)
class Painting:
    """A freeze score as it is painted.

    Arguments
    ---------
    stages: tuple of str
    rates: (n_stages + 1, n_epochs) tuple of tuple of float
        Learning rates of the stages and, in the last row, of the head, 0 is frozen; 1 to `MOST_EPOCHS` epochs.
    solves_head: bool
        Whether the head is solved before the first epoch, instead of being random.

    Raises ValueError or TypeError for what is no such table.
    """

    stages: tuple
    rates: tuple
    solves_head: bool = False

    def __post_init__(self):
        object.__setattr__(self, "stages", tuple(self.stages))
        try:
            n_epochs = len(self.rates[0])
        except (TypeError, IndexError):
            n_epochs = 0
        if not 1 <= n_epochs <= MOST_EPOCHS:
            raise ValueError(f"rates: {n_epochs} columns, expected 1 to {MOST_EPOCHS} epochs")
        object.__setattr__(self, "rates", check_rates(self.rates, (*self.stages, "head"), n_epochs))
        if not isinstance(self.solves_head, bool):
            raise TypeError(f"solves_head: {self.solves_head!r}, expected True or False")

    def score(self):
        """Return the `FreezeScore` that is painted."""
        n_epochs = len(self.rates[0])
        rates = [[0, *row] for row in self.rates] if self.solves_head else self.rates
        marks = [Mark(solved=True)] * self.solves_head + [Mark()] * n_epochs
        return FreezeScore((*self.stages, "head"), rates, marks)


def make_painting(score, stages):
    """Return the `Painting` of a score.

    Raises ValueError for a score that has what can't be painted.
    """
    if score.parts != (*stages, "head"):
        raise ValueError(f"score: of {', '.join(score.parts)}; expected the parts {', '.join(stages)}, head")
    solves_head = score.marks[:1] == (Mark(solved=True),)
    marks = score.marks[solves_head:]
    if score.prepare or score.finish or set(marks) - {Mark()}:
        raise ValueError(
            "score: only learning rates and a head that is solved first can be painted; this one has more, such as "
            "augmentation, a penalty, or what comes before and after the phases"
        )
    # A score that only solves the head has one epoch to paint in, of which nothing is said.
    rates = [row[solves_head:] or (0,) for row in score.rates]
    return Painting(stages, rates, solves_head)


def list_paintable(backbone, n_train):
    """Return {name: Painting} of the known strategies that can be painted on a network."""
    found = {}
    for name in catalogue.names():
        try:
            found[name] = make_painting(make_score(catalogue.get(name), backbone, n_train), backbone.stages)
        except ValueError:
            continue  # it has what can't be painted, or more epochs
    return found
