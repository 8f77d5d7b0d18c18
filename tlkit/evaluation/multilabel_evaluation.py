"""Mean average precision of several labels per picture: the `MultiLabelEvaluation`. Without torch."""

import dataclasses

import numpy as np
import pandas as pd

from tlkit.arguments import check_finite, read_array

_N_BLOCKS = 50  # at most; groups are put together at random if there are more


@dataclasses.dataclass(frozen=True, eq=False)
class MultiLabelEvaluation:
    """Predictions of several labels per picture, and their scores; `evaluate_probabilities` makes one.

    Parameters
    ----------
    probabilities, labels : ndarray of shape (n, n_labels)
        Predicted probability of each label, and 1 if a picture has it, else 0.
    classes, names, groups : list of str, and two ndarrays of str, shape (n,)
        Names of the labels, and names and groups of the pictures.

    Examples
    --------
    >>> probabilities, labels = np.array([[0.9, 0.2], [0.4, 0.6], [0.7, 0.3]]), np.array([[1, 0], [1, 0], [0, 0]])
    >>> names = np.array(["a.png", "b.png", "c.png"])
    >>> MultiLabelEvaluation(probabilities, labels, ["bird", "sky"], names, names)
    MultiLabelEvaluation(3 pictures: mean average precision 0.833, without sky, which no picture has)
    """

    probabilities: np.ndarray
    labels: np.ndarray
    classes: list[str]
    names: np.ndarray
    groups: np.ndarray

    @property
    def table(self) -> pd.DataFrame:
        """One row per label: label (str), n_positive (int), average_precision (float), NaN if no picture has it."""
        from sklearn.metrics import average_precision_score

        pairs = zip(self.labels.T, self.probabilities.T, strict=True)
        precisions = [average_precision_score(*pair) if pair[0].any() else np.nan for pair in pairs]
        columns = {"label": self.classes, "n_positive": self.labels.sum(axis=0), "average_precision": precisions}
        return pd.DataFrame(columns)

    @property
    def mean_average_precision(self) -> float:
        """Mean average precision over the labels that some picture has (macro average), 0 to 1."""
        return float(self.table["average_precision"].mean())

    @property
    def left_out(self) -> list[str]:
        """Labels that no picture has, and that the mean average precision leaves out."""
        return [name for name, known in zip(self.classes, self.labels.any(axis=0), strict=True) if not known]

    @property
    def predictions(self) -> pd.DataFrame:
        """One row per picture and label: picture, group, label (str), has_label (bool), probability (float)."""
        n_pictures, n_labels = self.labels.shape
        columns = {"picture": np.repeat(self.names, n_labels), "group": np.repeat(self.groups, n_labels)}
        columns |= {"label": np.tile(self.classes, n_pictures), "has_label": self.labels.ravel() == 1}
        return pd.DataFrame(columns | {"probability": self.probabilities.ravel()})

    def __repr__(self):
        without = f", without {', '.join(self.left_out)}, which no picture has" if self.left_out else ""
        score = f"{self.mean_average_precision:.3f}"
        return f"MultiLabelEvaluation({len(self.labels)} pictures: mean average precision {score}{without})"


def evaluate_labels(probabilities, images):
    """Return the `MultiLabelEvaluation` of probabilities (n, n_labels) for pictures with several labels."""
    probabilities = read_array("probabilities", probabilities).astype(np.float64, copy=False)
    check_finite("probabilities", probabilities)
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise ValueError(f"probabilities: {probabilities.min()} to {probabilities.max()}, expected 0 to 1")
    return MultiLabelEvaluation(probabilities, images.labels, list(images.classes), images.names, images.groups)


# The score is no mean over pictures, so the delete-a-group jackknife (Kott 2001) shows how far it depends on each
# group. The mean of its pseudo-values is the score, and the variance of their mean is that of the score.
def list_pseudo_values(evaluation):
    """Return the pseudo-values (n_blocks,) of the mean average precision, one per block of whole groups."""
    numbers = np.unique(evaluation.groups, return_inverse=True)[1]
    n_blocks = min(_N_BLOCKS, numbers.max() + 1)
    # The blocks depend on the groups alone, so that all arms have the same ones.
    blocks = np.random.default_rng(0).permutation(numbers.max() + 1)[numbers] % n_blocks
    score, without = evaluation.mean_average_precision, np.empty(n_blocks)
    for block in range(n_blocks):
        kept = {name: getattr(evaluation, name)[blocks != block] for name in ("probabilities", "labels")}
        without[block] = dataclasses.replace(evaluation, **kept).mean_average_precision
    without[np.isnan(without)] = score
    return score + (n_blocks - 1) * (without.mean() - without)
