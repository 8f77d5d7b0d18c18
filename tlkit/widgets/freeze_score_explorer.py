"""Paint a freeze score, see its costs, train it and compare it with known strategies: the `FreezeScoreExplorer`."""

from collections.abc import Sequence

import pandas as pd
import traitlets

import tlkit as tl
from tlkit.arguments import check_known
from tlkit.backbones.freezing.costs import FreezingCosts
from tlkit.images.imageset import ImageSet, check_images
from tlkit.names import format_strategy
from tlkit.plots.freeze_score_runs import render_score_and_runs
from tlkit.strategies import catalogue
from tlkit.strategies.strategy import Strategy
from tlkit.summaries.freeze_score import FreezeScore, make_score, make_strategy, write_python
from tlkit.summaries.freeze_score_trials import ScoreTrials, list_paintable, make_painted_score
from tlkit.widgets.explorer import read_files
from tlkit.widgets.freeze_score_base import FreezeScorePainter, ScoreRunner, make_grid
from tlkit.widgets.jobs import Job

PALETTE = (0, 1e-4, 3e-4, 1e-3, 3e-3)
_COMPARED = ("linear_probe", "fine_tune", "lp_ft", "gradual")


class FreezeScoreExplorer(FreezeScorePainter, ScoreRunner):
    """Paint which stage learns in which epoch and how fast: costs, accuracy, and the Python code for it.

    Parameters
    ----------
    backbone : Backbone
        The network to train.
    train, test : ImageSet
        Each score trains on the same pictures, with the same seed, and is tested on the same pictures.
    strategy : Strategy or str
        Strategy, or the name of a known one, to start with.
    palette : sequence of float
        The learning rates to paint with, at most ten; 0 is frozen.
    compare_with : sequence of str, optional
        Known strategies to compare with, by default linear_probe, fine_tune, lp_ft and gradual.
    costs : FreezingCosts, optional
        Result of `measure_freezing` with batches of `batch_size`. By default the costs are measured now, in seconds.
    seed, batch_size : int
        Seed and batch size as in `transfer`.

    Attributes
    ----------
    rates, solves_head : list of list of float, bool
        The learning rates, one row per stage and one for the head, and if it is solved first; assign to repaint.
    summary, python : str
        The costs of the painted score, and the code that makes it.

    Raises
    ------
    ValueError
        If the strategy can't be painted, or the test pictures' classes or the costs' network or batch size differ.

    Examples
    --------
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> train, test = tl.load_images("styles", domain="sketch").select(classes=["bird", "bug"]).split(test_fold=0)
    >>> FreezeScoreExplorer(backbone, train, test, batch_size=2).solves_head
    True
    """

    _esm = read_files("kit.js", "table.js", "freeze_score_painter.js", "freeze_score_explorer.js")
    _css = read_files("kit.css", "table.css", "freeze_score_explorer.css")

    known = traitlets.List().tag(sync=True)  # of pairs: name and title of a strategy to start with
    loaded = traitlets.Int(-1).tag(sync=True)  # place among them of the painted one; -1 for another

    def __init__(
        self,
        backbone: "tl.Backbone",
        train: ImageSet,
        test: ImageSet,
        *,
        strategy: Strategy | str = "lp_ft",
        palette: Sequence[float] = PALETTE,
        compare_with: Sequence[str] | None = None,
        costs: FreezingCosts | None = None,
        seed: int = 0,
        batch_size: int = 8,
    ):
        check_images("train", train)
        check_images("test", test)
        self._paintable = list_paintable(backbone, len(train))
        usual = [name for name in _COMPARED if name in self._paintable]
        names = usual if compare_with is None else compare_with
        self.compare_with = check_known("compare_with", names, list(self._paintable))
        first = make_painted_score(make_score(catalogue.get(strategy), backbone, len(train)), backbone.stages)
        test = test.with_classes(train.classes)
        n_measured = min(batch_size, len(train))
        costs = _measure(backbone, train, n_measured, seed) if costs is None else costs
        if costs.stages != first.stages or costs.batch_size != n_measured:
            raise ValueError(
                f"costs: of {costs.name}, {len(costs.stages)} stages, with batches of {costs.batch_size}; expected "
                f"{backbone.name}, {len(backbone.stages)} stages, with batches of {n_measured}; see measure_freezing"
            )
        self._painted = {}
        super().__init__(
            ScoreTrials(backbone, train, test, costs, seed=seed, batch_size=batch_size),
            known=[[name, format_strategy(name)] for name in self._paintable],
            **make_grid(first, palette),
        )
        self._show_painting()
        self.observe(lambda _change: self.report_failure(self._show_painting), ["rates", "solves_head"])

    @property
    def score(self) -> FreezeScore:
        """The painted `FreezeScore`; assigning another one changes the grid."""
        return self.painting.score()

    @score.setter
    def score(self, score: FreezeScore):
        """Change the grid."""
        self.painting = make_painted_score(score, self._trials.backbone.stages)

    @property
    def table(self) -> pd.DataFrame:
        """Results of the scores that have been run, one row per score.

        - score (str): name of a known strategy, or painted, painted 2, …
        - accuracy, accuracy_low, accuracy_high (float): share of correct test pictures and its 95 % interval.
        - n_test (int): number of test pictures.
        - n_trainable (int): number of parameters that are trained at some time.
        - estimated_s, duration_s (float): estimated and measured duration of the training, in seconds.
        """
        return self._trials.table

    def load(self, name: str) -> None:
        """Copy a known strategy into the grid.

        Parameters
        ----------
        name : str
            Name of the strategy. ValueError is raised if it is unknown or can't be painted.
        """
        check_known("name", name, list(self._paintable))
        self.painting = self._paintable[name]

    def _show_painting(self):
        """Show the costs of the painted score and its Python code."""
        with self._lock:
            score, paintings = self.score, list(self._paintable.values())
            self.summary = self._trials.estimate(score).sentence
            self.python = write_python(score) if score.phases() else ""
            self.loaded = paintings.index(self.painting) if self.painting in paintings else -1

    def run(self) -> Job:
        """Train and test the painted score in a thread of its own.

        Returns
        -------
        Job
            Its `wait` returns the `Run`.

        Raises
        ------
        ValueError or RuntimeError
            If nothing learns in any epoch, or another training is running.
        """
        score = self.score
        make_strategy(score)
        return self._begin(lambda job: self._run_painted(score, job))

    def compare(self) -> Job:
        """Train and test the strategies of `compare_with`, each once, in a thread of its own.

        Returns
        -------
        Job
            Its `wait` returns the `table`. RuntimeError is raised if another training is running.
        """
        return self._begin(self._run_known)

    def _run_painted(self, score, job):
        """Return the `Run` of a painted score."""
        numbered = f"painted {len(self._painted) + 1}" if self._painted else "painted"
        run = self._train(self._painted.setdefault(score, numbered), score, job)
        n_painted = len({*self._painted.values()} & {*self._trials.results})
        if run.completed and n_painted > 1:
            self.status += (
                f" {n_painted} painted scores have been tested on these test pictures: the best of them looks better "
                "than it is."
            )
        return run

    def _run_known(self, job):
        """Run the strategies to compare with that have no result yet; return the table."""
        for name in self.compare_with:
            if name in self._trials.results:
                continue
            run = self._train(name, self._paintable[name].score(), job)
            if job.cancelled.is_set() or not run.completed:
                return self.table
        self.status = f"Compared: {', '.join(map(format_strategy, self.compare_with))}."
        return self.table

    def _draw_still(self):
        """Return the painted score and the results (PNG, bytes)."""
        with self._drawing:
            return render_score_and_runs(self.score, self._history, self._n_epochs, self.table)

    def __repr__(self):
        trials = self._trials
        return (
            f"FreezeScoreExplorer({trials.backbone.name}, {len(trials.backbone.stages)} stages, "
            f"{len(trials.train)} training and {len(trials.test)} test pictures)"
        )


def _measure(backbone, images, n_pictures, seed):
    """Return the `FreezingCosts` of a backbone for batches of the first pictures."""
    import torch

    from tlkit.backbones.freezing.measurement import measure_freezing

    pictures = [torch.from_numpy(backbone.preprocess(images.read(index))) for index in range(n_pictures)]
    return measure_freezing(backbone, torch.stack(pictures), len(images.classes), n_rounds=2, seed=seed)
