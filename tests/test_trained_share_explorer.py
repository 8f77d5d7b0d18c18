"""The explorer of what training little saves: controls, words, pictures, failures."""

import base64
import io

import pytest
import traitlets
from made_drawings import count_drawings
from made_trained_shares import make_trained_shares
from PIL import Image, ImageChops

from tlkit.plots.page import DOTS_PER_INCH
from tlkit.plots.trained_share import SIZE_INCHES, TrainedSharePage
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


def test_the_controls_move_what_is_shown(explorer):
    seen = {explorer._view.value}
    for name, value in (("strategy", "lp_ft"), ("cost", "memory_mib"), ("score", "outside")):
        explorer._controls[name].value = value
        assert getattr(explorer, name) == value
        assert explorer._view.value not in seen
        seen.add(explorer._view.value)
    choice = TrainedShareChoice("lp_ft", "memory_mib", "outside")
    assert explorer.status.text == summarise_trained_share(explorer.shares, choice).sentence
    explorer.strategy = "l2_sp"
    assert explorer._controls["strategy"].value == "l2_sp"
    assert explorer.error is None


def test_assigning_what_is_not_there_is_an_error_and_changes_nothing(explorer):
    for name, value in (("strategy", "loar"), ("cost", "memory"), ("score", "inside")):
        with pytest.raises(traitlets.TraitError, match=f"^{name}: '{value}' is unknown"):
            setattr(explorer, name, value)
    assert (explorer.strategy, explorer.cost, explorer.score) == ("lora", "trained_share", "accuracy")


@pytest.mark.parametrize("settings", [{"strategy": "loar"}, {"cost": "memory"}, {"score": "outside"}])
def test_beginning_with_what_is_not_there_is_refused(settings):
    with pytest.raises(ValueError, match="is unknown"):
        TrainedShareExplorer(make_trained_shares(), **settings)


def test_a_failure_is_shown_and_the_next_choice_ends_it(explorer, monkeypatch):
    def fail(*arguments, **keywords):
        raise OSError("the picture is gone")

    with monkeypatch.context() as broken:
        broken.setattr(TrainedSharePage, "render", fail)
        explorer.strategy = "lp_ft"
    assert explorer.status.text == "This could not be shown: OSError: the picture is gone"
    explorer.strategy = "lora"
    assert explorer.error is None
    assert explorer.status.text.startswith("lora trains")


def test_readers_without_widgets_get_a_picture(explorer):
    bundle = explorer._repr_mimebundle_()
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert picture.size == tuple(round(side * DOTS_PER_INCH) for side in SIZE_INCHES)
    assert bundle["text/plain"] == repr(explorer) == "TrainedShareExplorer(4 strategies × 3 costs × 2 scores)"


def test_a_snapshot_of_another_choice_leaves_the_explorer_where_it_was(explorer):
    words, here = explorer.status.text, explorer.snapshot().data
    assert explorer.snapshot("lp_ft", "stored_mib", "outside").data != here
    assert explorer.snapshot().data == here
    assert (explorer.status.text, explorer.strategy) == (words, "lora")
    with pytest.raises(ValueError, match="cost: 'memory' is unknown"):
        explorer.snapshot(cost="memory")


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


def test_looking_further_draws_only_what_changed(explorer, monkeypatch):
    counts = count_drawings(monkeypatch)
    explorer.strategy = "lp_ft"
    assert counts == {"pictures": 1}
