"""Stages × norm layers → changed tensors, trained parameters, memory and time: the `FreezingExplorer`."""

import functools
from collections.abc import Sequence

import ipywidgets
import traitlets

from tlkit.backbones.freezing.costs import NORM_MODES, FreezingChoice, FreezingCosts, summarise_freezing
from tlkit.plots.freezing import SIZE_INCHES, FreezingPage
from tlkit.widgets.explorer import ChoiceExplorer, make_buttons


class FreezingExplorer(ChoiceExplorer):
    """Click stages to freeze them: what a training step still changes, its memory and its time.

    Parameters
    ----------
    costs : FreezingCosts
        Result of `measure_freezing`; every choice is looked up there.
    frozen : sequence of str, optional
        The stages that are frozen first, by default all.
    norm : {"frozen", "statistics", "trainable"}, optional
        How norm layers in frozen stages behave, as in `freeze`. An unknown mode or stage raises ValueError.

    Examples
    --------
    >>> import torch
    >>> from tlkit.backbones.freezing.measurement import measure_freezing
    >>> from tlkit.backbones.small import make_small_backbone
    >>> FreezingExplorer(measure_freezing(make_small_backbone(), torch.zeros(2, 3, 32, 32), n_classes=5, n_rounds=1))
    FreezingExplorer(small, 3 stages × 3 norm modes)
    """

    frozen = traitlets.Tuple()
    norm = traitlets.Unicode()

    def __init__(self, costs: FreezingCosts, *, frozen: Sequence[str] | None = None, norm: str = "frozen"):
        self.costs = costs
        super().__init__(
            FreezingChoice(costs.stages if frozen is None else frozen, norm),
            {
                "frozen": functools.partial(StageButtons, costs.stages),
                "norm": functools.partial(make_buttons, NORM_MODES),
            },
            check=costs.check,
            summarise=functools.partial(summarise_freezing, costs),
            page=FreezingPage(summarise_freezing(costs, FreezingChoice())),
            size_inches=SIZE_INCHES,
            labels={"frozen": "", "norm": "norm layers in frozen stages"},
            label_width="auto",
        )

    @traitlets.validate("frozen", "norm")
    def _validate(self, proposal):
        """Return the value that a trait takes, stages in the order of the network."""
        value = self.validate_field(proposal)
        if proposal["trait"].name == "norm":
            return value
        return tuple(stage for stage in self.costs.stages if stage in value)

    def __repr__(self):
        return f"FreezingExplorer({self.costs.name}, {len(self.costs.stages)} stages × {len(NORM_MODES)} norm modes)"


class StageButtons(ipywidgets.VBox):
    """A button per stage, pressed if the stage is frozen; `value` lists the frozen stages."""

    value = traitlets.Tuple()

    def __init__(self, stages, value):
        self.buttons = {stage: ipywidgets.ToggleButton(layout={"width": "auto"}) for stage in stages}
        buttons = ipywidgets.HBox(list(self.buttons.values()), layout={"flex_flow": "row wrap"})
        help_text = ipywidgets.Label("stages, from picture to head: click to freeze or unfreeze")
        super().__init__([help_text, buttons], value=value)
        self._press()
        for stage, button in self.buttons.items():
            button.observe(functools.partial(self._take, stage), "value")
        self.observe(self._press, "value")

    def _press(self, _change=None):
        """Make the buttons show the value."""
        for stage, button in self.buttons.items():
            button.value = stage in self.value
            button.description = f"{stage}: {'frozen' if button.value else 'learns'}"

    def _take(self, stage, change):
        """Freeze or unfreeze the stage of a button."""
        # One stage at a time: while `_press` sets the buttons, those that come later still show the old value.
        frozen = {*self.value, stage} if change["new"] else {*self.value} - {stage}
        self.value = tuple(name for name in self.buttons if name in frozen)
