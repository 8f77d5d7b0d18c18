"""The page of an explorer draws without a search for garbage, which takes as long as several drawings."""

import gc

import pytest

from tlkit.plots.vector import Page


@pytest.fixture(params=[True, False], ids=["collecting", "not collecting"])
def collects(request):
    (gc.enable if request.param else gc.disable)()
    yield request.param
    gc.enable()


def test_garbage_is_not_collected_while_a_choice_is_drawn_and_is_as_before_afterwards(collects):
    seen = []

    def draw_dynamic(fails, axes):
        seen.append(gc.isenabled())
        if fails:
            raise ValueError("this choice can't be drawn")

    page = Page((2, 1), lambda figure: [figure.subplots()], draw_dynamic)
    page.render(False)
    assert gc.isenabled() == collects
    with pytest.raises(ValueError, match="this choice"):
        page.render(True)
    assert gc.isenabled() == collects
    assert seen == [False, False]
