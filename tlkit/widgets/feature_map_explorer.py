"""A map of features; a click shows the picture of a point and its nearest neighbours: the `FeatureMapExplorer`."""

from __future__ import annotations

import base64
import io
import threading
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from IPython.display import Image
from PIL import ImageOps

from tlkit.arguments import check_count, check_known
from tlkit.features.features import Features
from tlkit.features.projection import (
    METHODS,
    check_mappable,
    find_neighbors,
    project_features,
    share_same_class,
)
from tlkit.images.imageset import ImageSet
from tlkit.plots.feature_map import choose_looks, name_axes, render_feature_map, warn_of_map
from tlkit.widgets.explorer import read_script, refuse_value
from tlkit.widgets.jobs import leave_subshell

COLOURINGS = ("class", "domain")
_N_NEIGHBORS = 5
_THUMBNAIL_PX = 96


class FeatureMapExplorer(anywidget.AnyWidget):
    """Click a point of a map of features to see its picture and its five nearest neighbours.

    The arrow keys move from point to point, Enter selects one. Neighbours are found in all dimensions of the features,
    not on the map, and among the pictures of other groups. t-SNE is computed when it is first selected, in a thread of
    its own.

    Parameters
    ----------
    features : Features
        Pooled features of at least 4 pictures.
    images : ImageSet
        The pictures that the features were extracted from, in the same order. They are read when they are shown.
    method : {"pca", "tsne"}
        Method of the map.
    colour_by : {"class", "domain"}
        Meaning of the colours.

    Attributes
    ----------
    method, colour_by, selected : str, str, int or None
        Traits as above, and the index of the selected picture. Assigning one changes the view; an unknown value raises
        TraitError.
    neighbors, similarities : (5,) int, (5,) float
        Indices of the nearest neighbours of the selected picture, and their cosine similarities.
    sentence, error : str, Exception or None
        The selection in words, and the exception that the last change ended in.

    Raises
    ------
    TypeError or ValueError
        If features and images don't belong together, or `project_features` refuses them.

    Examples
    --------
    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="sketch").few(2)
    >>> made = tl.Features(np.eye(14)[images.labels], images.labels, images.classes, images.names, images.groups, {})
    >>> explorer = FeatureMapExplorer(made, images)
    >>> explorer.selected = 0
    >>> explorer.neighbors.shape
    (5,)
    """

    _esm = read_script("feature_map_explorer.js")
    _css = Path(__file__).with_name("feature_map_explorer.css")

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

    def __init__(self, features: Features, images: ImageSet, *, method: str = "pca", colour_by: str = "class"):
        check_mappable(features)
        _check_same_pictures(features, images)
        check_known("method", method, METHODS)
        check_known("colour_by", colour_by, COLOURINGS)
        self.features, self.images = features, images
        self.neighbors, self.similarities = np.empty(0, int), np.empty(0)
        # Callbacks may run in a thread of their own while a cell assigns to the traits, and while t-SNE is computed.
        self._lock = threading.RLock()
        self._maps, self._thread = {}, None
        self.share_same_class = share_same_class(features)
        self._kinds = {"class": np.array(features.classes)[features.labels], "domain": images.domains}
        super().__init__(
            names=features.names.tolist(),
            colourings={name: _describe_kinds(values) for name, values in self._kinds.items()},
            colour_by=colour_by,
            method=method,
        )
        self._show_map()
        self.observe(lambda _change: self._report_failure(self._show_map), "method")
        self.observe(lambda _change: self._report_failure(self._show_selected), "selected")

    @traitlets.validate("method", "colour_by", "selected")
    def _check(self, proposal):
        """Return a known method, colouring or index; raise TraitError for other values."""
        name, value = proposal["trait"].name, proposal["value"]
        with refuse_value():
            if name == "selected":
                return None if value is None else check_count("index", value, 0, len(self.features) - 1)
            check_known(name, value, METHODS if name == "method" else COLOURINGS)
        return value

    def wait(self) -> FeatureMapExplorer:
        """Wait until the map of the current method is computed.

        Returns
        -------
        FeatureMapExplorer
            The explorer itself.
        """
        thread = self._thread
        if thread is not None:
            thread.join()
        return self

    def _show_map(self):
        """Show the map of the current method; start to compute t-SNE if there is none yet."""
        with self._lock:
            if self.method in self._maps or self.method == "pca":
                self._take_map("pca" if self.method == "pca" else "tsne")
                return
            self.computing = True
            self.sentence = f"Computing t-SNE of {len(self.features)} pictures; the old map stays until then."
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=lambda: self._report_failure(self._compute_tsne), daemon=True)
                self._thread.start()

    def _compute_tsne(self):
        """Compute t-SNE, and show it if it is still selected."""
        leave_subshell()
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
        """Send a map to the front end."""
        if method not in self._maps:
            self._maps[method] = project_features(self.features, method)
        positions = self._maps[method]
        with self.hold_sync():
            self.axes = name_axes(self.features, positions, method)
            self.warning = warn_of_map(method, len(positions))
            self.positions = np.ascontiguousarray(positions, "<f4").tobytes()
            self.computing, self.sentence, self.error = False, self._describe(), None

    def _show_selected(self):
        """Show the selected picture and its neighbours."""
        with self._lock:
            if self.selected is None:
                self.neighbors, self.similarities = np.empty(0, int), np.empty(0)
                self.shown, self.sentence, self.error = [], self._describe(), None
                return
            neighbors, similarities = find_neighbors(self.features, self.selected, _N_NEIGHBORS, other_groups=True)
            shown = [self._describe_picture(self.selected)]
            for index, similarity in zip(neighbors, similarities, strict=True):
                same = self.features.labels[index] == self.features.labels[self.selected]
                relation = f"similarity {similarity:.3f}, {'same class' if same else 'another class'}"
                shown.append(self._describe_picture(int(index)) | {"relation": relation})
            self.neighbors, self.similarities = neighbors, similarities
            with self.hold_sync():
                self.shown, self.sentence, self.error = shown, self._describe(), None

    def _describe_picture(self, index):
        """Return a picture for the front end: name, class and domain, and its thumbnail as a data URL."""
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

    def _describe(self):
        """Return the selection and the share of nearest neighbours of the same class in words."""
        if np.isnan(self.share_same_class):
            share = "All pictures belong to one group, so no picture has a neighbour in another group."
        else:
            share = f"The nearest neighbour of {self.share_same_class:.0%} of the pictures is of the same class."
        if self.selected is None:
            return f"{share} Click a point to see its picture."
        labels = self.features.labels
        n_same = int((labels[self.neighbors] == labels[self.selected]).sum())
        chosen = f"{self.features.names[self.selected]} ({self._kinds['class'][self.selected]})"
        return f"{chosen}: {n_same} of its {len(self.neighbors)} nearest neighbours are of its class. {share}"

    def _report_failure(self, action):
        """Call an action; if it raises an exception, keep it as `error` and show it as `sentence`."""
        try:
            action()
        except Exception as error:  # otherwise it would end in a log that nobody reads
            self.error = error
            self.sentence = f"This could not be shown: {type(error).__name__}: {error}"

    def snapshot(self) -> Image:
        """Return the map as a still picture when it is computed.

        Returns
        -------
        IPython.display.Image
            The map as PNG.
        """
        self.wait()
        method = self.method if self.method in self._maps else "pca"
        kinds = self._kinds[self.colour_by]
        return Image(render_feature_map(self.features, positions=self._maps[method], method=method, kinds=kinds))

    def _repr_mimebundle_(self, **keywords):
        """Return the widget's display data, with a still picture for front ends without widgets."""
        # anywidget returns a pair of data and metadata, or None if the front end has no widgets.
        bundle, metadata = super()._repr_mimebundle_(**keywords) or ({}, {})
        still = base64.b64encode(self.snapshot().data).decode()
        return bundle | {"text/plain": repr(self), "image/png": still}, metadata

    def __repr__(self):
        return f"FeatureMapExplorer({len(self.features)} pictures, {METHODS[self.method]}, by {self.colour_by})"


def _describe_kinds(values):
    """Return the legend of classes or domains, and for each picture the index of its entry."""
    listed, indices, counts = np.unique(values, return_inverse=True, return_counts=True)
    looks = choose_looks(len(listed))
    kinds = [
        {"name": f"{name or 'no domain'} ({count})", "colour": colour, "marker": marker}
        for name, count, (colour, marker) in zip(listed, counts.tolist(), looks, strict=True)
    ]
    return {"kinds": kinds, "indices": indices.tolist()}


def _check_same_pictures(features, images):
    """Raise ValueError if the features were extracted from other pictures, or in another order."""
    if len(features) != len(images):
        raise ValueError(
            f"images: {len(images)} pictures for the features of {len(features)}; "
            "pass the images that the features were extracted from"
        )
    if len(different := np.flatnonzero(features.names != images.names)):
        index = different[0]
        given, expected = str(images.names[index]), str(features.names[index])
        raise ValueError(
            f"images: picture {index} is {given!r}, but the features are of {expected!r}; "
            "pass the images that the features were extracted from, in the same order"
        )
