"""Pictures of two domains in one plane, before and after one domain is aligned: the `DomainMap`. Without torch."""

import dataclasses

import numpy as np

from tlkit.arguments import check_shape
from tlkit.features.arrays import check_pair
from tlkit.heads.numerics import limit_threads


@dataclasses.dataclass(frozen=True, eq=False)
class DomainMap:
    """Pictures of two domains in a plane; `map_domains` makes one."""

    source: np.ndarray  # (n, 2) float64
    target: np.ndarray  # (m, 2) float64
    source_labels: np.ndarray  # (n,) int
    target_labels: np.ndarray  # (m,) int
    classes: list  # of str
    axis_names: tuple  # of two str
    project: object  # function from features (k, d) to their positions in the plane (k, 2)

    def move(self, aligned):
        """Return the map with the source's pictures at their aligned features (n, d); target and plane stay."""
        aligned = np.asarray(aligned, np.float64)
        if len(aligned) != len(self.source):
            raise ValueError(f"aligned: {len(aligned)} pictures, expected {len(self.source)}, those of the source")
        return dataclasses.replace(self, source=self.project(aligned))

    @property
    def class_numbers(self):
        """{class: number from 1} of the source's classes, as short names on a map."""
        return {self.classes[label]: number for number, label in enumerate(np.unique(self.source_labels), 1)}

    def list_class_means(self):
        """Return (class, mean in the source, mean in the target), means (2,), of each class present in both."""
        sides = (self.source, self.source_labels), (self.target, self.target_labels)
        return [
            (self.classes[label], *(positions[labels == label].mean(axis=0) for positions, labels in sides))
            for label in np.intersect1d(self.source_labels, self.target_labels)
        ]


def map_domains(source, source_labels, target, target_labels, classes):
    """Return the `DomainMap` of features (n, d) and (m, d) in the plane of their two principal components."""
    # The plane is that of both domains together. Domains that differ in other directions can still overlap in it. If
    # there are only two features, they are the plane.
    source, target = check_pair(source, target)
    if source.shape[1] < 2:
        raise ValueError(f"source: {source.shape[1]} feature, expected at least two for a plane")
    source_labels, target_labels = np.asarray(source_labels), np.asarray(target_labels)
    for argument, labels, n in (("source", source_labels, len(source)), ("target", target_labels, len(target))):
        check_shape(f"{argument}_labels", labels, (n,), "one label per picture")
    labelled = source_labels, target_labels, list(classes)
    if source.shape[1] == 2:
        return DomainMap(source, target, *labelled, ("feature 1", "feature 2"), lambda values: values)
    from sklearn.decomposition import PCA

    both = np.concatenate([source, target])
    with limit_threads(both):
        # ARPACK computes a few components exactly and fast; scikit-learn fixes their signs.
        plane = PCA(2, svd_solver="arpack", random_state=0).fit(both)
        positions = plane.transform(source), plane.transform(target)
    names = tuple(
        f"principal component {axis}: {share:.0%} of the variance".replace("%", " %")
        for axis, share in enumerate(plane.explained_variance_ratio_, 1)
    )
    return DomainMap(*positions, *labelled, names, plane.transform)
