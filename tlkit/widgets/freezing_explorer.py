"""Stages × norm layers → changed tensors, trained parameters, memory and time: the `FreezingExplorer`."""

import functools
from collections.abc import Sequence

import traitlets

from tlkit.backbones.freezing.costs import NORM_MODES, FreezingChoice, FreezingCosts, summarise_freezing
from tlkit.plots.freezing import make_freezing_page
from tlkit.widgets.explorer import ChoiceExplorer, make_buttons


class FreezingExplorer(ChoiceExplorer):
    """Click stages to freeze them: what a training step still changes, its memory and its time.

    Parameters
    ----------
    costs : FreezingCosts
        Result of `tl.backbones.measure_freezing`; every choice is looked up there.
    frozen : sequence of str, optional
        The stages that are frozen first, by default all.
    norm : {"frozen", "statistics", "trainable"}, optional
        How norm layers in frozen stages behave, as in `freeze`. An unknown mode or stage raises ValueError.

    Examples
    --------
    >>> import torch
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> costs = tl.backbones.measure_freezing(backbone, torch.zeros(2, 3, 32, 32), 5, n_rounds=1)
    >>> FreezingExplorer(costs)
    FreezingExplorer(resnet18, 5 stages × 3 norm modes)
    """

    frozen = traitlets.Tuple()
    norm = traitlets.Unicode()

    def __init__(self, costs: FreezingCosts, *, frozen: Sequence[str] | None = None, norm: str = "frozen"):
        self.costs = costs
        super().__init__(
            FreezingChoice(costs.stages if frozen is None else frozen, norm),
            {
                "frozen": make_buttons(costs.stages, label="frozen stages, from picture to head", kind="toggles"),
                "norm": make_buttons(NORM_MODES, label="norm layers in frozen stages"),
            },
            summarise=functools.partial(summarise_freezing, costs),
            page=make_freezing_page(summarise_freezing(costs, FreezingChoice())),
            clicks={"stage": ["frozen"]},
        )

    def _offers(self, field, choice):
        """Return whether norm layers matter, which they do only in frozen stages."""
        return field != "norm" or len(choice.frozen) > 0 or choice.norm == self.norm

    @traitlets.validate("frozen", "norm")
    def _validate(self, proposal):
        """Return the value that a trait takes, stages in the order of the network."""
        value = self.validate_field(proposal)
        if proposal["trait"].name == "norm":
            return value
        return tuple(stage for stage in self.costs.stages if stage in value)

    def __repr__(self):
        return f"FreezingExplorer({self.costs.name}, {len(self.costs.stages)} stages × {len(NORM_MODES)} norm modes)"
