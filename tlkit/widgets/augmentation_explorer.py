"""Policy × draw → what the network sees, beside what it was worth: the `AugmentationExplorer`."""

import ipywidgets
import traitlets

from tlkit.plots.augmentation import SIZE_INCHES, AugmentationPage
from tlkit.summaries.augmentation import AugmentationChoice, Augmentations, summarise_augmentation
from tlkit.widgets.choice_explorer import ChoiceExplorer, make_buttons


class AugmentationExplorer(ChoiceExplorer):
    """Look at what a network sees under each augmentation of an ablation, draw by draw, and at what it was worth.

    Building it displays nothing. Where there are no widgets, a picture of it is shown instead.

    Arguments
    ---------
    backbone: Backbone
        Whose recipe says what the network sees.
    images: ImageSet
        The first six pictures are shown.
    comparison: Comparison
        At one number of shots, of strategies that differ in their augmentation, as `tlkit.strategies.augmented` makes
        them. Its augmentations are what can be chosen.
    n_draws: int
    seed: int
        Of the draws.

    `policy`, as "none", "crop" or "crop + mixup", and `draw`, from 0, are traits: assigning to them moves the controls,
    what isn't there is a TraitError. `status` is the line of text, `error` the exception that the last change ended in,
    or None.

    Raises ValueError for pictures and comparisons that don't fit.
    """

    policy = traitlets.Unicode()
    draw = traitlets.Int()

    def __init__(self, backbone, images, comparison, *, n_draws=10, seed=0):
        self.augmentations = Augmentations(backbone, images, comparison, n_draws=n_draws, seed=seed)
        policies = list(self.augmentations.arms)
        choice = AugmentationChoice(policies[-1])
        self._page = AugmentationPage(comparison, len(self.augmentations.plain))
        controls = {
            "policy": make_buttons(policies, choice.policy),
            "draw": ipywidgets.SelectionSlider(options=range(n_draws), value=choice.draw),
        }
        super().__init__(choice, controls, SIZE_INCHES)

    @traitlets.validate("policy", "draw")
    def _check(self, proposal):
        return self._validate_choice(proposal)

    def _check_choice(self, choice):
        self.augmentations.check(choice)

    def _read(self, choice):
        return summarise_augmentation(self.augmentations, choice)

    def snapshot(self, policy=None, draw=None):
        """Return what the explorer shows of a choice as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for a policy or draw that isn't there.
        """
        choice = AugmentationChoice(policy or self.policy, self.draw if draw is None else draw)
        return self._draw_still(choice)

    def __repr__(self):
        shown = self.augmentations
        return f"AugmentationExplorer({len(shown.arms)} policies × {shown.n_draws} draws, {len(shown.plain)} pictures)"
