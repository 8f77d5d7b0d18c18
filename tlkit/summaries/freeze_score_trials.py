"""Scores tried out on the same pictures, side by side. Without torch until one is run."""

import dataclasses

from tlkit.evaluation.intervals import wilson_interval
from tlkit.strategies.freeze_score import make_strategy
from tlkit.strategies.freeze_score_costs import summarise_freeze_score


@dataclasses.dataclass(frozen=True)
class ScoreResult:
    """One score that was trained and tested.

    Arguments
    ---------
    score: str
        Its name.
    n_right, n_test: int
        Test pictures.
    n_trainable: int
        Parameters that learn at once, the most of all phases.
    estimated_s, duration_s: float
        Of the training: beforehand, and measured.
    """

    score: str
    n_right: int
    n_test: int
    n_trainable: int
    estimated_s: float
    duration_s: float

    @property
    def accuracy(self):
        """A fraction."""
        return self.n_right / self.n_test

    def interval(self):
        """Return (low, high) of the accuracy at 95 %, as if each test picture were drawn by itself.

        Wilson 1927 (Probable inference, the law of succession, and statistical inference). What another seed would
        change is not in it.

        >>> low, high = ScoreResult("painted", 8, 10, 100, 1.0, 1.1).interval()
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
        """
        return wilson_interval(self.n_right, self.n_test)

    @property
    def sentence(self):
        """The result in words."""
        return (
            f"{self.n_right} of {self.n_test} test pictures right ({self.accuracy:.2f}). Trained in "
            f"{self.duration_s:.1f} s; {self.estimated_s:.1f} s were estimated."
        )


class ScoreTrials:
    """Trains and tests scores on the same pictures with the same seed, and keeps what they came to.

    Arguments
    ---------
    backbone: Backbone
    train, test: ImageSet
    costs: FreezingCosts
    seed, batch_size: int
        As in `transfer`.

    `results` holds a `ScoreResult` each by name.
    """

    def __init__(self, backbone, train, test, costs, *, seed=0, batch_size=8):
        self.backbone, self.train, self.test, self.costs = backbone, train, test, costs
        self.seed, self.batch_size = seed, batch_size
        self.results = {}

    def read(self, score):
        """Return what a score costs, as `summarise_freeze_score` does."""
        return summarise_freeze_score(score, self.costs, len(self.train))

    def run(self, name, score, *, watch=None, before_test=None):
        """Train a score, and test it where the training was completed; returns the `Run`.

        Arguments
        ---------
        name: str
            Of the result; another of that name is replaced.
        score: FreezeScore
        watch: callable, optional
            A callback, as of `transfer`: it may end the training.
        before_test: callable, optional
            Called without arguments before the test pictures are predicted.
        """
        from tlkit.training.transfer import transfer

        run = transfer(
            self.backbone,
            self.train,
            dataclasses.replace(make_strategy(score), name=name),
            seed=self.seed,
            batch_size=self.batch_size,
            callbacks=[watch] if watch else [],
            progress=False,
        )
        if run.completed:
            if before_test:
                before_test()
            predictions = run.evaluate(self.test).predictions
            n_right = int((predictions["label"] == predictions["predicted"]).sum())
            summary = self.read(score)
            times = summary.duration_s, run.duration_s
            # Replaced as a whole: another thread may be reading it.
            result = ScoreResult(name, n_right, len(predictions), summary.n_trainable, *times)
            self.results = self.results | {name: result}
        return run

    @property
    def table(self):
        """The results, a row each (DataFrame).

        score, accuracy, accuracy_low, accuracy_high, n_test, n_trainable, estimated_s, duration_s.
        """
        import pandas as pd

        rows = [
            {"score": one.score, "accuracy": one.accuracy}
            | dict(zip(("accuracy_low", "accuracy_high"), one.interval(), strict=True))
            | {name: getattr(one, name) for name in ("n_test", "n_trainable", "estimated_s", "duration_s")}
            for one in self.results.values()
        ]
        names = "score", "accuracy", "accuracy_low", "accuracy_high", "n_test", "n_trainable", "estimated_s"
        return pd.DataFrame(rows, columns=[*names, "duration_s"])
