"""Stages × norm layers → what moves, what learns, memory and time: the `FreezingExplorer`."""

import threading

import ipywidgets
import traitlets

from tlkit.backbones.freezing.costs import NORM_MODES, FreezingChoice, summarise_freezing
from tlkit.plots.freezing import SIZE_INCHES, FreezingPage
from tlkit.widgets.explorer import Explorer, make_picture
from tlkit.widgets.status import StatusLine


class FreezingExplorer(Explorer):
    """Click stages to freeze them: what still moves in a training step, what it holds in memory, how long it takes.

    Building it displays nothing. Where there are no widgets, a picture of it is shown instead.

    Arguments
    ---------
    costs: FreezingCosts
        From `measure_freezing`; whatever is clicked is looked up there.
    frozen: sequence of str, optional
        The stages to begin with; by default all.
    norm: "frozen", "statistics" or "trainable"
        What norm layers in frozen stages do, as in `freeze`.

    `frozen` and `norm` are traits: assigning to them moves the controls, a stage or mode that isn't there is a
    TraitError. `status` is the line of text, `error` the exception that the last change ended in, or None.

    Raises ValueError for a stage or norm mode that isn't there.
    """

    frozen = traitlets.Tuple()
    norm = traitlets.Unicode()

    def __init__(self, costs, *, frozen=None, norm="frozen"):
        self.costs = costs
        first = summarise_freezing(costs, FreezingChoice(costs.stages if frozen is None else frozen, norm))
        # Callbacks may run on a thread of their own beside a cell that assigns to the traits.
        self._lock = threading.Lock()
        self._page = FreezingPage(summarise_freezing(costs, FreezingChoice()))
        self._stages = {stage: ipywidgets.ToggleButton(layout={"width": "auto"}) for stage in costs.stages}
        self._norms = ipywidgets.ToggleButtons(options=NORM_MODES, value=norm, style={"button_width": "auto"})
        self._picture = make_picture(SIZE_INCHES, value=self._page.render(first))
        self.status = StatusLine(first.sentence)
        self._shown = first.choice
        self._press(first.choice.frozen)
        buttons = ipywidgets.HBox(list(self._stages.values()), layout={"flex_flow": "row wrap"})
        norms = [ipywidgets.Label("norm layers in frozen stages"), self._norms]
        rows = [ipywidgets.Label("stages, from picture to head: click to freeze or thaw"), buttons]
        rows.append(ipywidgets.HBox(norms, layout={"align_items": "center"}))
        super().__init__([*rows, self.status, self._picture], frozen=first.choice.frozen, norm=norm)
        for button in self._stages.values():
            button.observe(self._take_stage, "value")
        self._norms.observe(self._take_norm, "value")
        self.observe(self._show, ["frozen", "norm"])

    @traitlets.validate("frozen", "norm")
    def _check(self, proposal):
        wanted = {"frozen": self.frozen, "norm": self.norm, proposal["trait"].name: proposal["value"]}
        try:
            self.costs.check(FreezingChoice(**wanted))
        except (ValueError, TypeError) as error:
            raise traitlets.TraitError(str(error)) from error
        if proposal["trait"].name == "norm":
            return proposal["value"]
        return tuple(stage for stage in self.costs.stages if stage in proposal["value"])

    def _press(self, frozen):
        for stage, button in self._stages.items():
            button.value = stage in frozen
            button.description = f"{stage}: {'frozen' if button.value else 'learns'}"

    def _take_stage(self, change):
        # One stage at a time: buttons that are still being set say nothing about the others.
        stage = next(stage for stage, button in self._stages.items() if button is change["owner"])
        frozen = {*self.frozen, stage} if change["new"] else {*self.frozen} - {stage}
        self.report_failure(lambda: setattr(self, "frozen", tuple(frozen)))

    def _take_norm(self, change):
        self.report_failure(lambda: setattr(self, "norm", change["new"]))

    def _show(self, _change):
        self.report_failure(self._show_choice)

    def _show_choice(self):
        self._press(self.frozen)
        self._norms.value = self.norm
        with self._lock:
            choice = FreezingChoice(self.frozen, self.norm)
            if choice == self._shown and self.error is None:
                return
            summary = summarise_freezing(self.costs, choice)
            self._picture.value = self._page.render(summary)
            self.status.text = summary.sentence
            self._shown, self.error = choice, None

    def snapshot(self, frozen=None, norm=None):
        """Return what the explorer shows of a choice as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for a stage or norm mode that isn't there.
        """
        from IPython.display import Image

        choice = FreezingChoice(self.frozen if frozen is None else frozen, self.norm if norm is None else norm)
        with self._lock:
            return Image(self._page.render(summarise_freezing(self.costs, choice), compact=True))

    def __repr__(self):
        return f"FreezingExplorer({self.costs.name}, {len(self.costs.stages)} stages × {len(NORM_MODES)} norm modes)"
