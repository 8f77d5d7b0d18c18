"""Drawings of two domains: maps against a slow projection, recalls, matrices, and the page of the explorer."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made_domains import make_pair
from made_drawings import count_drawings
from made_marks import drop_ids, read_marks
from made_studies import make_study
from matplotlib.figure import Figure

from tlkit.adaptation import compare_pairs, measure_gaps
from tlkit.plots import draw_domain_map, draw_gap_matrix, draw_pairs, draw_recalls
from tlkit.plots.adaptation import SIZE_INCHES, make_adaptation_page
from tlkit.summaries.adaptation import AdaptationChoice, AdaptationResults, map_domains, summarise_adaptation

DOMAINS = ("here", "there", "yonder")
CLASSES = ["cat", "dog", "eel"]


@pytest.fixture(scope="module")
def study():
    return make_study(DOMAINS)


@pytest.fixture(scope="module")
def adaptations(study):
    images, features = study
    return AdaptationResults(features, images, methods=["align_mean", "coral"])


@pytest.fixture(scope="module")
def compared(study):
    images, features = study
    return compare_pairs(features, images, ["coral"], seeds=2, n_folds=0, progress=False)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def make_map(d=5):
    source, source_labels, target, target_labels = make_pair(d=d, moved=4.0)
    return map_domains(source, source_labels, target, target_labels, CLASSES), source, target


def test_a_map_is_the_projection_on_the_eigenvectors_of_the_covariance_of_both():
    placed, source, target = make_map()
    both = np.concatenate([source, target])
    squares, vectors = np.linalg.eigh(np.cov(both.T, ddof=0))
    for axis, column in ((0, -1), (1, -2)):
        slow = (both - both.mean(axis=0)) @ vectors[:, column]
        fast = np.concatenate([placed.source, placed.target])[:, axis]
        slow *= np.sign(slow @ fast)
        assert fast == pytest.approx(slow, abs=1e-8)
        share = f"{squares[column] / squares.sum():.0%}".replace("%", " %")
        assert placed.axis_names[axis] == f"principal component {axis + 1}: {share} of the variance"


def test_two_features_are_left_as_they_are():
    placed, source, target = make_map(d=2)
    assert np.array_equal(placed.source, source)
    assert np.array_equal(placed.target, target)
    assert placed.axis_names == ("feature 1", "feature 2")


def test_moving_the_source_leaves_plane_and_target():
    before, source, _target = make_map()
    step = np.arange(5.0)
    after = before.move(source + step)
    difference = after.source - before.source
    assert difference == pytest.approx(np.tile(difference[0], (len(source), 1)))
    assert np.abs(difference[0]).max() > 0.1
    assert after.target is before.target
    assert before.move(source).source == pytest.approx(before.source)


def test_means_are_those_of_the_classes_that_both_have():
    source, target = np.array([[0.0, 0], [2, 0], [5, 5]]), np.array([[1.0, 1], [3, 1], [9, 9]])
    placed = map_domains(source, [0, 0, 2], target, [0, 0, 1], CLASSES)
    assert placed.class_numbers == {"cat": 1, "eel": 2}
    ((name, here, there),) = placed.list_class_means()
    assert (name, here.tolist(), there.tolist()) == ("cat", [1, 0], [2, 1])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([[0.0], [1]], [0, 1], [[0.0], [1]], [0, 1]), "source: 1 feature, expected at least two for a plane"),
        (([[0.0, 0], [1, 1]], [0, 1], [[0.0], [1]], [0, 1]), "target: 1 features per picture, expected 2"),
        (([[0.0, 0], [1, 1]], [0], [[0.0, 0], [1, 1]], [0, 1]), r"source_labels: shape \(1,\), expected \(2,\)"),
        (([[0.0, 0], [1, 1]], [0, 1], [[0.0, 0], [1, 1]], [0]), r"target_labels: shape \(1,\), expected \(2,\)"),
    ],
)
def test_what_makes_no_map_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        map_domains(*arguments, CLASSES)


def test_a_source_of_other_pictures_is_not_placed():
    before, source, _target = make_map()
    with pytest.raises(ValueError, match="aligned: 39 pictures, expected 40, those of the source"):
        before.move(source[:-1])


def test_domains_differ_in_marker_and_colour_and_each_class_has_its_tie():
    placed, source, target = make_map()
    ax = draw_domain_map(placed, Figure().subplots(), names=("photo", "sketch"))
    clouds, squares, ties = ax.lines[:2], ax.lines[2], ax.collections[0].get_segments()
    assert [len(line.get_xdata()) for line in clouds] == [len(source), len(target)]
    assert len({line.get_marker() for line in clouds}) == len({line.get_color() for line in clouds}) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["photo (40)", "sketch (30)"]
    assert ax.get_xlabel().startswith("principal component 1: ")
    assert texts(ax) == ["1", "2", "3"]
    means = placed.list_class_means()
    for tie, circle, text, (_name, here, there) in zip(ties, ax.lines[3:], ax.texts, means, strict=True):
        assert tie == pytest.approx(np.stack([here, there]))
        assert circle.get_xydata()[0] == pytest.approx(here) == text.get_position()
    assert squares.get_xydata() == pytest.approx(np.stack([there for *_, there in means]))


def test_recalls_are_tied_from_source_only_to_the_method_and_losses_are_dotted():
    recalls = pd.DataFrame(
        {"class": CLASSES, "n": [4, 5, 6], "source_only": [0.5, 0.2, 0.5], "method": [0.25, 0.4, 0.5]}
    )
    ax = draw_recalls(recalls, Figure().subplots(), method="align_mean", numbers={"cat": 1, "dog": 2})
    assert texts(ax) == ["1  cat (4)", "2  dog (5)", "eel (6)"]
    (ties,), (before, after) = ax.collections, ax.lines
    assert [tie[:, 0].tolist() for tie in ties.get_segments()] == [[0.5, 0.25], [0.2, 0.4], [0.5, 0.5]]
    assert [dashes is not None for _start, dashes in ties.get_linestyles()] == [True, False, False]
    assert (before.get_xdata().tolist(), after.get_xdata().tolist()) == ([0.5, 0.2, 0.5], [0.25, 0.4, 0.5])
    assert before.get_marker() != after.get_marker()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["source only", "align mean"]


def test_a_matrix_of_gaps_has_a_row_a_source_and_a_column_a_target(study):
    images, features = study
    gaps = measure_gaps(features, images, progress=False)
    ax = draw_gap_matrix(gaps, Figure().subplots(), distance="proxy_a")
    assert [label.get_text() for label in ax.get_yticklabels()] == list(DOMAINS)
    shown = np.array(ax.images[0].get_array().filled(np.nan))
    for row in gaps.query("distance == 'proxy_a'").itertuples():
        assert shown[DOMAINS.index(row.source), DOMAINS.index(row.target)] == row.value
    assert np.isnan(np.diag(shown)).all()
    assert "proxy A-distance" in ax.get_title()
    with pytest.raises(ValueError, match="distance: 'mdm' is unknown; nearest: 'mmd'"):
        draw_gap_matrix(gaps, Figure().subplots(), distance="mdm")


def test_distances_are_written_with_two_digits_and_a_star_where_chance_is_unlikely():
    columns = ["source", "target", "distance", "value", "p_value"]
    rows = [("a", "b", "mmd", 2.0, 0.01), ("b", "a", "mmd", 0.0401, 0.2), ("a", "b", "coral", 12.3, np.nan)]
    gaps = pd.DataFrame(rows, columns=columns)
    drawn = draw_gap_matrix(gaps, Figure().subplots())
    assert {text.get_text(): text.get_color() for text in drawn.texts} == {"2.0 *": "white", "0.040": "black"}
    assert [text.get_position() for text in drawn.texts] == [(1, 0), (0, 1)]
    assert texts(draw_gap_matrix(gaps, Figure().subplots(), distance="coral")) == ["12"]


def test_distances_below_zero_are_drawn():
    gaps = pd.DataFrame({"source": ["a"], "target": ["b"], "distance": ["mmd"], "value": [-0.001], "p_value": [np.nan]})
    ax = draw_gap_matrix(gaps, Figure().subplots())
    assert texts(ax) == ["-0.0010"]
    assert ax.images[0].get_clim() == (0, 1)


def test_pairs_show_accuracy_and_gain(compared):
    ax = draw_pairs(compared, Figure().subplots(), method="coral")
    said = {text.get_position(): text.get_text() for text in ax.texts}
    assert len(said) == 6
    for name, row in compared.pairs.iterrows():
        source, target = name.split(" → ")
        place = DOMAINS.index(target), DOMAINS.index(source)
        assert said[place] == f"{row['coral']:.2f}\n{row['coral'] - row['source_only']:+.2f}"
    assert ax.get_title() == "coral: balanced accuracy,\ngain over source only"
    baseline = draw_pairs(compared, Figure().subplots(), method="source_only")
    assert not any("\n" in text for text in [*texts(baseline), baseline.get_title()])
    with pytest.raises(ValueError, match="method: 'corral' is unknown; nearest: 'coral'"):
        draw_pairs(compared, Figure().subplots(), method="corral")


def test_a_page_draws_again_what_it_would_draw_afresh(adaptations):
    choices = [
        AdaptationChoice("here", "there", "coral"),
        AdaptationChoice("yonder", "here", "align_mean"),
        AdaptationChoice("here", "there"),
    ]
    page = make_adaptation_page(CLASSES)
    drawn = [page.render(summarise_adaptation(adaptations, choice)) for choice in choices]
    for choice, content in zip(choices, drawn, strict=True):
        afresh = make_adaptation_page(CLASSES).render(summarise_adaptation(adaptations, choice))
        assert drop_ids(content) == drop_ids(afresh)
    assert len(set(drawn)) == len(choices)


def test_each_picture_class_mean_and_recall_can_be_pointed_at(adaptations):
    summary = summarise_adaptation(adaptations, AdaptationChoice("here", "there", "coral"))
    marks = read_marks(make_adaptation_page(CLASSES).render(summary))
    sides = ("here", summary.source_names, "source"), ("there", summary.target_names, "target")
    of_map = []
    for domain, names, side in sides:
        labels = getattr(summary.before, f"{side}_labels")
        assert len(names) == len(getattr(summary.before, side))
        of_map += [f"{name}: class{label}, {domain}" for name, label in zip(names, labels, strict=True)]
    assert [words for name, words in marks if name.startswith("picture:")] == 2 * of_map
    assert [words for name, words in marks if name.startswith("mean")].count("class1: mean in the target") == 2
    row = summary.recalls.iloc[1]
    said = f"class1: recall {row['source_only']:.2f} → {row['method']:.2f} ({row['method'] - row['source_only']:+.2f})"
    assert marks.count(("class:1", f"{said}, {row['n']} pictures")) == 2


def test_drawing_again_makes_one_drawing_and_no_figure(adaptations, monkeypatch):
    page, summary = (
        make_adaptation_page(CLASSES),
        summarise_adaptation(adaptations, AdaptationChoice("here", "there", "coral")),
    )
    counts = count_drawings(monkeypatch)
    page.render(summary)
    assert counts == {"drawings": 1}


def test_the_page_says_scores_alarm_axes_and_classes_and_keeps_all_points_inside(adaptations):
    summary = summarise_adaptation(adaptations, AdaptationChoice("here", "there", "coral"))
    figure = make_adaptation_page(CLASSES).draw(summary, Figure(SIZE_INCHES))
    before, after, recalls = figure.axes
    said = texts(before)
    assert (
        f"here → there, coral: balanced accuracy {summary.accuracy:.2f}, {summary.gain:+.2f} against source only"
        in said
    )
    assert any(text.endswith("; no alarm") for text in said)
    assert set(summary.before.axis_names) <= set(texts(after))
    assert [text.split("  ")[1].split(" (")[0] for text in texts(recalls)] == summary.recalls["class"].tolist()
    for ax in (before, after):
        assert all(np.abs(line.get_xydata()).max() < 1 for line in ax.lines)
    # The target keeps its place from one map to the other.
    assert np.array_equal(before.lines[1].get_xydata(), after.lines[1].get_xydata())
    assert not np.array_equal(before.lines[0].get_xydata(), after.lines[0].get_xydata())


def test_a_source_that_is_brought_far_away_still_lies_inside(adaptations):
    summary = summarise_adaptation(adaptations, AdaptationChoice("here", "there", "coral"))
    far = dataclasses.replace(summary.after, source=summary.after.source + 100)
    figure = make_adaptation_page(CLASSES).draw(dataclasses.replace(summary, after=far), Figure(SIZE_INCHES))
    assert all(np.abs(line.get_xydata()).max() < 1 for ax in figure.axes[:2] for line in ax.lines)
