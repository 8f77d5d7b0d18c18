"""Label damage of augmentations: do heads still recognise augmented pictures? Without torch until it runs."""

import dataclasses

import numpy as np
import pandas as pd

import tlkit as tl
from tlkit.cpu.threads import default_states
from tlkit.features.extract import extract_features
from tlkit.heads import fit_head
from tlkit.images.imageset import ImageSet, check_images
from tlkit.strategies.augmentation import format_augment


@default_states()
def measure_label_damage(
    backbone: "tl.Backbone",
    images: ImageSet,
    policies: list,
    *,
    n_views: int = 2,
    test_fold: int = 0,
    n_folds: int = 5,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure by class how well augmented pictures are still recognised.

    Parameters
    ----------
    backbone, images : Backbone and ImageSet
        The frozen network, and the pictures, of which one fold is held out.
    policies, n_views : list and int
        Augmentation policies that change pictures (names, or lists of names), and views per picture, by default 2.
    test_fold, n_folds : int
        The held-out fold (default 0) of `n_folds` (default 5), as in `ImageSet.split`.
    seed, progress : int and bool
        Seed of the views, and whether to show a progress bar.

    Returns
    -------
    DataFrame
        One row per policy and class, with "all" first:

        - policy (str), class (str), n (int): the policy, the class and its number of held-out pictures.
        - plain, views (float): accuracy of a head trained on plain pictures, on plain pictures and on views.
        - trained_on_views (float): accuracy on views of a head trained on views.
        - mistaken_for (str): most frequent wrong prediction for views by the first head, "" if there is none.
        - mistaken_share (float): share of the class's views with that prediction.

    Raises
    ------
    ValueError
        If a policy is unknown, or mixes pictures (and with them their labels).

    Notes
    -----
    If the head trained on plain pictures fails on views, either the label is lost (a 6 rotated by 180° is a 9), or
    such pictures are merely unfamiliar (a negative of a 6). The accuracy that the head trained on views regains was
    unfamiliarity; the rest is lost, as far as this network can see. Two cases remain hidden: a changed class that looks
    like no other class (a mirrored 3) is learned although its pictures are wrong, and a network may fail on pictures
    that people recognise.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(8)
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> measure_label_damage(backbone, images, ["flip"], n_views=1, progress=False)["class"].tolist()
    ['all', 'bird', 'bug']
    """
    from tlkit.training.test_time_augmentation import check_views, extract_views

    check_images("images", images)
    augments = [check_views(n_views, augment, backbone.recipe.noun)[1] for augment in policies]
    if None in augments:
        raise ValueError("policies: contains None, which changes nothing; plain pictures are always measured")
    train, test = images.split(test_fold=test_fold, n_folds=n_folds)
    index_of = {name: index for index, name in enumerate(images.names)}
    train_rows, test_rows = ([index_of[name] for name in part.names] for part in (train, test))
    features = extract_features(backbone, images, progress=progress)
    plain_head = fit_head(features[train_rows])
    plain = plain_head.predict(features.values[test_rows]).argmax(axis=1)
    rows = []
    for augment in augments:
        views = list(extract_views(backbone, images, augment, n_views, seed=seed, pretrained=True, progress=progress))
        # The views of the same pictures, one view after the other.
        known = features[train_rows]
        tiled = {name: np.tile(getattr(known, name), n_views) for name in ("labels", "names", "groups")}
        seen = np.concatenate([values[train_rows] for values in views])
        view_head = fit_head(dataclasses.replace(known, values=seen, **tiled))
        predicted = [
            np.stack([head.predict(values[test_rows]).argmax(axis=1) for values in views])
            for head in (plain_head, view_head)
        ]
        everything = np.full(len(test), True)
        classes = {"all": everything}
        classes |= {images.classes[label]: test.labels == label for label in np.unique(test.labels)}
        for name, chosen in classes.items():
            row = {"policy": format_augment(augment), "class": name, "n": int(chosen.sum())}
            columns = {"plain": plain[None], "views": predicted[0], "trained_on_views": predicted[1]}
            for column, labels in columns.items():
                row[column] = float((labels == test.labels)[:, chosen].mean())
            rows.append(row | _find_mistake(predicted[0][:, chosen], test.labels[chosen], images.classes))
    return pd.DataFrame(rows)


def _find_mistake(predicted, labels, classes):
    """Return the most frequent wrong class of predictions (n_views, n) and its share, as columns of the table."""
    wrong = predicted[predicted != labels]
    if not len(wrong):
        return {"mistaken_for": "", "mistaken_share": 0.0}
    counts = np.bincount(wrong, minlength=len(classes))
    return {"mistaken_for": classes[counts.argmax()], "mistaken_share": float(counts.max() / predicted.size)}
