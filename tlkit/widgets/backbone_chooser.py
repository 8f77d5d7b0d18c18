"""Budget → remaining candidates → prediction → scores: the `BackboneChooser`."""

import dataclasses
import math
import threading

import numpy as np
import pandas as pd
import traitlets

from tlkit.arguments import check_known
from tlkit.plots.backbone_choice import render_choice
from tlkit.summaries.backbone_choice import LIMITED, Budget, choose, format_limit, list_excesses
from tlkit.summaries.backbone_table import describe_columns, format_cells
from tlkit.widgets.explorer import Explorer, make_buttons, make_slider, read_files, refuse_value

_LABELS = {"n_flops": "compute, at most", "n_parameters": "size, at most", "image_size_px": "input, at most"}


class BackboneChooser(Explorer):
    """Set a budget, see the remaining networks, predict the best one; only then the scores are shown.

    Parameters
    ----------
    table : DataFrame
        One row per candidate, as from `tlkit.backbones.table` or `tlkit.selection.rank`: a column of unique names and
        scores. The columns n_flops, n_parameters, image_size_px and offline can be limited if they exist.
    scores : str or list of str
        Columns to judge by, higher is better. The first one is used first.
    cost, names : {"n_flops", "n_parameters", "image_size_px"} and str
        Horizontal axis of the drawing, and the column with the names.

    Attributes
    ----------
    budget, candidate, predicted, score : Budget, str or None, str or None, str
        Limits, candidate chosen in the table, kept prediction, and score; an unknown name raises TraitError.
    selection : Selection
        The candidates within the budget, and the outcome of the prediction.

    Raises
    ------
    ValueError
        If the table has no candidates, a column is missing, or a name occurs twice.

    Examples
    --------
    >>> chooser = BackboneChooser(pd.DataFrame({"name": ["a", "b"], "n_flops": [1e8, 3e10], "accuracy": [0.62, 0.73]}))
    >>> chooser.budget = Budget(n_flops=1e9)
    >>> chooser.predicted = "a"
    >>> chooser
    BackboneChooser(1 of 2 candidates fit; predicted: a)
    """

    _esm = read_files("kit.js", "table.js", "backbone_chooser.js")
    _css = read_files("kit.css", "table.css", "backbone_chooser.css")

    budget = traitlets.Instance(Budget)
    candidate = traitlets.Unicode(None, allow_none=True)
    predicted = traitlets.Unicode(None, allow_none=True)
    score = traitlets.Unicode()
    controls = traitlets.List().tag(sync=True)
    candidates = traitlets.Dict().tag(sync=True)  # columns, cells, names and fits of the table
    chosen = traitlets.Dict().tag(sync=True)  # positions of the controls, and names of rows
    shown = traitlets.Dict().tag(sync=True)  # the same of what is shown
    names = traitlets.List().tag(sync=True)  # of the points of the drawing, by their numbers
    drawing = traitlets.Unicode().tag(sync=True)  # SVG; empty before there is a prediction

    def __init__(
        self, table: pd.DataFrame, scores: str | list = "accuracy", *, cost: str = "n_flops", names: str = "name"
    ):
        scores = [scores] if isinstance(scores, str) else list(scores)
        _check(table, scores, cost, names)
        self.table, self._cost, self._column = table.reset_index(drop=True), cost, names
        known = self.table[names].tolist()
        self._known = {"candidate": known, "predicted": known, "score": scores}
        # Callbacks may run in a thread of their own while a cell assigns to the traits.
        self._lock = threading.RLock()
        self._scores_seen, self._late, self._shown, self._drawn = False, False, None, {}
        self._controls = {column: _make_limit(self.table[column]) for column in LIMITED if column in table}
        if "offline" in table:
            options = [("any", False), ("only those on this machine", True)]
            self._controls["offline"] = make_buttons(options, label="weights")
        self._controls["score"] = make_buttons([(name.replace("_", " "), name) for name in scores], label="judged by")
        controls = [control.describe(name) for name, control in self._controls.items()]
        super().__init__(budget=Budget(), score=scores[0], names=known, controls=controls)
        self._show_state()
        self.observe(self._take, "chosen")
        self.observe(self._show, ["budget", "candidate", "predicted", "score"])

    @traitlets.validate("candidate", "predicted", "score")
    def _check_name(self, proposal):
        """Return a known name or None; raise TraitError for other values."""
        if proposal["value"] is not None:
            with refuse_value():
                check_known(proposal["trait"].name, proposal["value"], self._known[proposal["trait"].name])
        return proposal["value"]

    def _locate(self):
        """Return the positions of the controls, and the names of the chosen and the predicted candidate."""
        places = {}
        for name, control in self._limits():
            within = [place for place, step in enumerate(control.options) if step <= getattr(self.budget, name)]
            places[name] = max(within, default=0)
        places["score"] = self._controls["score"].find(self.score)
        return places | {"candidate": self.candidate, "predicted": self.predicted}

    def _limits(self):
        """Return pairs of a field of the budget and its control."""
        return [(name, control) for name, control in self._controls.items() if name != "score"]

    def _take(self, change):
        """Set the traits that a reader has changed."""

        def set_traits():
            new, old = change["new"], self._locate()
            # An assigned budget may lie between two steps of a slider: only those that were moved change it.
            limits = {name: control.get(new[name]) for name, control in self._limits() if new[name] != old[name]}
            self.budget = dataclasses.replace(self.budget, **limits)
            self.score, self.candidate = self._controls["score"].get(new["score"]), new["candidate"]
            self.predicted = new["predicted"]

        self.report_failure(set_traits)
        self.chosen = self.shown = self._locate()

    def _show(self, change):
        """Show the state after a trait has changed."""
        if change["name"] == "predicted":
            self._late = self._scores_seen
        self.report_failure(self._show_state)

    def _show_state(self):
        """Select again, and show the result unless it is shown already."""
        with self._lock:
            state = (self.budget, self.predicted, self.score)
            if state != self._shown or self.error is not None:
                self._shown = state  # at once, since it may change the candidate
                self._show_selection()
                self.error = None
                self._scores_seen = self._scores_seen or self.predicted is not None
            self.chosen = self.shown = self._locate()

    def _show_selection(self):
        """Show the candidates within the budget and, after a prediction, their scores."""
        selection = choose(self.table, self.budget, score=self.score, predicted=self.predicted, names=self._column)
        self.selection = selection
        if self.candidate not in self.table[self._column][selection.fits].tolist():
            self.candidate = None
        # Before there is a prediction, neither scores nor an empty picture are shown.
        state = (self.budget, self.predicted, self.score)
        if state not in self._drawn:
            self._drawn[state] = "" if self.predicted is None else self._render()
        with self.hold_sync():
            self.candidates, self.drawing, self.status = self._list_candidates(), self._drawn[state], self._describe()

    def _describe(self):
        """Return the selection in words."""
        if self.predicted is None:
            return f"{self.selection.sentence} Predict which is the best; then their scores are shown."
        late = " (The prediction was made after scores had been shown.)" if self._late else ""
        return f"{self.selection.sentence} {self.selection.outcome}{late}"

    def _list_candidates(self):
        """Return the table for the script: costs and, after the prediction, scores; candidates that fit come first."""
        columns = [self._column, *(name for name, _ in self._limits())]
        order, ascending = self._cost, True
        if self.predicted is not None:
            # The cheapest first otherwise: the table is often sorted by a score, and its order would reveal the answer.
            order, ascending = self.score, False
            columns += [name for name in self._known["score"] if name not in columns]
        excesses = pd.Series(list_excesses(self.table, self.budget))
        ordered = self.table.sort_values(order, ascending=ascending, kind="stable")
        rows = ordered.index[np.argsort((excesses != "")[ordered.index], kind="stable")]
        shown = self.table[columns].loc[rows]
        if excesses.any():
            shown["over the budget"] = excesses[rows]
        return {
            "columns": describe_columns(shown),
            "cells": format_cells(shown),
            "names": self.table[self._column][rows].tolist(),
            "fits": (excesses[rows] == "").tolist(),
        }

    def _render(self, *, is_still=False):
        """Return the drawing of the scores, as `render_choice` does."""
        settings = {"score": self.score, "cost": self._cost, "names": self._column, "predicted": self.predicted}
        return render_choice(self.table, self.selection, is_still=is_still, **settings)

    def _draw_still(self):
        """Return the scores under the current budget (PNG, bytes), even while they are hidden."""
        with self._lock:
            return self._render(is_still=True)

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
    steps = sorted({float(value) for value in values.dropna()})[:-1]
    options = [*((format_limit(values.name, step), step) for step in steps), ("no limit", math.inf)]
    return make_slider(options, label=_LABELS[values.name])
