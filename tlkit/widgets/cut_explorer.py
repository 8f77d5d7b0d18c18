"""Cut × head × picture → accuracy and nearest neighbours: the `CutExplorer`."""

import functools

import pandas as pd
import traitlets

from tlkit.features.features import Features
from tlkit.images.imageset import ImageSet
from tlkit.plots.cuts import make_cut_page
from tlkit.summaries.cuts import CutChoice, CutComparison, summarise_cut
from tlkit.widgets.explorer import ChoiceExplorer, make_buttons, make_slider
from tlkit.widgets.thumbnails import check_same_pictures, make_thumbnails


class CutExplorer(ChoiceExplorer):
    """Cut a network after one stage or another: the accuracy of a head there, and the nearest neighbours of a picture.

    Parameters
    ----------
    features : dict of str to Features
        Features of the pictures by the name of the cut, early to late.
    table : DataFrame
        One row per head and cut that was measured, with columns cut, head, accuracy, accuracy_low and accuracy_high.
    images : ImageSet or TextSet
        The pictures or texts that the features were extracted from.
    cut, head, picture : str, str and int, optional
        Choice to show first, by default the first cut and head, and the picture with index 0.

    Raises
    ------
    ValueError
        If the cut, head or picture is unknown, or the features are of other pictures.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="sketch").few(1)
    >>> made = tl.Features(np.eye(14)[images.labels], images.labels, images.classes, images.names, images.groups, {})
    >>> row = {"cut": "stem", "head": "ridge", "accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6}
    >>> CutExplorer({"stem": made}, pd.DataFrame([row]), images)
    CutExplorer(1 cuts × 1 heads, 14 pictures)
    """

    cut = traitlets.Unicode()
    head = traitlets.Unicode()
    picture = traitlets.Int()
    _validate = traitlets.validate("cut", "head", "picture")(ChoiceExplorer.validate_field)

    def __init__(
        self,
        features: dict[str, Features],
        table: pd.DataFrame,
        images: ImageSet,
        *,
        cut: str | None = None,
        head: str | None = None,
        picture: int = 0,
    ):
        self.cuts, self.images = CutComparison(features, table), images
        check_same_pictures(next(iter(features.values())), images)
        super().__init__(
            CutChoice(next(iter(features)) if cut is None else cut, head or self.cuts.heads[0], picture),
            {
                "cut": make_buttons(features),
                "head": make_buttons(self.cuts.heads),
                "picture": make_slider(range(len(images))),
            },
            summarise=functools.partial(summarise_cut, self.cuts),
            page=make_cut_page(self.cuts, make_thumbnails(images)),
            clicks={"point": ["cut", "head"], "picture": ["picture"]},
        )

    def _offers(self, field, choice):
        """Return whether a head was measured at a cut; cuts and pictures can be looked at with each head."""
        return field != "head" or (choice.cut, choice.head) in self.cuts.scores

    def __repr__(self):
        n_cuts, n_heads = len(self.cuts.features), len(self.cuts.heads)
        return f"CutExplorer({n_cuts} cuts × {n_heads} heads, {len(self.images)} {self.images.noun}s)"
