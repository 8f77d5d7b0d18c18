"""What a source is worth, read and explored: numbers against the tables, words, drawings, controls, failures."""

import io

import numpy as np
import pytest
from made_marks import read_marks
from made_worths import CHANGES, make_worths
from matplotlib.figure import Figure
from PIL import Image, ImageChops

import tlkit as tl
from tlkit.plots import draw_gains, draw_transfer_map
from tlkit.plots.source_worth import SIZE_INCHES, make_source_page
from tlkit.plots.vector import STILL_DOTS_PER_INCH
from tlkit.summaries.source_worth import SourceChoice, SourceGains, summarise_source
from tlkit.widgets import SourceExplorer


@pytest.fixture(scope="module")
def tables():
    return make_worths(CHANGES)


@pytest.fixture
def explorer(tables):
    return SourceExplorer(*tables)


def gains_of(tables, source):
    runs, predictions = tables
    here = runs[(runs["source"] == source) | (runs["strategy"] == "target_only")]
    return tl.evaluation.transfer_gain(here, predictions, "target_only")


def test_a_reading_has_the_numbers_of_the_tables(tables):
    runs, predictions = tables
    summary = summarise_source(SourceGains(*tables), SourceChoice("far", "pooled", 5))
    row = gains_of(tables, "far").set_index(["strategy", "shots"]).loc[("far, pooled", 5)]
    assert (summary.row["gain_low"], summary.row["gain_high"]) == (row["gain_low"], row["gain_high"])
    scores = runs[runs["shots"] == 5].pivot(index="seed", columns="strategy", values="accuracy")
    assert summary.gains_by_seed == pytest.approx((scores["far, pooled"] - scores["target_only"]).to_numpy())
    assert summary.target_only == pytest.approx(scores["target_only"].mean())
    for column, strategy in (("target_only", "target_only"), ("with_source", "far, pooled")):
        own = predictions[(predictions["strategy"] == strategy) & (predictions["shots"] == 5)]
        for name, recall in summary.recalls.set_index("class")[column].items():
            of_class = own[own["label"] == name]
            assert recall == pytest.approx((of_class["predicted"] == name).mean())
    assert summary.recalls["n"].tolist() == [50, 50, 50]


def test_intervals_of_one_source_hold_together_whatever_other_sources_there_are(tables):
    runs, predictions = tables
    alone = runs[runs["source"] != "near"]
    summaries = [
        summarise_source(SourceGains(rows, predictions), SourceChoice("far", 0.25, 1)).row for rows in (runs, alone)
    ]
    assert summaries[0]["gain_low"] == summaries[1]["gain_low"]


def test_the_words_say_verdict_and_which_classes_pay(tables):
    summary = summarise_source(SourceGains(*tables), SourceChoice("far", "pooled", 1))
    changes = summary.recalls.set_index("class")["with_source"] - summary.recalls.set_index("class")["target_only"]
    loser = changes.idxmin()
    row = summary.recalls.set_index("class").loc[loser]
    assert summary.row["verdict"] == "harms"
    assert summary.sentence.startswith(
        f"far pooled with 1 shot per class: accuracy {summary.target_only + summary.row['gain']:.2f}. It harms: "
        f"{summary.row['gain']:+.2f} against target only ("
    )
    assert f"{loser} loses most, {row['target_only']:.2f} → {row['with_source']:.2f}." in summary.sentence
    assert "gains most" not in summary.sentence
    unchanged = summarise_source(SourceGains(*tables), SourceChoice("far", 0.25, 1))
    assert unchanged.sentence.endswith("No difference that matters: +0.00 against target only (+0.00 to +0.00).")


def test_runs_without_a_source_are_refused(tables):
    runs, predictions = tables
    with pytest.raises(ValueError, match="runs: without a source"):
        SourceGains(runs[runs["strategy"] == "target_only"], predictions)
    with pytest.raises(ValueError, match="runs: has no weight"):
        SourceGains(runs.drop(columns="weight"), predictions)


def test_bars_are_the_intervals_that_verdicts_come_from(tables):
    gains = gains_of(tables, "far")
    ax = draw_gains(gains, Figure().subplots())
    bars = [segment for container in ax.collections for segment in container.get_segments()]
    drawn = sorted((segment[:, 1].min(), segment[:, 1].max()) for segment in bars)
    assert np.allclose(drawn, sorted(zip(gains["gain_low"], gains["gain_high"], strict=True)))
    assert ax.get_ylabel() == "gain in accuracy over target only"
    assert [text.get_text() for text in ax.get_legend().get_texts()][1:] == ["far × 0.25", "far, pooled"]


def test_the_map_says_each_gain_and_verdict_and_frames_the_chosen_cell(tables):
    gains = gains_of(tables, "far")
    ax = draw_transfer_map(gains, Figure().subplots(), chosen=("far, pooled", 5))
    said = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in ax.texts}
    for row in gains.itertuples():
        place = ["far × 0.25", "far, pooled"].index(row.strategy), [1, 5].index(row.shots)
        assert said[place].split("\n")[0] == f"{row.gain:+.2f}"
        assert said[place].split("\n")[1] in row.verdict
    *cells, _outer, frame = ax.patches
    assert len(cells) == len(gains)
    assert frame.get_xy() == pytest.approx((1 - 0.47, 1 - 0.47))


def test_the_page_shows_what_is_drawn_at_once(tables, explorer):
    figure = Figure(figsize=SIZE_INCHES, dpi=STILL_DOTS_PER_INCH)
    summary = summarise_source(SourceGains(*tables), SourceChoice("far", "pooled", 1))
    make_source_page([summary]).draw(summary, figure)
    shown = Image.open(io.BytesIO(explorer.snapshot().data)).convert("RGB")
    assert shown.size == tuple(round(inches * STILL_DOTS_PER_INCH) for inches in SIZE_INCHES)
    assert len(figure.axes) == 3
    other = Image.open(io.BytesIO(explorer.snapshot(source="near").data)).convert("RGB")
    assert ImageChops.difference(shown, other).getbbox()


def test_a_cell_chooses_weight_and_shots_and_tells_its_gain(tables, explorer):
    gains = gains_of(tables, "far").set_index(["strategy", "shots"])
    cells = [mark for mark in read_marks(explorer.drawing) if mark[0].startswith("cell")]
    assert len(cells) == len(gains)
    for name, words in cells:
        places = map(int, name.split(":")[1:])
        explorer.chosen = {**explorer.chosen, **dict(zip(explorer.clicks["cell"], places, strict=True))}
        arm = "far, pooled" if explorer.weight == "pooled" else f"far × {explorer.weight:g}"
        row = gains.loc[(arm, explorer.shots)]
        shots = f"{explorer.shots} shot{'s' * (explorer.shots > 1)}"
        interval = f"({row['gain_low']:+.2f} to {row['gain_high']:+.2f})"
        assert words == f"{arm}, {shots}: {row['gain']:+.2f} {interval}, {row['verdict']}"


def test_seeds_their_mean_and_classes_can_be_pointed_at(tables):
    summary = summarise_source(SourceGains(*tables), SourceChoice("far", "pooled", 1))
    marks = dict(read_marks(make_source_page([summary]).render(summary)))
    assert marks["seed:2"] == f"seed 2: {summary.gains_by_seed[2]:+.2f}"
    assert marks["mean"].startswith(f"mean of 5 seeds: {summary.row['gain']:+.2f} (")
    before, after = summary.recalls.iloc[0][["target_only", "with_source"]]
    assert marks["class:0"] == f"cat: recall {before:.2f} → {after:.2f} ({after - before:+.2f}), 50 pictures"
