"""What predictions on a test set are worth: the `Evaluation`. Without torch."""

import dataclasses

import numpy as np

from tlkit.arguments import check_shape
from tlkit.evaluation.calibration import measure_calibration
from tlkit.evaluation.proper_scores import measure_brier, measure_log_loss


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of predictions on one test set.

    Arguments
    ---------
    probabilities: (n, n_classes)
    labels: (n,) int64
    classes: list of str
    names, groups: (n,) str
        Of the pictures.
    n_looks: int
        How often this test set has been looked at with the same run; a number that was chosen after many looks says
        more about the looks than about the network.
    transductive: bool
        Whether what predicts was adapted, without labels, to pictures of this set: it may do less well on others.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    classes: list
    names: np.ndarray
    groups: np.ndarray
    n_looks: int
    transductive: bool = False

    @property
    def predicted(self):
        """(n,) the label with the highest probability."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self):
        """Share of the pictures that were labelled right."""
        return float(np.mean(self.predicted == self.labels))

    @property
    def balanced_accuracy(self):
        """Mean over the classes present of the share labelled right, so that each class counts the same."""
        right = self.predicted == self.labels
        return float(np.mean([right[self.labels == label].mean() for label in np.unique(self.labels)]))

    @property
    def brier(self):
        """The Brier score of the probabilities, 0 at best and 2 at worst; see `measure_brier`."""
        return measure_brier(self.probabilities, self.labels)

    @property
    def log_loss(self):
        """The log loss of the probabilities in nats, 0 at best; see `measure_log_loss`."""
        return measure_log_loss(self.probabilities, self.labels)

    def calibration(self, **settings):
        """Return the `Calibration`: whether the probabilities come true as often as they say, as far as can be told.

        Settings are those of `measure_calibration`.
        """
        return measure_calibration(self.probabilities, self.labels, **settings)

    @property
    def confusion(self):
        """(n_classes, n_classes) int64: row = true class, column = predicted class."""
        table = np.zeros((len(self.classes),) * 2, np.int64)
        np.add.at(table, (self.labels, self.predicted), 1)
        return table

    @property
    def predictions(self):
        """DataFrame, a row a picture: picture, group, label, predicted (names of classes), a probability a class."""
        import pandas as pd

        classes = np.array(self.classes)
        table = pd.DataFrame(
            {
                "picture": self.names,
                "group": self.groups,
                "label": classes[self.labels],
                "predicted": classes[self.predicted],
            }
        )
        probabilities = pd.DataFrame(self.probabilities, columns=[f"probability_{name}" for name in classes])
        return pd.concat([table, probabilities], axis=1)

    def __repr__(self):
        looks = "" if self.n_looks == 1 else f", look number {self.n_looks} at this test set"
        adapted = ", transductive: adapted to pictures of this set" if self.transductive else ""
        return (
            f"Evaluation({len(self.labels)} pictures: accuracy {self.accuracy:.3f}, "
            f"balanced {self.balanced_accuracy:.3f}{looks}{adapted})"
        )


def evaluate_probabilities(probabilities, images, n_looks=1, *, transductive=False):
    """Return the `Evaluation` of (n, n_classes) probabilities for the n pictures of an ImageSet."""
    meaning = "one row per picture and one column per class"
    check_shape("probabilities", probabilities, (len(images), len(images.classes)), meaning)
    if len(images) == 0:
        raise ValueError("images: none, expected at least one picture to evaluate on")
    return Evaluation(
        probabilities, images.labels, list(images.classes), images.names, images.groups, n_looks, transductive
    )
