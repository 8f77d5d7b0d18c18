"""Two domains in one plane, before and after one of them is aligned: the `DomainMap`. Without torch."""

import dataclasses

import numpy as np

from tlkit.arguments import check_pair, check_shape
from tlkit.heads.numerics import limit_threads


@dataclasses.dataclass(frozen=True, eq=False)
class DomainMap:
    """Pictures of two domains in the plane, as `map_domains` places them.

    Arguments
    ---------
    source: (n, 2) float64
    target: (m, 2) float64
    source_labels: (n,) int
    target_labels: (m,) int
    classes: list of str
    axis_names: (str, str)
    place: callable
        From features (k, d) to their place in the plane, (k, 2).
    """

    source: np.ndarray
    target: np.ndarray
    source_labels: np.ndarray
    target_labels: np.ndarray
    classes: list
    axis_names: tuple
    place: object

    def move(self, aligned):
        """Return the map with the source where its features were brought to, (n, d); the plane and the target stay.

        >>> before = map_domains([[0, 0], [1, 0]], [0, 1], [[5, 0], [6, 1]], [0, 1], ["cat", "dog"])
        >>> before.move([[5, 0.5], [6, 0.5]]).source.tolist()
        [[5.0, 0.5], [6.0, 0.5]]
        """
        aligned = np.asarray(aligned, np.float64)
        if len(aligned) != len(self.source):
            raise ValueError(f"aligned: {len(aligned)} pictures, expected {len(self.source)}, those of the source")
        return dataclasses.replace(self, source=self.place(aligned))

    @property
    def numbers(self):
        """{class: number from 1} of the classes that the source has, so that a map can name them shortly."""
        return {self.classes[label]: number for number, label in enumerate(np.unique(self.source_labels), 1)}

    def list_means(self):
        """Return (class, mean in the source, mean in the target) of each class that both have, means (2,) float64."""
        sides = (self.source, self.source_labels), (self.target, self.target_labels)
        return [
            (self.classes[label], *(places[labels == label].mean(axis=0) for places, labels in sides))
            for label in np.intersect1d(self.source_labels, self.target_labels)
        ]


def map_domains(source, source_labels, target, target_labels, classes):
    """Place pictures of two domains in the plane in which both together spread most: their principal components.

    Domains that part in other directions can still meet here.

    Arguments
    ---------
    source: (n, d)
        d at least 2; features that are two already are left as they are.
    source_labels: (n,) int
    target: (m, d)
    target_labels: (m,) int
    classes: list of str

    Returns a `DomainMap`. Raises ValueError for shapes that don't fit.

    >>> made = map_domains([[0, 0], [1, 0]], [0, 1], [[5, 0], [6, 1]], [0, 1], ["cat", "dog"])
    >>> made.source.tolist(), made.axis_names
    ([[0.0, 0.0], [1.0, 0.0]], ('feature 1', 'feature 2'))
    """
    source, target = check_pair(source, target)
    if source.shape[1] < 2:
        raise ValueError(f"source: {source.shape[1]} feature, expected two or more: one makes no plane")
    source_labels, target_labels = np.asarray(source_labels), np.asarray(target_labels)
    for argument, labels, n in (("source", source_labels, len(source)), ("target", target_labels, len(target))):
        check_shape(f"{argument}_labels", labels, (n,), "one label per picture")
    labelled = source_labels, target_labels, list(classes)
    if source.shape[1] == 2:
        return DomainMap(source, target, *labelled, ("feature 1", "feature 2"), lambda values: values)
    from sklearn.decomposition import PCA

    both = np.concatenate([source, target])
    with limit_threads(both):
        # ARPACK finds few components exactly and fast. scikit-learn fixes the signs.
        plane = PCA(2, svd_solver="arpack", random_state=0).fit(both)
        places = plane.transform(source), plane.transform(target)
    names = tuple(
        f"principal component {axis}: {share:.0%} of the variance".replace("%", " %")
        for axis, share in enumerate(plane.explained_variance_ratio_, 1)
    )
    return DomainMap(*places, *labelled, names, plane.transform)
