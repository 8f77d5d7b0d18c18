"""`check_preprocessing`: does a loader preprocess pictures as the network's weights require, and what does it cost?"""

import dataclasses
from collections.abc import Iterable

import numpy as np

import tlkit as tl
from tlkit.arguments import check_count
from tlkit.cpu.threads import default_states
from tlkit.evaluation.gains import give_verdict
from tlkit.evaluation.intervals import two_way_interval
from tlkit.features.extract import extract_features
from tlkit.images.imageset import ImageSet, check_images
from tlkit.inspection.loader_fit import fit_loader, name_mismatches
from tlkit.inspection.loader_samples import check_order, read_examined, read_loader

_TOLERANCE = 1e-3  # of standardised values; conversions of the same pixels differ by less
_N_EXAMINED = 12


@dataclasses.dataclass(frozen=True, eq=False)
class PreprocessingCheck:
    """Result of `check_preprocessing`, displayed as sentences."""

    passed: bool
    mismatches: dict[str, str]  # descriptions by mismatch, such as "BGR" or "other crop"
    largest_difference: float  # of the loader's values from the recipe's, in standardised units; NaN for other sizes
    n_pictures: int
    accuracy: float  # of a linear probe trained and tested on pictures preprocessed by the recipe
    accuracy_tested: float  # of the same probe tested on the loader's tensors
    change_tested: float  # its change, with a 95 % interval
    change_tested_low: float
    change_tested_high: float
    accuracy_both: float  # of a probe that is trained on the loader's tensors too
    change_both: float
    change_both_low: float
    change_both_high: float

    def __repr__(self):
        if self.passed:
            found = f"{self.n_pictures} pictures are preprocessed as the weights require"
            return f"Passed: {found} (values differ by at most {self.largest_difference:.1g})."
        lines = [f"Not the preprocessing of these weights ({self.n_pictures} pictures):"]
        lines += [f"  {name}: {description}." for name, description in self.mismatches.items()]
        if np.isnan(self.accuracy_tested):
            return "\n".join([*lines, "  The network can't process such pictures, so there is no accuracy."])
        tested = _format_change(self.change_tested, self.change_tested_low, self.change_tested_high)
        both = _format_change(self.change_both, self.change_both_low, self.change_both_high)
        lines += [
            f"  Accuracy of a linear probe with the right preprocessing: {self.accuracy:.3f}.",
            f"  The same probe tested on the loader's pictures: {self.accuracy_tested:.3f} ({tested}).",
            f"  A probe trained and tested on the loader's pictures: {self.accuracy_both:.3f} ({both}).",
        ]
        return "\n".join(lines)


@default_states()
def check_preprocessing(
    loader: Iterable, backbone: "tl.Backbone", images: ImageSet, *, n_seeds: int = 5, progress: bool = True
) -> PreprocessingCheck:
    """Compare a loader's tensors with the preprocessing that the weights require, and measure the cost in accuracy.

    Parameters
    ----------
    loader : iterable
        A DataLoader or other iterable of batches (n, 3, height, width), or pairs with labels, with `images` in order.
    backbone, images : Backbone and ImageSet
        The network, which stays as it is, and pictures of at least two classes.
    n_seeds, progress : int and bool
        Number of seeds of the folds, at least 2, by default 5; and whether to show a progress bar for the features.

    Returns
    -------
    PreprocessingCheck
        Displays as sentences: the `mismatches` (dict), such as "BGR", and the accuracies of linear probes on the
        recipe's pictures (`accuracy`), tested on the loader's (`accuracy_tested`), or trained too (`accuracy_both`).

    Raises
    ------
    TypeError, ValueError
        If the loader gives anything but batches, another number of pictures, or another order (shuffled).

    Notes
    -----
    To identify a mismatch, twelve of the pictures are preprocessed with other sizes, crops and filters, and a line is
    fitted to the values of each channel. The cost is measured by linear probes in five-fold cross-validation that keeps
    groups together, with new folds for each seed; the interval takes seeds and groups into account.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])[::4]
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> batch = np.stack([backbone.preprocess(images.read(index)) for index in range(len(images))])
    >>> check_preprocessing([batch], backbone, images, n_seeds=2, progress=False).passed
    True
    """
    check_images("images", images, "picture")
    check_count("n_seeds", n_seeds, 2)
    n_pictures = len(images)
    if len(np.unique(images.labels)) < 2:
        raise ValueError("images: pictures of fewer than two classes, expected two or more for the probes")
    indices = np.unique(np.linspace(0, n_pictures - 1, _N_EXAMINED).round().astype(int))
    expected = np.stack([backbone.preprocess(images.read(index)) for index in indices])
    examined, values, channels_last, difference = read_loader(loader, backbone, images, indices)
    again = None if iter(loader) is loader else read_examined(loader, indices)
    check_order([examined] if again is None else [examined, again], expected)
    random = again is not None and not np.array_equal(examined, again)
    mismatches = {}
    if channels_last:
        mismatches["channels last"] = "(height, width, channels): the network expects the channels first"
    if random or not difference <= _TOLERANCE:
        fit = fit_loader(examined, [images.read(index) for index in indices], backbone.recipe)
        mismatches |= name_mismatches(fit, backbone.recipe, random=random)
    own = extract_features(backbone, images, progress=progress).values
    # Without a mismatch, the remaining digits make no difference to a probe.
    cost = _measure_cost(own, values if mismatches else own, images, n_seeds)
    return PreprocessingCheck(not mismatches, mismatches, difference, n_pictures, **cost)


def _measure_cost(own, given, images, n_seeds):
    """Return the accuracies and changes of a `PreprocessingCheck` from features (n, d) by recipe and by loader."""
    from tlkit.selection.transferability import predict_unseen

    arms = {"tested": (own, given), "both": (given, given)} if given is not None else {}
    labels = np.unique(images.labels, return_inverse=True)[1]

    def measure(train, test):
        # (n_seeds, n_pictures): 1 if a picture was predicted correctly, else 0
        predicted = [predict_unseen(train, test, labels, images.groups, seed=seed) for seed in range(n_seeds)]
        return (np.stack(predicted) == labels).astype(float)

    right = measure(own, own)
    numbers = {"accuracy": float(right.mean())}
    for name in ("tested", "both"):
        changes = (np.nan,) * 4
        if name in arms:
            scored = right if given is own else measure(*arms[name])
            change = scored - right
            changes = (scored.mean(), change.mean(), *two_way_interval(change, images.groups))
        fields = (f"accuracy_{name}", f"change_{name}", f"change_{name}_low", f"change_{name}_high")
        numbers |= dict(zip(fields, map(float, changes), strict=True))
    return numbers


def _format_change(change, low, high):
    """Return a change of accuracy with its interval and verdict, in words."""
    verdict = give_verdict(low, high)
    return f"{change:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}: {verdict}"
