"""`Features`: what a frozen network says of pictures, with their labels. Without torch."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """Features of pictures, a row a picture.

    Arguments
    ---------
    values: (n_samples, n_features) float32, or maps (n_samples, n_features, height, width) float32
        Maps are what a stage gives before it is pooled.
    labels: (n_samples,) int64
        Indices into `classes`.
    classes: list of str
    names, groups: (n_samples,) str
        Of the pictures, as in their ImageSet.
    provenance: dict
        What made them: backbone, fingerprint of its weights, recipe, engine, precision.
    """

    values: np.ndarray
    labels: np.ndarray
    classes: list
    names: np.ndarray
    groups: np.ndarray
    provenance: dict

    def __post_init__(self):
        if self.values.ndim not in (2, 4) or len(self.values) != len(self.labels):
            raise ValueError(
                f"values: shape {self.values.shape} with {len(self.labels)} labels, expected (n_samples, n_features) "
                "or maps (n_samples, n_features, height, width), and a label each"
            )

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        """Return the features of some pictures (a slice, indices or a mask)."""
        rows = np.arange(len(self))[index]
        if rows.ndim != 1:
            raise TypeError(f"index: {index!r}, expected a slice, indices or a mask; .values[i] is one row")
        return dataclasses.replace(
            self, values=self.values[rows], labels=self.labels[rows], names=self.names[rows], groups=self.groups[rows]
        )

    def __repr__(self):
        made = f"{self.provenance['backbone']}, {self.provenance['engine']}"
        shape = " × ".join(map(str, self.values.shape[1:]))
        return f"Features({len(self)} pictures × {shape}, {len(self.classes)} classes: {made})"


def check_features(features):
    """Raise TypeError for anything but `Features`."""
    if not isinstance(features, Features):
        raise TypeError(f"features: a {type(features).__name__}, expected Features, as extract_features returns them")
