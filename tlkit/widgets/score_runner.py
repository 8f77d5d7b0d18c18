"""Trainings of freeze scores, one at a time, with progress and a button to cancel: the base of their explorer."""

import functools
import threading
import time

import ipywidgets

from tlkit.names import format_strategy
from tlkit.plots.freeze_score_runs import RUNS_SIZE_INCHES, render_runs
from tlkit.widgets.boxes import BoxExplorer, StatusLine, make_picture
from tlkit.widgets.jobs import Job

WRAP = {"flex_flow": "row wrap"}
# Shortest time between two updates of text and drawing; a drawing takes the training a tenth of a second.
_TEXT_EVERY_S, _DRAW_EVERY_S = 0.2, 1.0
# Title and number format of each column of the table.
_COLUMNS = {
    "score": ("score", format_strategy),
    "accuracy": ("accuracy", "{:.2f}".format),
    "accuracy_low": ("from", "{:.2f}".format),
    "accuracy_high": ("to (95 %)", "{:.2f}".format),
    "n_test": ("test pictures", str),
    "n_trainable": ("trained parameters", "{:,}".format),
    "estimated_s": ("estimated (s)", "{:.1f}".format),
    "duration_s": ("measured (s)", "{:.1f}".format),
}


class ScoreRunner(BoxExplorer):
    """An explorer that trains scores in a thread of their own; a subclass has the methods `run` and `compare`."""

    def __init__(self, trials, rows):
        # Callbacks may run in a thread of their own, at the same time as a cell and a training.
        self._lock, self._drawing = threading.RLock(), threading.Lock()
        self._trials, self._job, self._running = trials, None, False
        self._step, self._cancelled_at_s = "", 0.0
        self._history, self._n_epochs, self._announced_at_s, self._drawn_at_s = [], 0, 0.0, 0.0
        self.status = StatusLine("Nothing has been trained yet: paint, then run.")
        self._run_button = self._make_button(
            "Run the painted score", lambda: self._start(self.run), button_style="primary"
        )
        self._compare_button = self._make_button("Compare with the catalogue", lambda: self._start(self.compare))
        self._cancel_button = self._make_button("Cancel", self.cancel, disabled=True)
        self._progress = ipywidgets.IntProgress(description="progress", min=0, max=1)
        self._picture = make_picture(RUNS_SIZE_INCHES, value=render_runs([], 1, trials.table))
        self._table_html = ipywidgets.HTML()
        controls = [self._run_button, self._compare_button, self._cancel_button, self._progress]
        super().__init__([*rows, ipywidgets.HBox(controls, layout=WRAP), self.status, self._picture, self._table_html])

    def _make_button(self, text, action, **traits):
        """Return a button that calls an action."""
        button = ipywidgets.Button(description=text, layout={"width": "auto"}, **traits)
        button.on_click(lambda _button: self.report_failure(action, "This could not be done"))
        return button

    def _start(self, action):
        """Call an action unless something runs: a second click may come before the button is disabled."""
        if not self._running:
            action()

    def cancel(self):
        """End the current run after its current step."""
        with self._lock:
            if not self._running or self._job.cancelled.is_set():
                return
            self._cancelled_at_s = time.monotonic()
            self.status.text = f"Cancelling: it ends with {self._step}."
            self._job.cancel()

    def _begin(self, work):
        """Return a new job; raise RuntimeError if one is running."""
        with self._lock:
            if self._running:
                raise RuntimeError("a training is running; wait for it with wait(), or cancel it")
            self.error = None
            self._switch(running=True)
            self._job = Job(functools.partial(self._work, work))
            return self._job

    def _work(self, work, job):
        """Do the work of a job, show its failure, and enable the buttons again."""
        try:
            return work(job)
        except Exception as error:
            self.error = error
            self.status.text = f"This run failed: {type(error).__name__}: {error}"
            raise
        finally:
            self._switch(running=False)

    def _switch(self, *, running):
        """Enable the buttons that can be used now."""
        self._running = self._run_button.disabled = self._compare_button.disabled = running
        self._cancel_button.disabled = not running

    def _train(self, name, score, job):
        """Return the `Run` of a score; show its progress and its result."""
        title = format_strategy(name)

        def announce(step):
            self._step = step
            self.status.text = f"{title}: {step}."

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
            self.status.text = f"{title}: {self._trials.results[name].sentence}"
        else:
            passed_s = time.monotonic() - self._cancelled_at_s
            self.status.text = (
                f"{title}: cancelled {passed_s:.1f} s after the click, with {len(run.history)} of {score.n_epochs} "
                "epochs done."
            )
        self._draw()  # after the text, which is quicker
        return run

    def _watch(self, training, announce, job):
        """Show the progress of a training; return whether it is cancelled."""
        if job.cancelled.is_set():
            return True
        now_s = time.monotonic()
        if now_s - self._announced_at_s < _TEXT_EVERY_S:
            return False
        self._announced_at_s = now_s
        if training.computing:
            announce("computing the frozen stages once")
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
        """Draw the curves of the current run, and show the table."""
        table = self._trials.table
        with self._drawing:
            self._picture.value = render_runs(self._history, self._n_epochs, table)
        self._table_html.value = _format_table(table) if len(table) else ""


def _format_table(table):
    """Return the table of results as HTML."""
    formatted = table.assign(**{name: table[name].map(format_cell) for name, (_, format_cell) in _COLUMNS.items()})
    return formatted.rename(columns={name: title for name, (title, _) in _COLUMNS.items()}).to_html(
        index=False, border=0, justify="left"
    )
