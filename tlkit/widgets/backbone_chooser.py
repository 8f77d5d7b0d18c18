"""Budget → remaining candidates → prediction → scores: the `BackboneChooser`."""

import math
import threading

import ipywidgets
import pandas as pd
import traitlets

from tlkit.arguments import check_known
from tlkit.plots.backbone_choice import SIZE_INCHES, render_choice
from tlkit.summaries.backbone_choice import LIMITED, Budget, choose, format_limit
from tlkit.summaries.backbone_table import format_html
from tlkit.widgets.boxes import BoxExplorer, StatusLine, make_buttons, make_picture, make_row, make_slider
from tlkit.widgets.explorer import refuse_value

_LABELS = {"n_flops": "compute, at most", "n_parameters": "size, at most", "image_size_px": "input, at most"}


class BackboneChooser(BoxExplorer):
    """Set a budget, see the remaining networks, predict the best one; only then the scores are shown.

    Parameters
    ----------
    table : DataFrame
        One row per candidate, as from `tlkit.backbones.table` or `tlkit.selection.rank`: a column of unique names and
        scores. The columns n_flops, n_parameters, image_size_px and offline can be limited if they exist.
    scores : str or list of str
        Columns to judge by, higher is better. The first one is used first.
    cost : {"n_flops", "n_parameters", "image_size_px"}
        Horizontal axis of the drawing.
    names : str
        Column with the names.

    Attributes
    ----------
    budget, predicted, score : Budget, str or None, str
        The limits, the kept prediction and the score to judge by. Assigning one moves its control; an unknown name
        raises TraitError.
    selection : Selection
        The candidates within the budget, and the outcome of the prediction.

    Raises
    ------
    ValueError
        If the table has no candidates, a column is missing, or a name occurs twice.

    Examples
    --------
    >>> import pandas as pd
    >>> chooser = BackboneChooser(pd.DataFrame({"name": ["a", "b"], "n_flops": [1e8, 3e10], "accuracy": [0.62, 0.73]}))
    >>> chooser.budget = Budget(n_flops=1e9)
    >>> chooser
    BackboneChooser(1 of 2 candidates fit; no prediction yet)
    """

    budget = traitlets.Instance(Budget)
    predicted = traitlets.Unicode(None, allow_none=True)
    score = traitlets.Unicode()

    def __init__(
        self, table: pd.DataFrame, scores: str | list[str] = "accuracy", *, cost: str = "n_flops", names: str = "name"
    ):
        scores = [scores] if isinstance(scores, str) else list(scores)
        _check(table, scores, cost, names)
        self.table, self.cost, self.names = table.reset_index(drop=True), cost, names
        self._known = {"predicted": self.table[names].tolist(), "score": scores}
        # Callbacks may run in a thread of their own while a cell assigns to the traits.
        self._lock, self._moving = threading.RLock(), False
        self._scores_seen, self._late, self._shown = False, False, None
        self._limits = {column: _make_limit(self.table[column]) for column in LIMITED if column in table}
        self._offline = make_buttons([("any", False), ("only those on this machine", True)], False)
        self._choices = make_buttons([], None)
        self._keep = ipywidgets.Button(
            description="Keep my prediction, show the scores", disabled=True, layout={"width": "max-content"}
        )
        self._scores = make_buttons([(name.replace("_", " "), name) for name in scores], scores[0])
        self.status = StatusLine("")
        self._picture = make_picture(SIZE_INCHES)
        self._candidates = ipywidgets.HTML()
        self._rows = self._make_rows()
        self._n_blind = self._rows.index(self._candidates) + 1
        super().__init__(self._rows[: self._n_blind], budget=Budget(), score=scores[0])
        self._show_state()
        for control in (*self._limits.values(), self._offline):
            control.observe(self._take_budget, "value")
        self._scores.observe(self._take_score, "value")
        self._choices.observe(self._allow, "value")
        self._keep.on_click(self._take_prediction)
        self.observe(self._show, ["budget", "predicted", "score"])

    def _make_rows(self):
        """Return all parts of the widget from top to bottom; those after the candidates reveal the scores."""
        rows = [make_row(_LABELS[column], control, label_width="9em") for column, control in self._limits.items()]
        if "offline" in self.table:
            rows.append(make_row("weights", self._offline, label_width="9em"))
        question = ipywidgets.Label("Which of these is the best?", style={"font_weight": "bold"})
        judged = [make_row("judged by", self._scores, label_width="9em")] if len(self._scores.options) > 1 else []
        return [*rows, question, self._choices, self._keep, self.status, self._candidates, *judged, self._picture]

    @traitlets.validate("predicted", "score")
    def _check_name(self, proposal):
        """Return a known name or None; raise TraitError for other values."""
        if proposal["value"] is not None:
            with refuse_value():
                check_known(proposal["trait"].name, proposal["value"], self._known[proposal["trait"].name])
        return proposal["value"]

    def _take_budget(self, _change):
        """Set the budget to the limits of the controls."""
        if not self._moving:
            limits = {column: control.value for column, control in self._limits.items()}
            self.report_failure(lambda: setattr(self, "budget", Budget(**limits, offline=self._offline.value)))

    def _take_score(self, change):
        """Judge by another score."""
        self.report_failure(lambda: setattr(self, "score", change["new"]))

    def _allow(self, change):
        """Enable the button when a candidate has been chosen."""
        self._keep.disabled = change["new"] is None

    def _take_prediction(self, _button):
        """Keep the chosen candidate as the prediction."""
        self.report_failure(lambda: setattr(self, "predicted", self._choices.value))

    def _show(self, change):
        """Show the state after a trait has changed."""
        if change["name"] == "predicted":
            self._late = self._scores_seen
        self.report_failure(self._show_state)

    def _show_state(self):
        """Move the controls, then select again and show the result unless it is shown already."""
        with self._lock:
            self._move_controls()
            state = (self.budget, self.predicted, self.score)
            if state == self._shown and self.error is None:
                return
            self.selection = choose(
                self.table, self.budget, score=self.score, predicted=self.predicted, names=self.names
            )
            # The cheapest first: the table is often sorted by a score, and its order would reveal the answer.
            remaining = self.table[self.selection.fits].sort_values(self.cost, kind="stable")
            self._offer(remaining[self.names].tolist())
            self._candidates.value = self._format_candidates(remaining)
            if self.predicted is not None:
                self._picture.value = self._render()
            # Before there is a prediction, neither scores nor an empty picture are shown.
            self.children = self._rows[: self._n_blind if self.predicted is None else None]
            self.status.text = self._describe()
            self._shown, self.error = state, None
            self._scores_seen = self._scores_seen or self.predicted is not None

    def _move_controls(self):
        """Move the controls to the budget and score."""
        # An assigned budget may lie between two steps of a slider: moving it must not change the budget.
        self._moving = True
        try:
            for column, control in self._limits.items():
                control.value = _find_step(control, getattr(self.budget, column))
            self._offline.value, self._scores.value = self.budget.offline, self.score
        finally:
            self._moving = False

    def _offer(self, names):
        """Make a button for each remaining candidate, and keep the chosen one if it remains."""
        if list(self._choices.options) != names:
            chosen = self._choices.value
            self._choices.options = names
            self._choices.value = chosen if chosen in names else None

    def _describe(self):
        """Return the selection in words."""
        if self.predicted is None:
            return f"{self.selection.sentence} Predict which is the best; then their scores are shown."
        late = " (The prediction was made after scores had been shown.)" if self._late else ""
        return f"{self.selection.sentence} {self.selection.outcome}{late}"

    def _format_candidates(self, remaining):
        """Return the remaining candidates as HTML: costs, and after the prediction scores, the best first."""
        columns = [self.names, *self._limits, *(["offline"] if "offline" in self.table else [])]
        if self.predicted is not None:
            remaining = remaining.sort_values(self.score, ascending=False, kind="stable")
            columns += [name for name in self._known["score"] if name not in columns]
        style = "max-height:18em; overflow:auto; line-height:1.5"
        return f"<div style='{style}' tabindex='0'>{format_html(remaining[columns])}</div>"

    def _render(self):
        """Return the drawing of the scores (PNG, bytes)."""
        settings = {"score": self.score, "cost": self.cost, "names": self.names, "predicted": self.predicted}
        return render_choice(self.table, self.selection, **settings)

    def _draw_still(self):
        """Return the scores under the current budget (PNG, bytes), even while they are hidden."""
        with self._lock:
            return self._render()

    def __repr__(self):
        kept = "no prediction yet" if self.predicted is None else f"predicted: {self.predicted}"
        return f"BackboneChooser({self.selection.fits.sum()} of {len(self.table)} candidates fit; {kept})"


def _check(table, scores, cost, names):
    """Raise ValueError if the table lacks a column or candidates, or a name occurs twice."""
    for argument, column in (*(("scores", name) for name in scores), ("cost", cost), ("names", names)):
        check_known(argument, column, list(table))
    check_known("cost", cost, LIMITED)
    if not len(table):
        raise ValueError("table: no candidates, expected one or more")
    if table[names].duplicated().any():
        repeated = table[names][table[names].duplicated()].iloc[0]
        raise ValueError(f"names: {repeated!r} occurs more than once, expected a different name for each candidate")


def _make_limit(values):
    """Return a slider over the values of a cost; its last step is no limit."""
    steps = sorted({float(value) for value in values.dropna()})
    options = [(format_limit(values.name, step), step) for step in steps[:-1]] + [("no limit", math.inf)]
    return make_slider(options, math.inf, layout={"width": "32em"}, continuous_update=False)


def _find_step(control, limit):
    """Return the largest value of a slider within a limit, or its smallest value if none is."""
    steps = [value for _, value in control.options]
    return max((step for step in steps if step <= limit), default=steps[0])
