"""Cut × head × picture → accuracy and nearest neighbours: the `CutExplorer`."""

import functools

import ipywidgets
import numpy as np
import traitlets
from PIL import ImageOps

from tlkit.plots.cuts import SIZE_INCHES, CutPage
from tlkit.summaries.cuts import CutChoice, Cuts, summarise_cut
from tlkit.widgets.choice_explorer import ChoiceExplorer, make_buttons

_THUMBNAIL_PX = 128


class CutExplorer(ChoiceExplorer):
    """Cut a network behind one stage or another: how well a head does there, which pictures are neighbours.

    Building it displays nothing. Where there are no widgets, a picture of it is shown instead.

    Arguments
    ---------
    features: dict of str to Features
        By the name of the cut, early to late.
    table: DataFrame
        cut, head, accuracy, accuracy_low, accuracy_high: a row each head on each cut that was measured.
    images: ImageSet
        That the features are of.
    cut, head: str, optional
        What to look at first; by default the first cut and head.
    picture: int
        Position of the picture whose neighbours are shown.

    `cut`, `head` and `picture` are traits: assigning to them moves the controls, what isn't there is a TraitError.
    `status` is the line of text, `error` the exception that the last change ended in, or None.

    Raises ValueError for a cut, head or picture that isn't there, and for features of other pictures.
    """

    cut = traitlets.Unicode()
    head = traitlets.Unicode()
    picture = traitlets.Int()

    def __init__(self, features, table, images, *, cut=None, head=None, picture=0):
        self.cuts, self.images = Cuts(features, table), images
        first = next(iter(features.values()))
        if not np.array_equal(first.names, images.names):
            raise ValueError(
                f"images: {len(images)} pictures that aren't those of the features ({len(first)}); pass the ImageSet "
                "that the features were extracted from"
            )
        choice = CutChoice(next(iter(features)) if cut is None else cut, head or self.cuts.heads[0], picture)
        self.cuts.check(choice)
        self._page = CutPage(self.cuts, _make_thumbnails(images))
        controls = {
            "cut": make_buttons(features, choice.cut),
            "head": make_buttons(self.cuts.heads, choice.head),
            "picture": ipywidgets.IntSlider(value=picture, min=0, max=len(images) - 1),
        }
        super().__init__(choice, controls, SIZE_INCHES)

    @traitlets.validate("cut", "head", "picture")
    def _check(self, proposal):
        return self._validate_choice(proposal)

    def _check_choice(self, choice):
        self.cuts.check(choice)

    def _read(self, choice):
        return summarise_cut(self.cuts, choice)

    def snapshot(self, cut=None, head=None, picture=None):
        """Return what the explorer shows of a choice as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for a cut, head or picture that isn't there.
        """
        choice = CutChoice(cut or self.cut, head or self.head, self.picture if picture is None else picture)
        return self._draw_still(choice)

    def __repr__(self):
        n_cuts, n_heads = len(self.cuts.features), len(self.cuts.heads)
        return f"CutExplorer({n_cuts} cuts × {n_heads} heads, {len(self.images)} pictures)"


def _make_thumbnails(images):
    """Return a function from a picture's position to its thumbnail; those that were asked for are kept."""

    @functools.lru_cache(maxsize=2000)
    def read(place):
        return ImageOps.contain(images.read(place), (_THUMBNAIL_PX, _THUMBNAIL_PX))

    return read
