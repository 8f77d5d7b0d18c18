"""The explorer of what training little saves: controls, words, pictures, failures."""

import pytest
from made_marks import drop_ids, read_marks
from made_trained_shares import make_trained_shares

from tlkit.plots.trained_share import make_share_page
from tlkit.summaries.trained_share import TrainedShareChoice, summarise_trained_share
from tlkit.widgets import TrainedShareExplorer

SCORES = ("accuracy", "outside")


@pytest.fixture
def explorer():
    return TrainedShareExplorer(make_trained_shares(), scores=SCORES, strategy="lora")


def test_it_begins_with_what_was_asked_for(explorer):
    assert (explorer.strategy, explorer.cost, explorer.score) == ("lora", "trained_share", "accuracy")
    assert explorer.status == summarise_trained_share(explorer.shares, TrainedShareChoice("lora")).sentence
    first = TrainedShareExplorer(make_trained_shares())
    assert (first.strategy, first.score) == ("linear_probe", "accuracy")


@pytest.mark.parametrize("settings", [{"strategy": "loar"}, {"cost": "memory"}, {"score": "outside"}])
def test_beginning_with_what_is_not_there_is_refused(settings):
    with pytest.raises(ValueError, match="is unknown"):
        TrainedShareExplorer(make_trained_shares(), **settings)


def test_a_page_draws_again_what_it_would_draw_afresh(explorer):
    table, drawn = make_trained_shares(), []
    page = make_share_page(table, "memory_mib", "outside")
    for strategy in ("lora", "lp_ft", "linear_probe"):
        summary = summarise_trained_share(explorer.shares, TrainedShareChoice(strategy, "memory_mib", "outside"))
        drawn.append(page.render(summary))
        afresh = make_share_page(table, "memory_mib", "outside").render(summary)
        assert drop_ids(drawn[-1]) == drop_ids(afresh)
    assert len(set(drawn)) == 3


def test_a_point_tells_score_and_cost_and_chooses_its_strategy(explorer):
    points = read_marks(explorer.frame)
    assert points[1] == (
        "point:1",
        "lora: accuracy 0.50 (0.45 to 0.55); share of the parameters that is trained (%): 3",
    )
    assert [explorer._controls["strategy"].get(int(name[-1])) for name, _ in points] == explorer.shares.strategies
    assert explorer.clicks == {"point": ["strategy"]}
