"""The cut explorer and what it looks up: accuracies, neighbours against a slow search, words, picture, view."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made_cuts import make_cut_table
from made_features import make_features
from made_marks import drop_ids, read_marks
from matplotlib.figure import Figure

import tlkit as tl
from tlkit.plots.cuts import SIZE_INCHES, make_cut_page
from tlkit.summaries.cuts import CutChoice, CutComparison, summarise_cut
from tlkit.widgets import CutExplorer

N_PICTURES = 12


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="sketch")[:N_PICTURES]


@pytest.fixture(scope="module")
def features(images):
    made = {cut: make_features(n_pictures=N_PICTURES, seed=seed) for cut, seed in (("early", 0), ("late", 1))}
    own = {"names": images.names, "groups": np.array([f"g{place // 2}" for place in range(N_PICTURES)])}
    return {cut: dataclasses.replace(part, labels=made["early"].labels, **own) for cut, part in made.items()}


@pytest.fixture
def explorer(features, images):
    return CutExplorer(features, make_cut_table(), images)


def find_slowly(features, picture):
    """Return the five nearest by cosine, one pair at a time, without the picture's group."""
    pairs = []
    for other in range(len(features)):
        a, b = (features.values[place].astype(float) for place in (picture, other))
        if features.groups[other] != features.groups[picture]:
            pairs.append((-a @ b / np.sqrt(a @ a) / np.sqrt(b @ b), other))
    return [other for _, other in sorted(pairs)[:5]]


@pytest.mark.parametrize("picture", range(N_PICTURES))
def test_neighbours_are_those_of_a_slow_search(features, picture):
    summary = summarise_cut(CutComparison(features, make_cut_table()), CutChoice("late", "knn", picture))
    assert summary.neighbors.tolist() == find_slowly(features["late"], picture)
    labels = features["late"].labels
    assert summary.same_class.tolist() == [labels[other] == labels[picture] for other in summary.neighbors]
    assert summary.labels == [f"class{labels[place]}" for place in (picture, *summary.neighbors)]


def test_the_sentence_says_score_interval_and_neighbours(features):
    summary = summarise_cut(CutComparison(features, make_cut_table()), CutChoice("late", "logistic", 3))
    late = features["late"]
    nearest = [find_slowly(late, place)[0] for place in range(N_PICTURES)]
    share = np.mean(late.labels[nearest] == late.labels)
    assert summary.accuracy == 0.5
    assert summary.sentence == (
        f"logistic at cut late: accuracy 0.50 (0.45 to 0.55). {summary.same_class.sum()} of the 5 "
        f"nearest neighbours of this picture belong to its class, class{late.labels[3]}; for {share:.0%} of all "
        "pictures the nearest neighbour does."
    )


def test_a_head_that_was_not_measured_on_a_cut_is_said_to_be(features):
    summary = summarise_cut(CutComparison(features, make_cut_table()), CutChoice("late", "conv"))
    assert np.isnan(summary.accuracy)
    assert summary.sentence.startswith("conv at cut late: not measured.")


def test_without_an_interval_none_is_said(features):
    table = make_cut_table().assign(accuracy_low=np.nan, accuracy_high=np.nan)
    assert "accuracy 0.40. " in summarise_cut(CutComparison(features, table), CutChoice("late", "knn")).sentence


def test_few_pictures_have_few_neighbours(features):
    few = {cut: part[:5] for cut, part in features.items()}
    summary = summarise_cut(CutComparison(few, make_cut_table()), CutChoice("early", "knn", 4))
    assert sorted(summary.neighbors.tolist()) == [0, 1, 2, 3]


def test_tables_and_features_that_do_not_fit_are_refused(features):
    with pytest.raises(ValueError, match="features: empty"):
        CutComparison({}, make_cut_table())
    with pytest.raises(ValueError, match="late is of other pictures than early"):
        CutComparison({"early": features["early"], "late": features["late"][::-1]}, make_cut_table())
    with pytest.raises(ValueError, match="table: 'accuracy_low' is unknown"):
        CutComparison(features, make_cut_table().drop(columns="accuracy_low"))
    with pytest.raises(ValueError, match="table: 'late' is unknown"):
        CutComparison({"early": features["early"]}, make_cut_table())
    with pytest.raises(ValueError, match="logistic on early occurs twice; keep the rows of one number of shots"):
        CutComparison(features, pd.concat([make_cut_table(), make_cut_table()]))


def test_other_pictures_are_refused(features):
    with pytest.raises(ValueError, match=r"images: picture 0 is .* but the features are of .* in the same order"):
        CutExplorer(features, make_cut_table(), tl.load_images("styles", domain="photo")[:N_PICTURES])


def test_a_page_draws_again_what_it_would_draw_afresh(features, images):
    cuts = CutComparison(features, make_cut_table())
    choices = [CutChoice("early", "knn", 1), CutChoice("late", "conv", 5), CutChoice("late", "logistic", 2)]
    page = make_cut_page(cuts, images.read)
    drawn = [page.render(summarise_cut(cuts, choice)) for choice in choices]
    for choice, content in zip(choices, drawn, strict=True):
        afresh = make_cut_page(cuts, images.read).render(summarise_cut(cuts, choice))
        assert drop_ids(content) == drop_ids(afresh)
    assert len(set(drawn)) == len(choices)


def test_the_axis_ends_where_accuracy_ends(features, images):
    table = make_cut_table().assign(accuracy_low=-0.2, accuracy_high=1.3)  # intervals of few seeds reach beyond
    cuts = CutComparison(features, table)
    figure = make_cut_page(cuts, images.read).draw(summarise_cut(cuts, CutChoice("late", "knn")), Figure(SIZE_INCHES))
    assert figure.axes[0].get_ylim() == (0, 1)


def test_the_choice_is_marked_and_each_interval_lies_within_the_axis(features, images):
    cuts = CutComparison(features, make_cut_table())
    figure = make_cut_page(cuts, images.read).draw(summarise_cut(cuts, CutChoice("late", "knn")), Figure(SIZE_INCHES))
    bottom, top = figure.axes[0].get_ylim()
    assert bottom < make_cut_table()["accuracy_low"].min()
    assert top > make_cut_table()["accuracy_high"].max()
    interval, ring = (line.get_xydata().tolist() for line in figure.axes[0].lines[-2:])
    assert (interval, ring) == ([[1, pytest.approx(0.35)], [1, pytest.approx(0.45)]], [[1, 0.4]])
    captions = [text.get_text() for text in figure.axes[1].texts]
    assert len(captions) == 6
    assert captions[0].startswith("this picture\nclass")


def test_points_choose_cut_and_head_and_pictures_choose_themselves(explorer, features):
    points = read_marks(explorer.frame)
    assert dict(points)["point:1:0"] == "logistic at cut late: accuracy 0.50 (0.45 to 0.55)"
    assert len(points) == 5  # conv wasn't measured at late
    for name, words in points:
        places = [int(place) for place in name.split(":")[1:]]
        explorer.chosen = {**explorer.chosen, **dict(zip(explorer.clicks["point"], places, strict=True))}
        assert explorer.status.startswith(f"{words}. ")
    pictures = read_marks(explorer.drawing)
    nearest = find_slowly(features["early"], 0)
    assert [name for name, _ in pictures] == [f"picture:{place}" for place in (0, *nearest)]
    (similarity,) = explorer._summarise(CutChoice("early", "knn")).similarities[:1]
    name, label = explorer.images.names[nearest[0]], features["early"].labels[nearest[0]]
    assert pictures[1][1] == f"{name}: class{label}, cosine similarity {similarity:.2f}"
    assert explorer.clicks["picture"] == ["picture"]


def test_heads_that_were_not_measured_are_disabled(explorer):
    def list_disabled():
        return {control["name"]: control["disabled"] for control in explorer.controls}

    assert list_disabled() == {"cut": [], "head": [], "picture": []}
    explorer.cut = "late"
    assert list_disabled() == {"cut": [], "head": [explorer.cuts.heads.index("conv")], "picture": []}
