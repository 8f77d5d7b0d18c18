"""Cut × head × picture → accuracy and nearest neighbours: the `CutExplorer`."""

import functools
import threading

import ipywidgets
import numpy as np
import traitlets
from PIL import ImageOps

from tlkit.inspection.cuts import CutChoice, Cuts, read_cut
from tlkit.plots.cuts import SIZE_INCHES, CutPage
from tlkit.widgets.explorer import Explorer, make_picture
from tlkit.widgets.status import StatusLine

_THUMBNAIL_PX = 128


class CutExplorer(Explorer):
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
        reading = read_cut(self.cuts, choice)
        # Callbacks may run on a thread of their own beside a cell that assigns to the traits.
        self._lock = threading.Lock()
        self._page = CutPage(self.cuts, _make_thumbnails(images))
        wide = {"button_width": "auto"}
        self._controls = {
            "cut": ipywidgets.ToggleButtons(options=list(features), value=choice.cut, style=wide),
            "head": ipywidgets.ToggleButtons(options=self.cuts.heads, value=choice.head, style=wide),
            "picture": ipywidgets.IntSlider(value=picture, min=0, max=len(images) - 1),
        }
        self._view = make_picture(SIZE_INCHES, value=self._page.render(reading))
        self.status = StatusLine(reading.sentence)
        self._shown = choice
        rows = [
            ipywidgets.HBox([ipywidgets.Label(name, layout={"width": "4.5em"}), control])
            for name, control in self._controls.items()
        ]
        super().__init__([*rows, self.status, self._view], cut=choice.cut, head=choice.head, picture=picture)
        for control in self._controls.values():
            control.observe(self._take, "value")
        self.observe(self._show, list(self._controls))

    @traitlets.validate("cut", "head", "picture")
    def _check(self, proposal):
        wanted = {"cut": self.cut, "head": self.head, "picture": self.picture}
        try:
            self.cuts.check(CutChoice(**wanted | {proposal["trait"].name: proposal["value"]}))
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from error
        return proposal["value"]

    def _take(self, change):
        trait = next(name for name, control in self._controls.items() if control is change["owner"])
        self.report_failure(lambda: setattr(self, trait, change["new"]))

    def _show(self, _change):
        self.report_failure(self._show_choice)

    def _show_choice(self):
        for name, control in self._controls.items():
            control.value = getattr(self, name)
        with self._lock:
            choice = CutChoice(self.cut, self.head, self.picture)
            if choice == self._shown and self.error is None:
                return
            reading = read_cut(self.cuts, choice)
            self._view.value = self._page.render(reading)
            self.status.text = reading.sentence
            self._shown, self.error = choice, None

    def snapshot(self, cut=None, head=None, picture=None):
        """Return what the explorer shows of a choice as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for a cut, head or picture that isn't there.
        """
        from IPython.display import Image

        choice = CutChoice(cut or self.cut, head or self.head, self.picture if picture is None else picture)
        with self._lock:
            return Image(self._page.render(read_cut(self.cuts, choice), compact=True))

    def __repr__(self):
        n_cuts, n_heads = len(self.cuts.features), len(self.cuts.heads)
        return f"CutExplorer({n_cuts} cuts × {n_heads} heads, {len(self.images)} pictures)"


def _make_thumbnails(images):
    """Return a function from a picture's position to its thumbnail; those that were asked for are kept."""

    @functools.lru_cache(maxsize=2000)
    def read(place):
        return ImageOps.contain(images.read(place), (_THUMBNAIL_PX, _THUMBNAIL_PX))

    return read
