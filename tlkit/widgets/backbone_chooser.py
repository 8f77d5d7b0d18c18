"""Budget → who is left → prediction → scores: the `BackboneChooser`."""

import math
import threading

import ipywidgets
import traitlets

from tlkit.arguments import check_known
from tlkit.plots.backbone_choice import SIZE_INCHES, render_choice
from tlkit.summaries.backbone_choice import LIMITED, Budget, choose, format_limit
from tlkit.summaries.backbone_table import format_html
from tlkit.widgets.explorer import Explorer, make_picture
from tlkit.widgets.status import StatusLine

_LABELS = {"n_flops": "compute, at most", "n_parameters": "size, at most", "image_size_px": "input, at most"}


class BackboneChooser(Explorer):
    """Set a budget, see who is left, predict the best of them; only then their scores are shown.

    Building it displays nothing. Where there are no widgets, a picture of the scores is shown instead.

    Arguments
    ---------
    table: DataFrame
        A row a candidate, such as `tlkit.backbones.table` or `tlkit.selection.rank` returns it: a column of names, each
        once; n_flops, n_parameters, image_size_px, offline: what is there can be limited.
    scores: str or list of str
        Columns to judge by, more is better; the first at first.
    cost: "n_flops", "n_parameters" or "image_size_px"
        What the scores are drawn against.
    names: str
        The column with the names.

    `budget` (a `Budget`), `predicted` (a name or None) and `score` are traits: assigning to
    them moves the controls. `selection` is what fits and what came out, `error` the exception that the last change
    ended in, or None.

    Raises ValueError for a table without candidates, a column that isn't there, or names that occur twice.
    """

    budget = traitlets.Instance(Budget)
    predicted = traitlets.Unicode(None, allow_none=True)
    score = traitlets.Unicode()

    def __init__(self, table, scores="accuracy", *, cost="n_flops", names="name"):
        scores = [scores] if isinstance(scores, str) else list(scores)
        _check(table, scores, cost, names)
        self.table, self.cost, self.names = table.reset_index(drop=True), cost, names
        self._known = {"predicted": self.table[names].tolist(), "score": scores}
        # Callbacks may run on a thread of their own beside a cell that assigns to the traits.
        self._lock, self._moving = threading.RLock(), False
        self._seen, self._late, self._shown = False, False, None
        self._limits = {column: _make_limit(self.table[column]) for column in LIMITED if column in table}
        self._offline = _make_buttons([("any", False), ("only those on this machine", True)], False)
        self._choices = _make_buttons([], None)
        self._keep = ipywidgets.Button(
            description="Keep my prediction, show the scores", disabled=True, layout={"width": "max-content"}
        )
        self._scores = _make_buttons([(name.replace("_", " "), name) for name in scores], scores[0])
        self.status = StatusLine("")
        self._picture = make_picture(SIZE_INCHES)
        self._left = ipywidgets.HTML()
        self._rows = self._make_rows()
        self._n_blind = self._rows.index(self._left) + 1
        super().__init__(self._rows[: self._n_blind], budget=Budget(), score=scores[0])
        self._show_state()
        for control in (*self._limits.values(), self._offline):
            control.observe(self._take_budget, "value")
        self._scores.observe(self._take_score, "value")
        self._choices.observe(self._allow, "value")
        self._keep.on_click(self._take_prediction)
        self.observe(self._show, ["budget", "predicted", "score"])

    def _make_rows(self):
        rows = [_make_row(_LABELS[column], control) for column, control in self._limits.items()]
        if "offline" in self.table:
            rows.append(_make_row("weights", self._offline))
        asked = ipywidgets.Label("Which of these is the best?", style={"font_weight": "bold"})
        judged = [_make_row("judged by", self._scores)] if len(self._scores.options) > 1 else []
        return [*rows, asked, self._choices, self._keep, self.status, self._left, *judged, self._picture]

    @traitlets.validate("predicted", "score")
    def _check_name(self, proposal):
        if proposal["value"] is not None:
            try:
                check_known(proposal["trait"].name, proposal["value"], self._known[proposal["trait"].name])
            except ValueError as error:
                raise traitlets.TraitError(str(error)) from error
        return proposal["value"]

    def _take_budget(self, _change):
        if not self._moving:
            limits = {column: control.value for column, control in self._limits.items()}
            self.report_failure(lambda: setattr(self, "budget", Budget(**limits, offline=self._offline.value)))

    def _take_score(self, change):
        self.report_failure(lambda: setattr(self, "score", change["new"]))

    def _allow(self, change):
        self._keep.disabled = change["new"] is None

    def _take_prediction(self, _button):
        self.report_failure(lambda: setattr(self, "predicted", self._choices.value))

    def _show(self, change):
        if change["name"] == "predicted":
            self._late = self._seen
        self.report_failure(self._show_state)

    def _show_state(self):
        with self._lock:
            self._move_controls()
            state = (self.budget, self.predicted, self.score)
            if state == self._shown and self.error is None:
                return
            self.selection = choose(
                self.table, self.budget, score=self.score, predicted=self.predicted, names=self.names
            )
            # The cheapest first: the order of the table is that of a score, as like as not, and would give it away.
            left = self.table[self.selection.fits].sort_values(self.cost, kind="stable")
            self._offer(left[self.names].tolist())
            self._left.value = self._list(left)
            if self.predicted is not None:
                self._picture.value = self._render()
            # Nothing is shown of the scores, and no empty picture, before there is a prediction.
            self.children = self._rows[: self._n_blind if self.predicted is None else None]
            self.status.text = self._say()
            self._shown, self.error = state, None
            self._seen = self._seen or self.predicted is not None

    def _move_controls(self):
        # A budget that was assigned may lie between two steps of a slider: moving it must not change the budget.
        self._moving = True
        try:
            for column, control in self._limits.items():
                control.value = _find_step(control, getattr(self.budget, column))
            self._offline.value, self._scores.value = self.budget.offline, self.score
        finally:
            self._moving = False

    def _offer(self, left):
        if list(self._choices.options) != left:
            chosen = self._choices.value
            self._choices.options = left
            self._choices.value = chosen if chosen in left else None

    def _say(self):
        if self.predicted is None:
            return f"{self.selection.sentence} Predict which is the best; then their scores are shown."
        late = " (The prediction was made after scores had been shown.)" if self._late else ""
        return f"{self.selection.sentence} {self.selection.outcome}{late}"

    def _list(self, left):
        """Return those that are left in HTML: their costs; with their scores, the best first."""
        columns = [self.names, *self._limits, *(["offline"] if "offline" in self.table else [])]
        if self.predicted is not None:
            left = left.sort_values(self.score, ascending=False, kind="stable")
            columns += [name for name in self._known["score"] if name not in columns]
        style = "max-height:18em; overflow:auto; line-height:1.5"
        return f"<div style='{style}' tabindex='0'>{format_html(left[columns])}</div>"

    def _render(self):
        how = {"score": self.score, "cost": self.cost, "names": self.names, "predicted": self.predicted}
        return render_choice(self.table, self.selection, **how)

    def snapshot(self):
        """Return the scores under this budget as a still picture (IPython Image, PNG), whatever is hidden."""
        from IPython.display import Image

        with self._lock:
            return Image(self._render())

    def __repr__(self):
        kept = "no prediction yet" if self.predicted is None else f"predicted: {self.predicted}"
        return f"BackboneChooser({self.selection.fits.sum()} of {len(self.table)} candidates fit; {kept})"


def _check(table, scores, cost, names):
    for argument, column in (*(("scores", name) for name in scores), ("cost", cost), ("names", names)):
        check_known(argument, column, list(table))
    check_known("cost", cost, LIMITED)
    if not len(table):
        raise ValueError("table: no candidates, expected one or more")
    if table[names].duplicated().any():
        twice = table[names][table[names].duplicated()].iloc[0]
        raise ValueError(f"names: {twice!r} is there more than once, expected each candidate to have a name of its own")


def _make_limit(values):
    """Return a slider over the values of a cost, the last of which is no limit."""
    steps = sorted({float(value) for value in values.dropna()})
    options = [(format_limit(values.name, step), step) for step in steps[:-1]] + [("no limit", math.inf)]
    # Of one value there is nothing to slide to, and the slider of the front end fails on it.
    if len(options) == 1:
        return _make_buttons(options, math.inf)
    return ipywidgets.SelectionSlider(
        options=options, value=math.inf, layout={"width": "32em"}, continuous_update=False
    )


def _find_step(control, limit):
    """Return the largest value of a slider that a limit allows, else the smallest there is."""
    steps = [value for _, value in control.options]
    return max((step for step in steps if step <= limit), default=steps[0])


def _make_buttons(options, value):
    return ipywidgets.ToggleButtons(options=options, value=value, style={"button_width": "auto"})


def _make_row(label, control):
    parts = [ipywidgets.Label(label, layout={"width": "9em"}), control]
    return ipywidgets.HBox(parts, layout={"align_items": "center"})
