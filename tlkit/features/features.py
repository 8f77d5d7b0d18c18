"""`Features`: the outputs of a frozen network for pictures, with their labels; checks of such arrays. Without torch."""

import dataclasses

import numpy as np

from tlkit.arguments import check_class_indices, check_label_table, check_present, check_shape, read_array


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """Features of labelled pictures, one row per picture.

    `features[rows]` selects pictures by a slice, indices or a mask.

    Parameters
    ----------
    values : (n_samples, n_features) or (n_samples, n_channels, height, width) ndarray of float32
        Pooled features, or the maps of a stage.
    labels : (n_samples,) ndarray of int64
        Indices into `classes`; or (n_samples, n_labels) of 0 and 1 if pictures have several labels.
    classes, names, groups : list of str, and two (n_samples,) ndarrays of str
        Class names, and names and groups of the pictures, as in their `ImageSet`.
    provenance : dict of str to str
        Origin of the values: backbone, fingerprint of its weights, engine, precision and software.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart")[:6]
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> features = tl.extract_features(backbone, images, engine="torch", progress=False)
    >>> features[:2].values.shape, features.labels.tolist()
    ((2, 512), [0, 0, 0, 0, 0, 0])
    """

    values: np.ndarray
    labels: np.ndarray
    classes: list
    names: np.ndarray
    groups: np.ndarray
    provenance: dict

    def __post_init__(self):
        for name in ("values", "names", "groups"):
            object.__setattr__(self, name, read_array(name, getattr(self, name)))
        if self.values.dtype.kind != "f":
            raise TypeError(f"values: of type {self.values.dtype}, expected floats, as a network gives them")
        shape, n_labels = self.values.shape, (*np.shape(self.labels), "no")[0]
        if len(shape) not in (2, 4) or 0 in shape[1:] or shape[0] != n_labels:
            raise ValueError(
                f"values: shape {shape} with {n_labels} labels, expected (n_samples, n_features) "
                "or maps (n_samples, n_features, height, width), and one label per sample"
            )
        for name in ("names", "groups"):
            check_shape(name, getattr(self, name), (len(self),), "one per picture")
        check_present("groups", self.groups.tolist())
        check_labels = check_label_table if np.ndim(self.labels) == 2 else check_class_indices
        labels = check_labels("labels", self.labels, len(self), len(self.classes))
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index) -> "Features":
        rows = np.arange(len(self))[index]
        if rows.ndim != 1:
            raise TypeError(f"index: {index!r}, expected a slice, indices or a mask; .values[i] is one row")
        columns = {name: getattr(self, name)[rows] for name in ("values", "labels", "names", "groups")}
        return dataclasses.replace(self, **columns)

    def __repr__(self):
        made = f"{self.provenance['backbone']}, {self.provenance['engine']}"
        shape = " × ".join(map(str, self.values.shape[1:]))
        return f"Features({len(self)} pictures × {shape}, {len(self.classes)} classes: {made})"
