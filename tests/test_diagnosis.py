"""Diagnoses: each rule speaks where its numbers are there and is silent where they aren't."""

import numpy as np
import pandas as pd
import pytest

import tlkit as tl
from tlkit.evaluation import Evaluation
from tlkit.inspection import diagnose, symptoms
from tlkit.inspection.training_curves import TrainingCurves

CLASSES = ["bird", "bug", "tool"]
pytestmark = pytest.mark.filterwarnings("ignore:images. 10 of 10 pictures were trained on")


def make_evaluation(confusion, confidence=0.8, n_looks=1, mistakes=None):
    """Return an Evaluation with this confusion, each picture predicted with a confidence, mistakes with their own."""
    rows, labels = [], []
    for label, counts in enumerate(confusion):
        for predicted, n in enumerate(counts):
            sure = confidence if label == predicted or mistakes is None else mistakes
            row = np.full(3, (1 - sure) / 2)
            row[predicted] = sure
            rows += [row] * n
            labels += [label] * n
    names = np.array([f"{number}.png" for number in range(len(labels))])
    return Evaluation(np.array(rows), np.array(labels), CLASSES, names, names, n_looks)


def make_curves(accuracies, validation, selected, n_held_out=200):
    n = len(accuracies)
    columns = {"phase": [1] * n, "epoch": range(1, n + 1), "loss": [0.5] * n, "accuracy": accuracies}
    columns |= {"validation_loss": [0.6] * n, "validation_accuracy": validation}
    return TrainingCurves(pd.DataFrame(columns | {"selected": np.arange(n) == selected - 1}), n_held_out)


GOOD = [[40, 5, 5], [5, 40, 5], [5, 5, 40]]


def test_looks():
    assert symptoms.judge_looks(make_evaluation(GOOD, n_looks=3)) is None
    sentence = symptoms.judge_looks(make_evaluation(GOOD, n_looks=4))
    assert sentence.numbers == {"n_looks": 4}
    assert "evaluated 4 times" in sentence.text


def test_too_few_pictures_held_out():
    assert symptoms.judge_held_out(make_curves([0.9], [0.8], 1)) is None
    assert symptoms.judge_held_out(make_curves([0.9], [0.8], 1, n_held_out=97)) is None  # 1.96 × √(0.25 / 97) = 0.0995
    sentence = symptoms.judge_held_out(make_curves([0.9], [0.8], 1, n_held_out=24))
    assert sentence.numbers == {"n_held_out": 24, "half_width": pytest.approx(0.2, abs=1e-3)}
    assert "±0.20: too few" in sentence.text
    assert symptoms.judge_held_out(make_curves([0.9], [np.nan], 1, n_held_out=0)).numbers == {"n_held_out": 0}


def test_underfitting_and_overfitting():
    assert symptoms.judge_fit(make_curves([0.9], [0.8], 1)) is None
    assert "only 0.55 of the training pictures" in symptoms.judge_fit(make_curves([0.55], [0.5], 1)).text
    assert symptoms.judge_gap(make_curves([0.9], [0.85], 1)) is None
    sentence = symptoms.judge_gap(make_curves([1.0], [0.6], 1))
    assert sentence.numbers["gap"] == pytest.approx(0.4)
    assert sentence.numbers["chance"] == pytest.approx(1.96 * (0.6 * 0.4 / 200) ** 0.5)
    # As wide a gap on pictures so few that chance may have made it.
    assert symptoms.judge_gap(make_curves([0.9], [0.6], 1, n_held_out=8)) is None
    assert symptoms.judge_gap(make_curves([0.9], [np.nan], 1, n_held_out=0)) is None


@pytest.mark.parametrize(
    ("selected", "phrase"), [(1, "the first was selected"), (2, None), (3, "still falling in the last")]
)
def test_phases_that_are_too_short_or_too_long(selected, phrase):
    sentence = symptoms.judge_length(make_curves([0.9] * 3, [0.8] * 3, selected))
    assert (sentence is None) if phrase is None else (phrase in sentence.text)
    assert symptoms.judge_length(make_curves([0.9] * 2, [0.8] * 2, 1)) is None


def test_calibration():
    assert symptoms.judge_calibration(make_evaluation(GOOD)) is None
    sentence = symptoms.judge_calibration(make_evaluation(GOOD, confidence=0.98))
    assert "Mean confidence 0.98, accuracy 0.80: overconfident." in sentence.text
    assert sentence.numbers["error"] > sentence.numbers["calibrated_high"]
    assert ": underconfident." in symptoms.judge_calibration(make_evaluation(GOOD, confidence=0.5)).text


def test_classes_never_predicted():
    assert symptoms.judge_classes(make_evaluation(GOOD)) is None
    assert symptoms.judge_classes(make_evaluation([[9, 1, 0], [0, 9, 0], [0, 0, 0]])) is None
    sentence = symptoms.judge_classes(make_evaluation([[9, 1, 0], [1, 9, 0], [3, 2, 0]]))
    assert sentence.text == "Never predicted, although the test set contains them: tool (5)."
    assert sentence.numbers == {"tool": 5}


def test_confusions_of_both_directions_are_counted_together():
    sentence = symptoms.judge_confusion(make_evaluation([[9, 2, 3], [2, 9, 0], [0, 0, 9]]))
    assert sentence.numbers == {"n_confused": 4, "n_wrong": 7, "classes": "bird and bug"}
    assert symptoms.judge_confusion(make_evaluation([[9, 2, 0], [0, 9, 0], [0, 0, 9]])) is None


def test_confident_mistakes_are_more_than_its_own_probabilities_allow_for():
    confusion = [[45, 5, 0], [5, 45, 0], [0, 0, 50]]
    # 150 pictures at 0.92 allow for 12 mistakes; there are 10.
    assert symptoms.judge_confident_mistakes(make_evaluation(confusion, confidence=0.92)) is None
    sentence = symptoms.judge_confident_mistakes(make_evaluation(confusion, confidence=0.99))
    assert sentence.numbers == {"n_confident_mistakes": 10, "expected": pytest.approx(1.5)}
    assert symptoms.judge_confident_mistakes(make_evaluation(confusion, confidence=0.99, mistakes=0.6)) is None


def test_distances_of_early_and_late_stages():
    def judge(distances):
        return symptoms.judge_distance(pd.DataFrame({"relative_distance": distances}))

    assert judge([0.1, 0.1, 0.2, 0.3]) is None
    assert judge([0.0, np.nan, 0.0]) is None
    assert judge([0.4, 0.2, np.nan, 0.1, 0.1]).numbers == {"early": pytest.approx(0.3), "late": pytest.approx(0.1)}


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(5)


@pytest.fixture(scope="module")
def backbone():
    return tl.load_backbone("resnet18", weights=None, image_size_px=32)


@pytest.fixture(scope="module")
def run(images, backbone):
    strategy = tl.Strategy([tl.Phase(["head", -1], 2, 1e-3)], name="last_stage")
    return tl.transfer(backbone, images, strategy, validation=0.34, progress=False)


def test_each_sentence_carries_its_numbers_and_its_rule_and_the_first_experiment_is_next(run, images, backbone):
    diagnosis = diagnose(run, run.evaluate(images), start=backbone)
    assert all(sentence.text and sentence.rule for sentence in diagnosis.sentences)
    assert diagnosis.sentences[0].text.startswith("Last stage on 10 pictures: accuracy 0.")
    first = next(sentence for sentence in diagnosis.sentences if sentence.experiment)
    assert diagnosis.sentences[-1].text == f"Next: {first.experiment}."
    assert diagnosis.sentences[-1].numbers == first.numbers
    assert not diagnosis.unjudged
    assert " ".join(repr(diagnosis).split()) == " ".join(sentence.text for sentence in diagnosis.sentences)


@pytest.mark.slow
def test_what_cannot_be_judged_is_said(run, images, backbone):
    without = diagnose(run)
    assert [text.partition(",")[0] for text in without.unjudged] == [
        "mistakes and calibration",
        "the distance of the stages",
    ]
    assert "Not judged: mistakes and calibration," in " ".join(repr(without).split())
    solved = tl.transfer(backbone, images, "linear_probe", progress=False)
    assert diagnose(solved).unjudged[0] == "the training curves, since the head was solved"
    assert diagnose(solved).sentences[-1].text.startswith("Nothing stands out. Next: compare")


def test_diagnosing_adds_no_look(run, images):
    evaluation = run.evaluate(images)
    before = dict(run.looks)
    diagnose(run, evaluation)
    assert run.looks == before


def test_an_evaluation_of_other_classes_is_refused(run):
    with pytest.raises(ValueError, match="evaluation: of classes bird, bug, tool, expected the run's"):
        diagnose(run, make_evaluation(GOOD))
