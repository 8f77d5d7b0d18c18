"""The explorer of what training little saves: controls, words, pictures, failures."""

import io

import pytest
from made_trained_shares import make_trained_shares
from PIL import Image, ImageChops

from tlkit.plots.trained_share import TrainedSharePage
from tlkit.summaries.trained_share import TrainedShareChoice, summarise_trained_share
from tlkit.widgets import TrainedShareExplorer

SCORES = ("accuracy", "outside")


@pytest.fixture
def explorer():
    return TrainedShareExplorer(make_trained_shares(), scores=SCORES, strategy="lora")


def test_it_begins_with_what_was_asked_for(explorer):
    assert (explorer.strategy, explorer.cost, explorer.score) == ("lora", "trained_share", "accuracy")
    assert explorer.status.text == summarise_trained_share(explorer.shares, TrainedShareChoice("lora")).sentence
    first = TrainedShareExplorer(make_trained_shares())
    assert (first.strategy, first.score) == ("linear_probe", "accuracy")


@pytest.mark.parametrize("settings", [{"strategy": "loar"}, {"cost": "memory"}, {"score": "outside"}])
def test_beginning_with_what_is_not_there_is_refused(settings):
    with pytest.raises(ValueError, match="is unknown"):
        TrainedShareExplorer(make_trained_shares(), **settings)


def test_a_page_draws_again_what_it_would_draw_afresh(explorer):
    table, drawn = make_trained_shares(), []
    page = TrainedSharePage(table, "memory_mib", "outside")
    for strategy in ("lora", "lp_ft", "linear_probe"):
        summary = summarise_trained_share(explorer.shares, TrainedShareChoice(strategy, "memory_mib", "outside"))
        drawn.append(page.render(summary))
        afresh = TrainedSharePage(table, "memory_mib", "outside").render(summary)
        pictures = (Image.open(io.BytesIO(content)).convert("RGB") for content in (drawn[-1], afresh))
        assert ImageChops.difference(*pictures).getbbox() is None
    assert len(set(drawn)) == 3
