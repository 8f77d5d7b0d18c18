"""Whether an augmentation leaves the label on a picture, measured by what heads say of changed pictures.

Without torch until it runs.
"""

import dataclasses

import numpy as np

from tlkit.features.extract import extract_features
from tlkit.heads import fit_head
from tlkit.strategies.augmentation import format_augment


def measure_label_damage(backbone, images, policies, *, n_views=2, test_fold=0, n_folds=5, seed=0, progress=True):
    """Measure, class by class, how well changed pictures are still recognised.

    A logistic head that learned pictures as they are is asked about held-out ones, as they are and in drawn views.
    Where it fails on views, either the label is gone (a 6 turned upside down is a 9) or such pictures are only new to
    it (a negative of a 6). So another head, which learned such views, is asked about the views too: what it gets back
    was unfamiliar, what it doesn't get back isn't in the pictures, as this network sees them.

    What that can't say: a class that shares no look with another one after the change (a mirrored 3 is like nothing
    else) is learned back, though its pictures are wrong. And a network may fail where people don't.

    Arguments
    ---------
    backbone: Backbone
    images: ImageSet
    policies: list
        Each the name of a policy that changes pictures, or a list of names.
    n_views: int
        Drawn of each picture.
    test_fold, n_folds: int
        As in `ImageSet.split`; the head learns from the other folds.
    seed: int
        Of the views.
    progress: bool

    Returns a DataFrame: policy, class ("all" first), n (held-out pictures), plain, asked, learned (shares recognised:
    pictures as they are; views, by the head that never saw one; views, by the head that learned views), and taken_for,
    what the first head takes most of the views for that it gets wrong ("" where there are none), with the share of the
    class's views in taken_share.

    Raises ValueError for unknown policies, and for those that mix pictures, whose labels say so themselves.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(8)
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> measure_label_damage(backbone, images, ["flip"], n_views=1, progress=False)["class"].tolist()
    ['all', 'bird', 'bug']
    """
    import pandas as pd

    from tlkit.training.test_time_augmentation import check_views, extract_views

    augments = [check_views(n_views, augment)[1] for augment in policies]
    if None in augments:
        raise ValueError("policies: None among them changes nothing; pictures as they are, are asked about anyway")
    train, test = images.split(test_fold=test_fold, n_folds=n_folds)
    places = {name: place for place, name in enumerate(images.names)}
    learn, ask = ([places[name] for name in part.names] for part in (train, test))
    features = extract_features(backbone, images, progress=progress)
    plain_head = fit_head(features[learn])
    plain = plain_head.predict(features.values[ask]).argmax(axis=1)
    rows = []
    for augment in augments:
        views = list(extract_views(backbone, images, augment, n_views, seed=seed, pretrained=True, progress=progress))
        learned = fit_head(_stack(features[learn], [values[learn] for values in views]))
        answers = [
            np.stack([head.predict(values[ask]).argmax(axis=1) for values in views]) for head in (plain_head, learned)
        ]
        of_all = np.full(len(test), True)
        classes = {"all": of_all} | {images.classes[label]: test.labels == label for label in np.unique(test.labels)}
        for name, chosen in classes.items():
            row = {"policy": format_augment(augment), "class": name, "n": int(chosen.sum())}
            for column, answer in {"plain": plain[None], "asked": answers[0], "learned": answers[1]}.items():
                row[column] = float((answer == test.labels)[:, chosen].mean())
            rows.append(row | _find_confusion(answers[0][:, chosen], test.labels[chosen], images.classes))
    return pd.DataFrame(rows)


def _stack(features, views):
    """Return `Features` of several views of the same pictures, one view after the other."""
    return dataclasses.replace(
        features,
        values=np.concatenate(views),
        labels=np.tile(features.labels, len(views)),
        names=np.tile(features.names, len(views)),
        groups=np.tile(features.groups, len(views)),
    )


def _find_confusion(answers, labels, classes):
    wrong = answers[answers != labels]
    if not len(wrong):
        return {"taken_for": "", "taken_share": 0.0}
    counts = np.bincount(wrong, minlength=len(classes))
    return {"taken_for": classes[counts.argmax()], "taken_share": float(counts.max() / answers.size)}
