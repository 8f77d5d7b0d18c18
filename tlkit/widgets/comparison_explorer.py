"""Shots × strategy → score, confusions and mistakes: the `ComparisonExplorer`."""

import functools

import traitlets

from tlkit.comparison.compare import Comparison
from tlkit.images.imageset import ImageSet, check_images
from tlkit.names import format_strategy
from tlkit.plots.comparison import make_comparison_page
from tlkit.summaries.comparison import ArmChoice, find_arm, summarise_arm
from tlkit.widgets.explorer import ChoiceExplorer, make_buttons, make_slider
from tlkit.widgets.thumbnails import make_thumbnails


class ComparisonExplorer(ChoiceExplorer):
    """Look at each arm of a comparison: its score in words, its confusions and its most confident mistakes.

    Parameters
    ----------
    comparison, images : Comparison, and ImageSet or TextSet
        Result of `tl.compare`, and the pictures or texts of it; ValueError if one is missing.
    strategy, shots : str and int, optional
        Arm to show first, by default the last strategy and the middle number of shots; ValueError if it is unknown.

    Examples
    --------
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])
    >>> arms = ["hand_made", "linear_probe"]
    >>> comparison = tl.compare(backbone, images, arms, shots=[1], seeds=[0], progress=False)
    >>> ComparisonExplorer(comparison, images)
    ComparisonExplorer(2 strategies × 1 shots, 100 pictures)
    """

    strategy = traitlets.Unicode()
    shots = traitlets.Int()
    _validate = traitlets.validate("strategy", "shots")(ChoiceExplorer.validate_field)

    def __init__(
        self, comparison: Comparison, images: ImageSet, *, strategy: str | None = None, shots: int | None = None
    ):
        check_images("images", images)
        self.comparison, self.images = comparison, images
        self._strategies = list(dict.fromkeys(comparison.table["strategy"]))
        self._all_shots = sorted({int(number) for number in comparison.table["shots"]})
        choice = ArmChoice(
            self._strategies[-1] if strategy is None else strategy,
            self._all_shots[len(self._all_shots) // 2] if shots is None else shots,
        )
        classes = summarise_arm(comparison, choice).classes
        indices = {name: index for index, name in enumerate(images.names)}
        if missing := sorted(set(comparison.predictions["picture"]) - indices.keys()):
            raise ValueError(f"images: {missing[0]!r} is not there, nor are {len(missing) - 1} more of those compared")
        self._read_thumbnail = make_thumbnails(images, indices.__getitem__)
        super().__init__(
            choice,
            {
                "strategy": make_buttons(self._strategies, format_option=format_strategy),
                "shots": make_slider(self._all_shots, unit=f"training {images.noun}s per class"),
            },
            check=functools.partial(find_arm, comparison),
            summarise=functools.partial(summarise_arm, comparison),
            page=make_comparison_page(comparison, classes, self._read_thumbnail),
        )

    def __repr__(self):
        n_strategies, n_shots, n = len(self._strategies), len(self._all_shots), len(self.images)
        return f"ComparisonExplorer({n_strategies} strategies × {n_shots} shots, {n} {self.images.noun}s)"
