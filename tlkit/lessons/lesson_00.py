"""Exercises of lesson 00: the number of correct predictions, and a threshold that stops pictures of no known class."""

from tlkit.lessons.exercise import NotYet, compare, exercise, expect_number, expect_whole_number

_MOST_ANSWERED = 0.1  # share of the pictures of no known class
_STEP = 0.01


@exercise("00_right", "a whole number")
def _check_right(answer, *, evaluation):
    """Return the verdict on the number of pictures that were predicted correctly."""
    answer = expect_whole_number(answer, "a number of pictures")
    n_pictures = len(evaluation.labels)
    right = int((evaluation.labels == evaluation.predicted).sum())
    slips = {
        "these are the wrong ones; count where both are equal.": n_pictures - right,
        "these are all held-out pictures; count those whose prediction equals the label.": n_pictures,
        "this is the number of classes; count pictures.": len(set(evaluation.labels.tolist())),
    }
    compare(answer, right, slips, "compare the two arrays element by element, and add up where they are equal.")
    return f"{right} of {n_pictures} pictures, an accuracy of {right / n_pictures:.3f}."


@exercise("00_threshold", "a number between 0 and 1")
def _check_threshold(answer, *, strangers, known):
    """Return the verdict on the lowest threshold of confidence that stops all but a tenth of the strangers."""
    threshold = expect_number(answer)
    if not 0 <= threshold <= 1:
        raise NotYet(f"a confidence lies between 0 and 1, and this is {threshold:g}.")
    answered = (strangers > threshold).mean()
    if answered > _MOST_ANSWERED:
        raise NotYet(f"above {threshold:g}, {answered:.0%} of the strangers are still answered: go higher.")
    if threshold >= _STEP and (strangers > threshold - _STEP).mean() <= _MOST_ANSWERED:
        raise NotYet(f"{threshold - _STEP:.2f} would stop enough strangers too, and fewer known pictures: go lower.")
    return f"{answered:.0%} of the strangers are answered, and {(known > threshold).mean():.0%} of the known pictures."
