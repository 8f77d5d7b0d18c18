"""Paint a freeze score, see what it costs, train it beside the known strategies: the `FreezeScoreExplorer`."""

import functools
import threading
import time

import ipywidgets

from tlkit.arguments import check_known
from tlkit.names import format_strategy
from tlkit.plots.freeze_score_runs import RUNS_SIZE_INCHES, render_runs, render_score_and_runs
from tlkit.strategies import catalogue
from tlkit.strategies.freeze_score import make_score, make_strategy, write_python
from tlkit.summaries.freeze_score_painting import list_paintable, make_painting
from tlkit.summaries.freeze_score_trials import ScoreTrials
from tlkit.widgets.explorer import Explorer, make_picture
from tlkit.widgets.freeze_score_painter import FreezeScorePainter
from tlkit.widgets.jobs import Job
from tlkit.widgets.status import StatusLine

PALETTE = (0, 1e-4, 3e-4, 1e-3, 3e-3)
_COMPARED = ("linear_probe", "fine_tune", "lp_ft", "gradual")
# How far a training is, is said and drawn so often at most: a drawing takes a tenth of a second from it.
_SAY_EVERY_S, _DRAW_EVERY_S = 0.2, 1.0
# What the columns of the table are called, and how their numbers are written.
_COLUMNS = {
    "score": ("score", format_strategy),
    "accuracy": ("accuracy", "{:.2f}".format),
    "accuracy_low": ("from", "{:.2f}".format),
    "accuracy_high": ("to (95 %)", "{:.2f}".format),
    "n_test": ("test pictures", str),
    "n_trainable": ("parameters that learn", "{:,}".format),
    "estimated_s": ("estimated (s)", "{:.1f}".format),
    "duration_s": ("measured (s)", "{:.1f}".format),
}


class FreezeScoreExplorer(Explorer):
    """Paint which stage learns in which epoch and how fast: what it costs, what it comes to, and the Python for it.

    Building it displays nothing. Where there are no widgets, a picture of it is shown instead.

    Arguments
    ---------
    backbone: Backbone
    train, test: ImageSet
        Each score learns from the same training pictures, with the same seed, and is tested on the same test pictures.
    strategy: Strategy, or the name of a known one
        To begin with.
    palette: sequence of float
        The learning rates to paint with, ten at most; 0 is frozen.
    compare_with: sequence of str, optional
        Known strategies to set beside what is painted; by default linear_probe, fine_tune, lp_ft and gradual.
    costs: FreezingCosts, optional
        From `measure_freezing` with batches of `batch_size`; by default they are measured now, which takes seconds.
    seed, batch_size: int
        As in `transfer`.

    `score` is the `FreezeScore` that is painted; assigning another moves the grid. `table` has a row each score that
    was run. `status` is the line of text, `error` the exception that the last change or run ended in, or None.

    Raises ValueError for a strategy that can't be painted, test pictures of other classes, and costs of another
    network or batch size.
    """

    def __init__(
        self,
        backbone,
        train,
        test,
        *,
        strategy="lp_ft",
        palette=PALETTE,
        compare_with=None,
        costs=None,
        seed=0,
        batch_size=8,
    ):
        self._paintable = list_paintable(backbone, len(train))
        usual = [name for name in _COMPARED if name in self._paintable]
        names = usual if compare_with is None else compare_with
        self.compare_with = check_known("compare_with", names, list(self._paintable))
        first = make_painting(make_score(catalogue.get(strategy), backbone, len(train)), backbone.stages)
        test = test.with_classes(train.classes)
        n_measured = min(batch_size, len(train))
        costs = _measure(backbone, train, n_measured, seed) if costs is None else costs
        if costs.stages != backbone.stages or costs.batch_size != n_measured:
            raise ValueError(
                f"costs: of {costs.name}, {len(costs.stages)} stages, with batches of {costs.batch_size}; expected "
                f"{backbone.name}, {len(backbone.stages)} stages, with batches of {n_measured}; see measure_freezing"
            )
        self._trials = ScoreTrials(backbone, train, test, costs, seed=seed, batch_size=batch_size)
        # Callbacks may run on a thread of their own, beside a cell and beside a training.
        self._lock, self._drawing = threading.RLock(), threading.Lock()
        self._painted, self._job, self._running = {}, None, False
        self._going_on, self._cancelled_at_s = "", 0.0
        self._history, self._n_epochs, self._said_at_s, self._drawn_at_s = [], 0, 0.0, 0.0
        self.painter = FreezeScorePainter(first, palette)
        self.status = StatusLine("Nothing was trained yet: paint, then run.")
        known = [
            self._make_button(format_strategy(name), functools.partial(self.load, name)) for name in self._paintable
        ]
        self._run_button = self._make_button(
            "Run the painted score", lambda: self._start(self.run), button_style="primary"
        )
        self._compare_button = self._make_button("Compare with the catalogue", lambda: self._start(self.compare))
        self._cancel_button = self._make_button("Cancel", self.cancel, disabled=True)
        self._progress = ipywidgets.IntProgress(description="progress", min=0, max=1)
        self._picture = make_picture(RUNS_SIZE_INCHES, value=render_runs([], 1, self.table))
        self._table_html = ipywidgets.HTML()
        self._show_painting()
        wrap = {"flex_flow": "row wrap"}
        rows = [
            ipywidgets.HBox([ipywidgets.Label("begin with"), *known], layout=wrap),
            self.painter,
            ipywidgets.HBox([self._run_button, self._compare_button, self._cancel_button, self._progress], layout=wrap),
        ]
        super().__init__([*rows, self.status, self._picture, self._table_html])
        self.painter.observe(lambda _change: self.report_failure(self._show_painting), ["rates", "solves_head"])

    def _make_button(self, text, action, **traits):
        button = ipywidgets.Button(description=text, layout={"width": "auto"}, **traits)
        button.on_click(lambda _button: self._click(action))
        return button

    def _click(self, action):
        try:
            action()
        except Exception as error:
            self.error = error
            self.status.text = f"This could not be done: {type(error).__name__}: {error}"

    def _start(self, action):
        if not self._running:  # else it was a second click, made before the button could be disabled
            action()

    @property
    def score(self):
        """The `FreezeScore` that is painted."""
        return self.painter.painting.score()

    @score.setter
    def score(self, score):
        self.painter.painting = make_painting(score, self._trials.backbone.stages)

    @property
    def table(self):
        """A row each score that was run (DataFrame).

        score, accuracy, accuracy_low, accuracy_high, n_test, n_trainable, estimated_s, duration_s.
        """
        return self._trials.table

    def load(self, name):
        """Put a known strategy into the grid; ValueError for one that can't be painted."""
        check_known("name", name, list(self._paintable))
        self.painter.painting = self._paintable[name]

    def _show_painting(self):
        with self._lock:
            score = self.score
            self.painter.summary = self._trials.read(score).sentence
            self.painter.python = write_python(score) if score.phases() else ""

    def run(self):
        """Train and test what is painted, in a thread of its own; returns a `Job`, whose `wait` returns the `Run`.

        Raises ValueError where nothing learns, RuntimeError while something else runs.
        """
        score = self.score
        make_strategy(score)
        return self._begin(lambda job: self._run_painted(score, job))

    def compare(self):
        """Train and test the strategies to compare with, each once, in a thread; returns a `Job` for the `table`.

        Raises RuntimeError while something else runs.
        """
        return self._begin(self._run_known)

    def cancel(self):
        """End what runs with the step that is going on."""
        with self._lock:
            if not self._running or self._job.cancelled.is_set():
                return
            self._cancelled_at_s = time.monotonic()
            self.status.text = f"Cancelling: it ends with {self._going_on}."
            self._job.cancel()

    def _begin(self, work):
        with self._lock:
            if self._running:
                raise RuntimeError("something is running; wait for it with wait(), or cancel it")
            self.error = None
            self._switch(running=True)
            self._job = Job(functools.partial(self._work, work))
            return self._job

    def _work(self, work, job):
        try:
            return work(job)
        except Exception as error:
            self.error = error
            self.status.text = f"This run failed: {type(error).__name__}: {error}"
            raise
        finally:
            self._switch(running=False)

    def _switch(self, *, running):
        self._running = self._run_button.disabled = self._compare_button.disabled = running
        self._cancel_button.disabled = not running

    def _run_painted(self, score, job):
        numbered = f"painted {len(self._painted) + 1}" if self._painted else "painted"
        run = self._train(self._painted.setdefault(score, numbered), score, job)
        n_painted = len({*self._painted.values()} & {*self._trials.results})
        if run.completed and n_painted > 1:
            self.status.text += (
                f" {n_painted} painted scores were tried on these test pictures: the best of them looks better than it "
                "is."
            )
        return run

    def _run_known(self, job):
        for name in self.compare_with:
            if name in self._trials.results:
                continue
            run = self._train(name, self._paintable[name].score(), job)
            if job.cancelled.is_set() or not run.completed:
                return self.table
        self.status.text = f"Compared: {', '.join(map(format_strategy, self.compare_with))}."
        return self.table

    def _train(self, name, score, job):
        said = format_strategy(name)

        def announce(going_on):
            self._going_on = going_on
            self.status.text = f"{said}: {going_on}."

        self._history, self._n_epochs = [], score.n_epochs
        self._progress.value, self._progress.max = 0, 1
        announce("preparations for the first step")
        run = self._trials.run(
            name,
            score,
            watch=lambda training: self._watch(training, announce, job),
            before_test=lambda: announce("prediction of the test pictures"),
        )
        self._history = run.history
        if run.completed:
            self._progress.value = self._progress.max
            self.status.text = f"{said}: {self._trials.results[name].sentence}"
        else:
            passed_s = time.monotonic() - self._cancelled_at_s
            self.status.text = (
                f"{said}: cancelled {passed_s:.1f} s after the click, with {len(run.history)} of {score.n_epochs} "
                "epochs done."
            )
        self._draw()  # after the words, which don't take as long
        return run

    def _watch(self, training, announce, job):
        """Say how far a training is, and whether it is to end."""
        if job.cancelled.is_set():
            return True
        now_s = time.monotonic()
        if now_s - self._said_at_s < _SAY_EVERY_S:
            return False
        self._said_at_s = now_s
        if training.computing:
            announce("computing once what stays frozen")
            return False
        n_done, n_batches = len(training.history), training.n_batches
        self._progress.max = self._n_epochs * n_batches
        self._progress.value = n_done * n_batches + training.batch_index
        announce(f"epoch {n_done + 1} of {self._n_epochs}, step {training.batch_index} of {n_batches}")
        if n_done > len(self._history) and now_s - self._drawn_at_s >= _DRAW_EVERY_S:
            self._drawn_at_s = now_s
            self._history = list(training.history)
            self._draw()
        return False

    def _draw(self):
        table = self.table
        with self._drawing:
            self._picture.value = render_runs(self._history, self._n_epochs, table)
        self._table_html.value = _format_table(table) if len(table) else ""

    def snapshot(self):
        """Return the score as it is painted, with what was run, as a still picture (IPython Image, PNG)."""
        from IPython.display import Image

        with self._drawing:
            return Image(render_score_and_runs(self.score, self._history, self._n_epochs, self.table))

    def __repr__(self):
        trials = self._trials
        return (
            f"FreezeScoreExplorer({trials.backbone.name}, {len(trials.backbone.stages)} stages, "
            f"{len(trials.train)} training and {len(trials.test)} test pictures)"
        )


def _measure(backbone, images, n_pictures, seed):
    import torch

    from tlkit.backbones.freezing.measurement import measure_freezing

    pictures = [torch.from_numpy(backbone.preprocess(images.read(index))) for index in range(n_pictures)]
    return measure_freezing(backbone, torch.stack(pictures), len(images.classes), n_rounds=2, seed=seed)


def _format_table(table):
    said = table.assign(**{name: table[name].map(say) for name, (_, say) in _COLUMNS.items()})
    return said.rename(columns={name: title for name, (title, _) in _COLUMNS.items()}).to_html(
        index=False, border=0, justify="left"
    )
