"""A map of features; a click shows the picture of a point and its nearest neighbours: the `FeatureMapExplorer`."""

import base64
import io
import threading

import numpy as np
import traitlets

from tlkit.arguments import check_count, check_known
from tlkit.features.features import Features
from tlkit.images.imageset import ImageSet
from tlkit.plots.feature_map import make_map_page
from tlkit.summaries.projection import METHODS, check_mappable, find_neighbors, project_features, share_same_class
from tlkit.widgets.explorer import Explorer, read_files, refuse_value
from tlkit.widgets.jobs import Job
from tlkit.widgets.thumbnails import check_same_pictures, make_thumbnails

COLOURINGS = ("class", "domain")
_N_NEIGHBORS = 5


class FeatureMapExplorer(Explorer):
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

    Raises
    ------
    TypeError or ValueError
        If features and images don't belong together, or `project_features` refuses them.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="sketch").few(2)
    >>> made = tl.Features(np.eye(14)[images.labels], images.labels, images.classes, images.names, images.groups, {})
    >>> explorer = FeatureMapExplorer(made, images)
    >>> explorer.selected = 0
    >>> explorer.neighbors.shape
    (5,)
    """

    _esm = read_files("kit.js", "feature_map_explorer.js")
    _css = read_files("kit.css", "feature_map_explorer.css")

    method = traitlets.Unicode().tag(sync=True)
    colour_by = traitlets.Unicode().tag(sync=True)
    selected = traitlets.Int(None, allow_none=True).tag(sync=True)
    shown = traitlets.List().tag(sync=True)  # method, colouring and selected picture of the drawing
    frame = traitlets.Unicode().tag(sync=True)  # SVG; the drawing lies above it
    drawing = traitlets.Unicode().tag(sync=True)
    near = traitlets.List().tag(sync=True)  # the selected picture and its neighbours
    computing = traitlets.Bool(False).tag(sync=True)

    def __init__(self, features: Features, images: ImageSet, *, method: str = "pca", colour_by: str = "class"):
        check_mappable(features)
        check_same_pictures(features, images)
        check_known("method", method, METHODS)
        check_known("colour_by", colour_by, COLOURINGS)
        self.features, self.images = features, images
        self.neighbors, self.similarities = np.empty(0, int), np.empty(0)
        # Callbacks may run in a thread of their own while a cell assigns to the traits, and while t-SNE is computed.
        self._lock = threading.RLock()
        self._maps, self._pages, self._job = {"pca": project_features(features, "pca")}, {}, None
        self._read_thumbnail = make_thumbnails(images)
        self.share_same_class = share_same_class(features)
        self._kinds = {"class": np.array(features.classes)[features.labels], "domain": images.domains}
        super().__init__(colour_by=colour_by, method=method)
        self._show()
        self.observe(lambda _change: self.report_failure(self._show), ["method", "colour_by", "selected"])
        self.on_msg(self._send_picture)

    @traitlets.validate("method", "colour_by", "selected")
    def _check(self, proposal):
        """Return a known method, colouring or index; raise TraitError for other values."""
        name, value = proposal["trait"].name, proposal["value"]
        with refuse_value():
            if name == "selected":
                return None if value is None else check_count("index", value, 0, len(self.features) - 1)
            check_known(name, value, METHODS if name == "method" else COLOURINGS)
        return value

    def wait(self) -> "FeatureMapExplorer":
        """Wait until the map of the current method is computed.

        Returns
        -------
        FeatureMapExplorer
            The explorer itself.
        """
        job = self._job
        if job is not None:
            job.wait()
        return self

    def _show(self):
        """Show the map and the selected picture; start to compute t-SNE if there is none yet."""
        with self._lock:
            near = self._list_near()
            if self.method not in self._maps and not self.computing:
                self.computing = True
                self._job = Job(lambda _job: self.report_failure(self._compute_tsne))
            page = self._find_page()
            with self.hold_sync():
                self.frame, self.drawing = page.frame, page.render([one["index"] for one in near]) if near else ""
                self.near, self.status, self.error = near, self._describe(), None
                self.shown = [self.method, self.colour_by, self.selected]

    def _find_page(self):
        """Return the page of the current map; that of PCA until t-SNE is computed."""
        key = self.method if self.method in self._maps else "pca", self.colour_by
        if key not in self._pages:
            self._pages[key] = make_map_page(self.features, self._maps[key[0]], key[0], self._kinds[key[1]])
        return self._pages[key]

    def _compute_tsne(self):
        """Compute t-SNE, and show it if it is still selected."""
        try:
            self._maps["tsne"] = project_features(self.features, "tsne")
        finally:
            self.computing = False
        self._show()

    def _list_near(self):
        """Return the selected picture and its neighbours for the script (list of dict), and keep the neighbours."""
        if self.selected is None:
            self.neighbors, self.similarities = np.empty(0, int), np.empty(0)
            return []
        neighbors, similarities = find_neighbors(self.features, self.selected, _N_NEIGHBORS)
        shown = [self._describe_picture(self.selected)]
        for index, similarity in zip(neighbors, similarities, strict=True):
            same = self.features.labels[index] == self.features.labels[self.selected]
            relation = f"similarity {similarity:.3f}, {'same class' if same else 'another class'}"
            shown.append(self._describe_picture(int(index)) | {"relation": relation})
        self.neighbors, self.similarities = neighbors, similarities
        return shown

    def _describe_picture(self, index):
        """Return a picture for the script: name, class and domain, and its thumbnail as a data address."""
        content = io.BytesIO()
        self._read_thumbnail(index).save(content, "WEBP", quality=85)
        return {
            "index": index,
            "name": str(self.features.names[index]),
            "kind": f"{self._kinds['class'][index]}, {self.images.domains[index] or 'no domain'}",
            "source": "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode(),
            "relation": "chosen",
        }

    def _send_picture(self, _widget, request, _buffers):
        """Send the thumbnail of a point that a reader points at: {"index": int}."""
        self.report_failure(lambda: self.send(self._describe_picture(request["index"])))

    def _describe(self):
        """Return the selection and the share of nearest neighbours of the same class in words."""
        if self.computing:
            return f"Computing t-SNE of {len(self.features)} pictures; the map of PCA stays until then."
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

    def _draw_still(self):
        """Return the map, when it is computed, with the selected picture (PNG, bytes)."""
        self.wait()
        with self._lock:
            shown = [] if self.selected is None else [self.selected, *self.neighbors]
            return self._find_page().render_still(shown)

    def __repr__(self):
        return f"FeatureMapExplorer({len(self.features)} pictures, {METHODS[self.method]}, by {self.colour_by})"
