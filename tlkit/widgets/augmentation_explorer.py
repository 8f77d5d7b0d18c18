"""Policy × draw → the network's input, and the score of the policy: the `AugmentationExplorer`."""

import functools

import traitlets

import tlkit as tl
from tlkit.comparison.compare import Comparison
from tlkit.images.imageset import ImageSet
from tlkit.plots.augmentation import make_augmentation_page
from tlkit.summaries.augmentation import AugmentationAblation, AugmentationChoice, summarise_augmentation
from tlkit.widgets.explorer import ChoiceExplorer, make_buttons, make_slider


class AugmentationExplorer(ChoiceExplorer):
    """Look at the network's input under each augmentation of an ablation, draw by draw, and at the gain.

    Its choice is a `policy`, such as "crop + mixup", and a `draw`, from 0.

    Parameters
    ----------
    backbone, images : Backbone and ImageSet
        Network whose recipe prepares the pictures, and these; the first six are shown.
    comparison : Comparison
        Comparison, at one number of shots, of strategies that differ in their augmentation, as
        `tlkit.strategies.augmented` makes them; others raise ValueError. Its augmentations can be chosen.
    n_draws, seed : int
        Number of random draws to choose from, and their seed.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> brief = tl.Strategy([tl.Phase(["head"], 1, 1e-3)], name="brief")
    >>> arms = [tl.strategies.augmented(brief, augment) for augment in (None, "flip")]
    >>> AugmentationExplorer(backbone, images, tl.compare(backbone, images, arms, shots=1, seeds=1, progress=False))
    AugmentationExplorer(2 policies × 10 draws, 6 pictures)
    """

    policy = traitlets.Unicode()
    draw = traitlets.Int()
    _validate = traitlets.validate("policy", "draw")(ChoiceExplorer.validate_field)

    def __init__(
        self, backbone: "tl.Backbone", images: ImageSet, comparison: Comparison, *, n_draws: int = 10, seed: int = 0
    ):
        self.augmentations = AugmentationAblation(backbone, images, comparison, n_draws=n_draws, seed=seed)
        policies = list(self.augmentations.arms)
        super().__init__(
            AugmentationChoice(policies[-1]),
            {"policy": make_buttons(policies), "draw": make_slider(range(n_draws))},
            summarise=functools.partial(summarise_augmentation, self.augmentations),
            page=make_augmentation_page(comparison, len(self.augmentations.plain)),
            clicks={"point": ["policy"]},
        )

    def __repr__(self):
        shown = self.augmentations
        return f"AugmentationExplorer({len(shown.arms)} policies × {shown.n_draws} draws, {len(shown.plain)} pictures)"
