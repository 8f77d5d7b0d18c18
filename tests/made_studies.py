"""An ImageSet of two or three made domains with their Features, for tests of comparisons over pairs."""

import numpy as np

from tlkit.features.features import Features
from tlkit.images.imageset import ImageSet


def make_study(domains=("here", "there"), n=60, d=6, n_classes=3, moved=6.0, shared=(), apart=4.0, seed=0):
    """Return (images, features) of n pictures a domain, each moved by a vector of its own; two pictures a group.

    Arguments
    ---------
    moved, apart: float
        How far domains, and centres of classes, lie from each other; pictures of a class have a spread of 1.
    shared: sequence of str
        Domains that show the same concepts, so that they have their groups in common.
    """
    random = np.random.default_rng(seed)
    centres = apart * random.normal(size=(n_classes, d))
    values, labels, named, groups = [], [], [], []
    for number, domain in enumerate(domains):
        concepts = np.arange(n) // 2
        of_domain = concepts % n_classes
        values.append(
            centres[of_domain] + random.normal(size=(n, d)) + (moved * random.normal(size=d) if number else 0)
        )
        labels.append(of_domain)
        named += [domain] * n
        groups += [f"{'both' if domain in shared else domain}:{concept}" for concept in concepts]
    values, labels = np.concatenate(values).astype(np.float32), np.concatenate(labels)
    names = np.array([f"{domain}/{place}.png" for place, domain in enumerate(named)])
    classes = [f"class{number}" for number in range(n_classes)]
    empty = np.full(len(names), "")
    columns = {name: empty for name in ("roles", "titles", "origins", "authors", "licences")}
    images = ImageSet(
        pictures=list(names),
        labels=labels,
        classes=classes,
        domains=named,
        groups=groups,
        names=names,
        folds=np.full(len(names), -1),
        **columns,
    )
    return images, Features(values, images.labels, classes, images.names, images.groups, {"backbone": "made"})
