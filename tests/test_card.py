"""The card of a run: read by the Hub's parser, true to the run, and never in place of somebody's own README."""

import json

import numpy as np
import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.evaluation.scores import Evaluation
from tlkit.export.card import compose_card, describe_test, write_card
from tlkit.training.run_files import read_description

ODD = ['a: "b" | c', "yes", "#no *bold*", "line\nbreak", "été 🐦", "[link](x)", "--- \\"]


@pytest.fixture
def run():
    return tl.transfer(make_tiny_backbone(), tl.load_images("styles", domain="photo").few(1), progress=False)


def make_report(classes, source="pets"):
    confusion = np.eye(len(classes), dtype=int) * 8
    confusion[0, 1] = 2
    pairs = [(true, said) for true, row in enumerate(confusion) for said, n in enumerate(row) for _ in range(n)]
    labels, predicted = map(np.array, zip(*pairs, strict=True))
    names = np.array([str(row) for row in range(len(labels))])
    evaluation = Evaluation(np.eye(len(classes))[predicted], labels, classes, names, names, 1)
    pictures = {"source": source, "n_train_by_class": [20] * len(classes), "licences": {"": 3, "CC0": 4}}
    return {"test": describe_test(evaluation), "pictures": pictures, "choice": {"reason": "because | it was best"}}


EXPORT = {"kind": "web", "model": "m.onnx", "largest_difference": 0.0021, "n_disagreements": 0, "n_checked": 50}
EXPORT |= {"checked_in": "onnxruntime 1.32"}


def test_the_hub_reads_the_header(run, tmp_path):
    run.classes, run.report = ODD, make_report(ODD, source=ODD[0])
    write_card(tmp_path, run)
    text = (tmp_path / "README.md").read_text()
    card = ModelCard(text)
    found = card.data.to_dict()
    assert found.keys() >= {"license", "library_name", "pipeline_tag", "tags", "base_model", "metrics", "model-index"}
    assert (found["library_name"], found["pipeline_tag"]) == ("tlkit", "image-classification")
    results = {each.metric_type: each for each in card.data.eval_results}
    assert all(isinstance(each, EvalResult) for each in results.values())
    assert results["accuracy"].metric_value == pytest.approx(56 / 58, abs=1e-4)
    assert results["balanced_accuracy"].metric_value == pytest.approx((0.8 + 6) / 7, abs=1e-4)
    assert results["accuracy"].dataset_name == ODD[0]
    # The Hub's own writer makes the same header of these values.
    again = ModelCardData(
        **{name: value for name, value in found.items() if name != "model-index"}
        | {"eval_results": card.data.eval_results, "model_name": found["model-index"][0]["name"]}
    )
    assert yaml.safe_load(again.to_yaml()) == yaml.safe_load(text.split("---\n")[1])


def test_every_row_of_a_table_has_its_cells(run):
    facts = {name: getattr(run, name) for name in ("strategy", "seed", "history", "completed", "n_train", "duration_s")}
    facts |= {"processor": "p", "versions": {}, "looks": {}, "classes": ODD, "report": make_report(ODD)}
    facts["backbone"] = {"name": "timm:resnet18.a1", "image_size_px": 32, "provenance": {"licence": "Apache-2.0"}}
    text = compose_card(facts, [EXPORT | {"model": "a|b.onnx"}])
    rows = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows[: 2 + len(ODD)]} == {5} and {
        row.count("|") for row in rows[2 + len(ODD) :]
    } == {6}
    assert ModelCard(text).data.base_model == "timm/resnet18.a1" and ModelCard(text).data.license == "apache-2.0"


def test_the_card_of_a_folder_is_that_of_its_run(run, tmp_path, monkeypatch):
    monkeypatch.setattr("tlkit.training.run.check_loadable", lambda backbone: None)
    run.report = make_report(run.classes)
    for name in ("export/web", "figures"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "export/web/export.json").write_text(json.dumps(EXPORT))
    (tmp_path / "figures/confusion.png").write_bytes(b"")
    run.save(tmp_path)
    write_card(tmp_path)
    text = (tmp_path / "README.md").read_text()
    write_card(tmp_path, run)
    assert (tmp_path / "README.md").read_text() == text
    assert read_description(tmp_path)["report"] == run.report
    scores = run.report["test"]
    for words in (
        f"Accuracy {scores['accuracy']:.3f} (95 % interval {scores['accuracy_low']:.3f} to",
        "| web | m.onnx | 0.0021 | 0 of 50 | onnxruntime 1.32 |",
        "(figures/confusion.png)",
        "Looks at the test set: 1",
        "not stated (3), CC0 (4)",
        "because \\| it was best",
    ):
        assert words in text


def test_a_run_without_a_report_has_a_card(run, tmp_path):
    write_card(tmp_path, run)
    text = (tmp_path / "README.md").read_text()
    assert "no recorded score" in text and ModelCard(text).data.eval_results is None


def test_a_readme_of_ones_own_stays(run, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.warns(UserWarning, match="is not a card of tlkit and is not replaced"):
        write_card(tmp_path, run)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_an_edited_card_stays_and_another_is_renewed(run, tmp_path):
    write_card(tmp_path, run)
    run.seed, run.history = 7, []
    write_card(tmp_path, run)
    renewed = (tmp_path / "README.md").read_text()
    assert "seed 7, no epochs" in renewed
    (tmp_path / "README.md").write_text(renewed.replace("## Use", "## Use on Mars"))
    run.seed = 8
    with pytest.warns(UserWarning, match=r"README.md was edited or .* move it away for a new one"):
        write_card(tmp_path, run)
    assert (tmp_path / "README.md").read_text() == renewed.replace("## Use", "## Use on Mars")


def test_the_interval_of_balanced_accuracy_covers():
    """Simulated: of 300 test sets, about 95 % of the intervals hold the true mean recall."""
    random, recalls = np.random.default_rng(0), np.array([0.95, 0.6, 0.8])
    labels, classes = np.repeat([0, 1, 2], [60, 10, 25]), ["a", "b", "c"]
    names, covered = np.array([str(row) for row in range(len(labels))]), 0
    for _ in range(300):
        right = random.random(len(labels)) < recalls[labels]
        predicted = np.where(right, labels, (labels + 1) % 3)
        found = describe_test(Evaluation(np.eye(3)[predicted], labels, classes, names, names, 1))
        covered += found["balanced_accuracy_low"] <= recalls.mean() <= found["balanced_accuracy_high"]
    assert 0.91 <= covered / 300 <= 0.99
