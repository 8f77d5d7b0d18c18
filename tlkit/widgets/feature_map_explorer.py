"""A map of features on which a click shows the picture and what its features are near: the `FeatureMapExplorer`."""

import base64
import io
import threading
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from PIL import ImageOps

from tlkit.arguments import check_count, check_known
from tlkit.features.projection import (
    METHODS,
    check_mappable,
    find_neighbors,
    project_features,
    share_same_class,
)
from tlkit.plots.feature_map import choose_looks, name_axes, render_feature_map, warn_of_map

COLOURINGS = ("class", "domain")
_N_NEIGHBORS = 5
_THUMBNAIL_PX = 96

_STYLE = """
.tlkit-map { display: flex; flex-wrap: wrap; gap: 0 1.2em; align-items: flex-start; }
.tlkit-map > .whole { flex: 1 0 100%; margin: 0.2em 0; }
.tlkit-map button { font: inherit; padding: 0.2em 0.8em; margin-right: 0.3em; cursor: pointer; color: inherit;
  background: var(--jp-layout-color1, #fff); border: 1px solid var(--jp-border-color1, #999); }
.tlkit-map button[aria-pressed=true] { font-weight: bold; background: var(--jp-layout-color3, #ccc); }
.tlkit-map button:focus-visible, .tlkit-map canvas:focus-visible { outline: 3px solid #0072B2; }
.tlkit-map canvas { background: #fff; border: 1px solid #bbb; cursor: pointer; max-width: 100%; }
.tlkit-map .plane p { margin: 0.2em 0; max-width: 560px; font-size: smaller; }
.tlkit-map ul { list-style: none; padding: 0; margin: 0; max-height: 420px; overflow: auto; font-size: smaller; }
.tlkit-map li canvas { border: none; vertical-align: middle; margin-right: 0.4em; }
.tlkit-map .near { display: flex; flex-wrap: wrap; gap: 0.8em; flex: 1 0 100%; margin-top: 0.5em; }
.tlkit-map figure { margin: 0; width: 120px; font-size: smaller; overflow-wrap: anywhere; }
.tlkit-map figure img { display: block; width: 96px; height: 96px; border: 2px solid transparent; }
.tlkit-map figure.chosen img { border-color: #000; }
"""


class FeatureMapExplorer(anywidget.AnyWidget):
    """Click a point, or go there with the arrow keys and press Enter: its picture and its five nearest neighbours.

    Neighbours are found in all dimensions of the features, not on the map, and among the pictures of other groups.
    t-SNE is computed when it is first asked for, in a thread of its own; `wait` waits for it. Building the explorer
    displays nothing. Where there are no widgets, a picture of the map is shown instead.

    Arguments
    ---------
    features: Features
        Pooled, of at least 4 pictures.
    images: ImageSet
        That they were extracted from; pictures are read when they are to be shown.
    method: "pca" or "tsne"
    colour_by: "class" or "domain"

    `method`, `colour_by` and `selected` (the number of a picture, or None) are traits: assigning to them changes what
    is shown, a value that isn't there is a TraitError. `neighbors` and `similarities` are those of what is selected.
    `sentence` is the line of text, `error` the exception that the last change ended in, or None.

    Raises ValueError for features and images that don't belong together, and as `project_features` does.
    """

    _esm = Path(__file__).with_name("feature_map_explorer.js")
    _css = _STYLE

    method = traitlets.Unicode().tag(sync=True)
    colour_by = traitlets.Unicode().tag(sync=True)
    selected = traitlets.Int(None, allow_none=True).tag(sync=True)
    names = traitlets.List().tag(sync=True)
    positions = traitlets.Bytes().tag(sync=True)
    axes = traitlets.List().tag(sync=True)
    warning = traitlets.Unicode().tag(sync=True)
    colourings = traitlets.Dict().tag(sync=True)
    shown = traitlets.List().tag(sync=True)
    sentence = traitlets.Unicode().tag(sync=True)
    computing = traitlets.Bool(False).tag(sync=True)

    error = None

    def __init__(self, features, images, *, method="pca", colour_by="class"):
        check_mappable(features)
        _check_belong(features, images)
        check_known("method", method, METHODS)
        check_known("colour_by", colour_by, COLOURINGS)
        self.features, self.images = features, images
        self.neighbors, self.similarities = np.empty(0, int), np.empty(0)
        # Callbacks may run on a thread of their own beside a cell that assigns to the traits, and beside t-SNE's.
        self._lock = threading.RLock()
        self._maps, self._thread = {}, None
        self.share_same_class = share_same_class(features)
        kinds = {"class": np.array(features.classes)[features.labels], "domain": images.domains}
        self._kinds = kinds
        super().__init__(
            names=features.names.tolist(),
            colourings={name: _describe_kinds(values) for name, values in kinds.items()},
            colour_by=colour_by,
            method=method,
        )
        self._show_map()
        self.observe(lambda _change: self._report_failure(self._show_map), "method")
        self.observe(lambda _change: self._report_failure(self._show_selected), "selected")

    @traitlets.validate("method", "colour_by", "selected")
    def _check(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        try:
            if name == "selected":
                return None if value is None else check_count("index", value, 0, len(self.features) - 1)
            check_known(name, value, METHODS if name == "method" else COLOURINGS)
        except (ValueError, TypeError) as error:
            raise traitlets.TraitError(str(error)) from error
        return value

    def wait(self):
        """Wait until the map of the present method is computed; returns the explorer."""
        thread = self._thread
        if thread is not None:
            thread.join()
        return self

    def _show_map(self):
        with self._lock:
            if self.method in self._maps or self.method == "pca":
                self._take_map("pca" if self.method == "pca" else "tsne")
                return
            self.computing = True
            self.sentence = f"Computing t-SNE of {len(self.features)} pictures; the map before it stays until then."
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=lambda: self._report_failure(self._compute_tsne), daemon=True)
                self._thread.start()

    def _compute_tsne(self):
        try:
            positions = project_features(self.features, "tsne")
        except Exception:
            self.computing = False
            raise
        with self._lock:
            self._maps["tsne"] = positions
            if self.method == "tsne":
                self._take_map("tsne")

    def _take_map(self, method):
        if method not in self._maps:
            self._maps[method] = project_features(self.features, method)
        positions = self._maps[method]
        with self.hold_sync():
            self.axes = name_axes(self.features, positions, method)
            self.warning = warn_of_map(method, len(positions))
            self.positions = np.ascontiguousarray(positions, "<f4").tobytes()
            self.computing, self.sentence, self.error = False, self._say(), None

    def _show_selected(self):
        with self._lock:
            if self.selected is None:
                self.neighbors, self.similarities = np.empty(0, int), np.empty(0)
                self.shown, self.sentence, self.error = [], self._say(), None
                return
            neighbors, similarities = find_neighbors(self.features, self.selected, _N_NEIGHBORS, other_groups=True)
            shown = [self._describe(self.selected)]
            for index, similarity in zip(neighbors, similarities, strict=True):
                same = self.features.labels[index] == self.features.labels[self.selected]
                relation = f"similarity {similarity:.3f}, {'same class' if same else 'another class'}"
                shown.append(self._describe(int(index)) | {"relation": relation})
            self.neighbors, self.similarities = neighbors, similarities
            with self.hold_sync():
                self.shown, self.sentence, self.error = shown, self._say(), None

    def _describe(self, index):
        picture = ImageOps.pad(self.images.read(index), (_THUMBNAIL_PX, _THUMBNAIL_PX), color="white")
        content = io.BytesIO()
        picture.save(content, "WEBP", quality=85)
        return {
            "index": index,
            "name": str(self.features.names[index]),
            "kind": f"{self._kinds['class'][index]}, {self.images.domains[index] or 'no domain'}",
            "source": "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode(),
            "relation": "chosen",
        }

    def _say(self):
        if np.isnan(self.share_same_class):
            share = "All pictures are of one group, so none has a neighbour of another."
        else:
            share = f"The nearest neighbour of {self.share_same_class:.0%} of the pictures is of the same class."
        if self.selected is None:
            return f"{share} Click a point to see its picture."
        labels = self.features.labels
        n_same = int((labels[self.neighbors] == labels[self.selected]).sum())
        chosen = f"{self.features.names[self.selected]} ({self._kinds['class'][self.selected]})"
        return f"{chosen}: {n_same} of its {len(self.neighbors)} nearest neighbours are of its class. {share}"

    def _report_failure(self, action):
        # A failure is said in the line of text instead of ending in a log that nobody sees.
        try:
            action()
        except Exception as error:
            self.error = error
            self.sentence = f"This could not be shown: {type(error).__name__}: {error}"

    def snapshot(self):
        """Return the map as a still picture (IPython Image, PNG), once it is computed."""
        from IPython.display import Image

        self.wait()
        method = self.method if self.method in self._maps else "pca"
        kinds = self._kinds[self.colour_by]
        return Image(render_feature_map(self.features, positions=self._maps[method], method=method, kinds=kinds))

    def _repr_mimebundle_(self, **keywords):
        # anywidget returns a pair, of data and metadata, or None where the front end has no widgets.
        bundle, metadata = super()._repr_mimebundle_(**keywords) or ({}, {})
        still = base64.b64encode(self.snapshot().data).decode()
        return bundle | {"text/plain": repr(self), "image/png": still}, metadata

    def __repr__(self):
        return f"FeatureMapExplorer({len(self.features)} pictures, {METHODS[self.method]}, by {self.colour_by})"


def _describe_kinds(values):
    listed, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    looks = choose_looks(len(listed))
    kinds = [
        {"name": f"{name or 'no domain'} ({count})", "colour": colour, "marker": marker}
        for name, count, (colour, marker) in zip(listed, counts.tolist(), looks, strict=True)
    ]
    return {"kinds": kinds, "places": places.tolist()}


def _check_belong(features, images):
    if len(features) != len(images):
        raise ValueError(
            f"images: {len(images)} pictures for the features of {len(features)}; "
            "give the images that the features were extracted from"
        )
    if len(different := np.flatnonzero(features.names != images.names)):
        place = different[0]
        given, expected = str(images.names[place]), str(features.names[place])
        raise ValueError(
            f"images: picture {place} is {given!r}, the features' is {expected!r}; "
            "give the images that the features were extracted from, in the same order"
        )
