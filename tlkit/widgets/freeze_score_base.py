"""The bases of the `FreezeScoreExplorer`: a grid to paint a score in, and trainings, one at a time, with progress."""

import functools
import threading
import time

import traitlets

from tlkit.arguments import check_number
from tlkit.languages import show
from tlkit.names import format_strategy
from tlkit.plots.freeze_score import list_rate_colours
from tlkit.plots.freeze_score_runs import render_runs
from tlkit.summaries.freeze_score_trials import MAX_EPOCHS, PaintedScore, format_result, format_results
from tlkit.widgets.explorer import Explorer, refuse_value
from tlkit.widgets.jobs import Job

_MAX_RATES = 10  # each has a digit on the keyboard


class FreezeScorePainter(Explorer):
    """The traits of a grid of stages × epochs, painted with at most ten learning rates; 0 is frozen."""

    # Assigning `rates` or `solves_head` changes the grid. `summary` and `python` are shown below it.

    stages = traitlets.List().tag(sync=True)
    rates = traitlets.List().tag(sync=True)
    solves_head = traitlets.Bool(False).tag(sync=True)
    palette = traitlets.List().tag(sync=True)
    scale = traitlets.Dict().tag(sync=True)
    most_epochs = traitlets.Int(MAX_EPOCHS).tag(sync=True)
    summary = traitlets.Unicode().tag(sync=True, to_json=show)
    python = traitlets.Unicode().tag(sync=True)

    @traitlets.validate("rates")
    def _check(self, proposal):
        """Return the rates of a valid painting; raise TraitError for others."""
        with refuse_value():
            rates = PaintedScore(self.stages, proposal["value"]).rates
        return [list(row) for row in rates]

    @property
    def painting(self):
        """The current `PaintedScore`; assigning another one changes the grid."""
        return PaintedScore(self.stages, self.rates, self.solves_head)

    @painting.setter
    def painting(self, painting):
        """Change the grid."""
        with self.hold_trait_notifications():
            self.rates = [list(row) for row in painting.rates]
            self.solves_head = painting.solves_head


def make_grid(painting, palette):
    """Return the traits of a grid with a painting (dict); ValueError if its palette is none."""
    if not 1 <= len(palette) <= _MAX_RATES:
        raise ValueError(f"palette: {len(palette)} learning rates, expected 1 to {_MAX_RATES}: each has a digit")
    for rate in palette:
        check_number("palette", rate, at_least=0, hint="; 0 is frozen")
    return {
        "stages": list(painting.stages),
        "palette": list(palette),
        "scale": list_rate_colours(palette),
        "rates": [list(row) for row in painting.rates],
        "solves_head": painting.solves_head,
    }


# Shortest time between two updates of text and drawing; a drawing takes the training a tenth of a second.
_TEXT_EVERY_S, _DRAW_EVERY_S = 0.2, 1.0


class ScoreRunner(Explorer):
    """An explorer that trains scores in a thread of their own; a subclass has the methods `run` and `compare`."""

    running = traitlets.Bool(False).tag(sync=True)
    progress = traitlets.List([0, 1]).tag(sync=True)  # steps done, and all
    drawing = traitlets.Unicode().tag(sync=True)  # SVG
    results = traitlets.Dict().tag(sync=True)  # see `format_results`

    def __init__(self, trials, **traits):
        # Callbacks may run in a thread of their own, at the same time as a cell and a training.
        self._lock, self._drawing = threading.RLock(), threading.Lock()
        self._trials, self._job, self._step, self._cancelled_at_s = trials, None, "", 0.0
        self._history, self._n_epochs, self._announced_at_s, self._drawn_at_s = [], 0, 0.0, 0.0
        shown = {"drawing": render_runs([], 1, trials.table), "results": format_results(trials.table)}
        super().__init__(status="Nothing has been trained yet: paint, then run.", **shown, **traits)
        self.on_msg(self._take_request)

    def _take_request(self, _widget, request, _buffers):
        """Do what a button requests: {"action": name of a method, "arguments": list}."""
        # A second click may come before the buttons are disabled.
        if self.running and request["action"] in ("run", "compare"):
            return
        action = {"run": self.run, "compare": self.compare, "cancel": self.cancel, "load": self.load}[request["action"]]
        self.report_failure(lambda: action(*request.get("arguments", ())), "This could not be done")

    def cancel(self):
        """End the current run after its current step."""
        with self._lock:
            if not self.running or self._job.cancelled.is_set():
                return
            self._cancelled_at_s = time.monotonic()
            self.status = f"Cancelling: it ends with {self._step}."
            self._job.cancel()

    def _begin(self, work):
        """Return a new job; raise RuntimeError if one is running."""
        with self._lock:
            if self.running:
                raise RuntimeError("a training is running; wait for it with wait(), or cancel it")
            self.error, self.running = None, True
            self._job = Job(functools.partial(self._work, work))
            return self._job

    def _work(self, work, job):
        """Do the work of a job, show its failure, and enable the buttons again."""
        try:
            return work(job)
        except Exception as error:
            self.error = error
            self.status = f"This run failed: {type(error).__name__}: {error}"
            raise
        finally:
            self.running = False

    def _announce(self, title, step, progress):
        """Show the step that goes on, and the progress."""
        self._step, self.status, self.progress = step, f"{title}: {step}.", progress

    def _train(self, name, score, job):
        """Return the `Run` of a score; show its progress and its result."""
        title = format_strategy(name)
        self._history, self._n_epochs = [], score.n_epochs
        self._announce(title, "preparations for the first step", [0, 1])
        run = self._trials.run(
            name,
            score,
            watch=lambda training: self._watch(training, title, job),
            before_test=lambda: self._announce(title, "prediction of the test pictures", self.progress),
        )
        self._history = run.history
        if run.completed:
            self.status, self.progress = f"{title}: {format_result(self._trials.results[name])}", [1, 1]
        else:
            passed_s = time.monotonic() - self._cancelled_at_s
            self.status = (
                f"{title}: cancelled {passed_s:.1f} s after the click, with {len(run.history)} of {score.n_epochs} "
                "epochs done."
            )
        self._draw()  # after the text, which is quicker
        return run

    def _watch(self, training, title, job):
        """Show the progress of a training; return whether it is cancelled."""
        if job.cancelled.is_set():
            return True
        now_s = time.monotonic()
        if now_s - self._announced_at_s < _TEXT_EVERY_S:
            return False
        self._announced_at_s = now_s
        if training.computing:
            self._announce(title, "computing the frozen stages once", self.progress)
            return False
        n_done, n_batches, at = len(training.history), training.n_batches, training.batch_index
        step = f"epoch {n_done + 1} of {self._n_epochs}, step {at} of {n_batches}"
        self._announce(title, step, [n_done * n_batches + at, self._n_epochs * n_batches])
        if n_done > len(self._history) and now_s - self._drawn_at_s >= _DRAW_EVERY_S:
            self._drawn_at_s = now_s
            self._history = list(training.history)
            self._draw()
        return False

    def _draw(self):
        """Draw the curves of the current run, and show the table."""
        table = self._trials.table
        with self._drawing:
            self.drawing = render_runs(self._history, self._n_epochs, table)
        self.results = format_results(table)
