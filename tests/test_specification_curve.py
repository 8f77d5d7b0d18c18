"""Specification curves against a slow reading of their tables."""

import base64
import dataclasses
import html
import itertools
import re

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from made_claims import CHOICES, make_claim
from matplotlib.figure import Figure

from tlkit.plots import draw_specification_curve
from tlkit.plots.specification_curve import make_specification_page, render_specification_curve, summarise_curve


def make_random_claim(seed, expected):
    """Return a claim whose effects, intervals and results are drawn, in rows of random order."""
    generator = np.random.default_rng(seed)
    claim = make_claim(expected)
    table = claim.replications.sample(frac=1, random_state=seed).reset_index(drop=True)
    table["effect"] = generator.normal(0, 0.03, len(table))
    table["low"] = table["effect"] - generator.uniform(0, 0.04, len(table))
    table["high"] = table["effect"] + generator.uniform(0, 0.04, len(table))
    if isinstance(expected, str):
        table["holds"] = [judge(low, high) == expected for low, high in zip(table["low"], table["high"], strict=True)]
    else:
        table["holds"] = (table["low"] >= expected[0]) & (table["high"] <= expected[1])
    return dataclasses.replace(claim, replications=table)


def judge(low, high):
    """Return the kit's verdict on an interval."""
    if low > 0:
        return "helps"
    if high < 0:
        return "harms"
    return "no difference that matters" if low >= -0.02 and high <= 0.02 else "can't tell"


def draw(claim):
    axes = Figure(figsize=(9, 5)).subplots(2, 1)
    draw_specification_curve(claim.replications, claim.choices, claim.expected, axes, effect=claim.effect)
    return axes


def list_points(ax):
    """Return {(x, y): (colour, marker, whether it is filled)} of all points."""
    points = {}
    for line in ax.get_lines():
        if line.get_linestyle() == "None" and line.get_marker() not in ("|", "_", "None"):
            look = (line.get_color(), line.get_marker(), line.get_markerfacecolor() == line.get_color())
            points |= dict.fromkeys(
                zip(line.get_xdata(), np.round(line.get_ydata().astype(float), 9), strict=True), look
            )
    return points


@pytest.mark.parametrize(
    ("seed", "expected"), [*itertools.product(range(4), ["helps", "can't tell"]), (0, "harms"), (5, (-0.05, 0.03))]
)
def test_each_replication_has_its_effect_result_and_choices(seed, expected):
    claim = make_random_claim(seed, expected)
    curve, rows = draw(claim)
    effects, dots = list_points(curve), list_points(rows)
    table = claim.replications.sort_values("effect")
    heights = dict(zip([(name, level) for name in CHOICES for level in CHOICES[name]], rows.get_yticks(), strict=True))
    assert len(effects) == len(table) and len(dots) == len(table) * len(CHOICES)
    looks = {}
    for place, (_, row) in enumerate(table.iterrows()):
        look = effects[place, round(row["effect"], 9)]
        result = judge(row["low"], row["high"]) if isinstance(expected, str) else row["holds"]
        assert looks.setdefault(result, look) == look
        assert look[2] == row["holds"]
        for name in CHOICES:
            assert dots[place, heights[name, row[name]]] == look
    # The results differ in colour, in shape, and in gray.
    assert len({matplotlib.colors.to_rgb(colour) for colour, _, _ in looks.values()}) == len(looks)
    assert len({marker for _, marker, _ in looks.values()}) == len(looks)


def test_intervals_are_drawn_from_end_to_end():
    claim = make_random_claim(3, "helps")
    curve, _ = draw(claim)
    segments = {
        (segment[0][0], *np.round(segment[:, 1], 9)) for bars in curve.collections for segment in bars.get_segments()
    }
    table = claim.replications.sort_values("effect")
    expected = [(place, *ends) for place, ends in enumerate(table[["low", "high"]].round(9).to_numpy().tolist())]
    assert segments == set(expected)


def test_the_rows_name_the_levels_and_the_axis_names_the_effect():
    curve, rows = draw(make_claim())
    texts = [label.get_text() for label in rows.get_yticklabels()]
    assert texts == ["first seed: 0", "5", "image size px: 96", "128", "160", "domain: clipart", "sketch"]
    assert curve.get_ylabel() == "difference in accuracy"


@pytest.mark.parametrize(
    ("expected", "lines"), [("helps", [0.0]), ((-0.2, 0.1), [-0.2, 0.1]), ((None, 0.5), [0.5]), ((None, None), [])]
)
def test_lines_show_zero_or_the_bounds_within_the_axes(expected, lines):
    curve, _ = draw(make_claim(expected))
    drawn = [
        line.get_ydata()[0] for line in curve.get_lines() if len(set(line.get_ydata())) == 1 < len(line.get_ydata())
    ]
    assert drawn == lines
    assert all(curve.get_ylim()[0] < line < curve.get_ylim()[1] for line in lines)


def test_levels_are_found_if_the_table_was_read_from_a_file(tmp_path):
    claim = make_claim()
    choices = {**CHOICES, "is_flipped": [True, False], "rate": [0.001, 1e-05]}
    table = claim.replications.assign(is_flipped=[True, False] * 6, rate=[1e-05, 0.001] * 6)
    table.to_csv(tmp_path / "made.csv", index=False)
    read = dataclasses.replace(claim, choices=choices, replications=pd.read_csv(tmp_path / "made.csv"))
    assert render_specification_curve(read) == render_specification_curve(
        dataclasses.replace(claim, choices=choices, replications=table)
    )


def test_a_table_that_lacks_columns_or_rows_is_refused():
    claim, axes = make_claim(), Figure().subplots(2, 1)
    with pytest.raises(ValueError, match="replications: has no holds"):
        draw_specification_curve(claim.replications.drop(columns="holds"), CHOICES, "harms", axes)
    with pytest.raises(ValueError, match="replications: no row"):
        draw_specification_curve(claim.replications[:0], CHOICES, "harms", axes)
    with pytest.raises(ValueError, match="expected: 'harm' is unknown; nearest: 'harms'"):
        draw_specification_curve(claim.replications, CHOICES, "harm", axes)


def test_the_image_is_described_and_the_same_every_time():
    first = render_specification_curve(make_claim())
    assert first == render_specification_curve(make_claim())
    words = html.unescape(re.search('alt="([^"]*)"', first)[1])
    sentence = "Tuning everything harms. This holds in 11 of 12 replications (92%): can't tell 1, harms 11."
    assert words.startswith(f"Specification curve. {sentence}")
    drawn = base64.b64decode(re.search('base64,([^"]*)', first)[1]).decode()
    assert drawn.count("<use ") == 12 * (1 + len(CHOICES)) + len(["harms", "can't tell", "open"])
    assert "image size px: 96" in drawn
    used = set(re.findall(r'(?:"#|url\(#)(\w+)', drawn))
    assert used == set(re.findall(r' id="([^"]+)"', drawn))


def test_dropped_replications_stay_gray_at_their_places():
    claim = make_claim()
    page = make_specification_page(claim)
    everything = page.render(summarise_curve(claim, CHOICES))
    some = page.render(summarise_curve(claim, CHOICES | {"domain": ["sketch"]}))
    assert everything.count("<use ") == some.count("<use ") == 12 * (1 + len(CHOICES))
    assert set(re.findall('x="([^"]+)"', everything)) == set(re.findall('x="([^"]+)"', some))
    assert some.count("domain clipart") == some.count("domain sketch") == 6


@pytest.mark.parametrize("domains", [["clipart"], ["sketch"], ["clipart", "sketch"]])
@pytest.mark.parametrize("sizes", [[96], [128, 160], [96, 128, 160]])
def test_the_sentence_counts_the_replications_left(domains, sizes):
    claim = make_claim()
    summary = summarise_curve(claim, CHOICES | {"domain": domains, "image_size_px": sizes})
    left = [
        row
        for row in claim.replications.to_dict("records")
        if row["domain"] in domains and row["image_size_px"] in sizes
    ]
    n_holding = sum(row["holds"] for row in left)
    which = "replications" if len(left) == 12 else "of the replications left"
    assert f" This holds in {n_holding} of {len(left)} {which} ({n_holding / len(left):.0%}): " in summary.sentence
    assert (
        f"from {min(row['effect'] for row in left):.3g} to {max(row['effect'] for row in left):.3g}" in summary.sentence
    )


def test_the_sentence_about_bounds_lists_no_verdicts():
    sentence = summarise_curve(make_claim((-0.2, 0)), CHOICES).sentence
    assert sentence.startswith("Tuning everything harms. This holds in 11 of 12 replications (92%). The difference")


def test_without_a_replication_the_sentence_tells_what_to_do():
    claim = make_claim()
    claim = dataclasses.replace(claim, replications=claim.replications[claim.replications["domain"] == "sketch"])
    summary = summarise_curve(claim, CHOICES | {"domain": ["clipart"]})
    assert not summary.kept.any()
    assert summary.sentence.endswith(" No replication has only these levels. Tick more of them.")
