"""Two explorers side by side: double clicks, a page loaded again, and the next day, when no kernel knows them."""

import pytest
from made_notebooks import write_notebook

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
import tempfile
from pathlib import Path

import tlkit as tl
from made_comparisons import make_comparison
from made_pictures import write_classes

folder = write_classes(Path(tempfile.mkdtemp()) / "pictures", {"bird": 10, "bug": 10, "fruit": 10})
images = tl.load_images(folder)
comparison = make_comparison(images)
""".strip(),
    "first = tl.widgets.ComparisonExplorer(comparison, images)\nfirst",
    "second = tl.widgets.ComparisonExplorer(comparison, images)\nsecond",
    "first.strategy, second.strategy, first.error, second.error",
]


@pytest.fixture(scope="module", params=["perCommTarget", "disabled"])
def lab(open_lab, tmp_path_factory, request):
    notebook = write_notebook(tmp_path_factory.mktemp("notebook") / "explorers.ipynb", CELLS)
    settings = {"@jupyterlab/apputils-extension/kernels-settings": {"commsOverSubshells": request.param}}
    with open_lab(notebook, settings) as lab:
        for number in range(3):
            lab.run_cell(number)
        yield lab


def check(lab, number, strategy):
    output = lab.output(number)
    expect(output.get_by_role("status")).to_contain_text(f"{strategy}, 5 training pictures per class: accuracy")
    expect(output.get_by_role("radio", name=strategy)).to_be_checked()
    expect(output.locator("svg").first).to_be_visible()
    expect(output.locator("svg text").first).to_be_attached()


def choose(lab, number, strategy, **settings):
    lab.output(number).get_by_role("radio", name=strategy).click(**settings)


def test_two_explorers_are_clicked_at_a_time_and_twice(lab):
    for _ in range(3):
        choose(lab, 1, "random features", click_count=2)
        choose(lab, 2, "random features")
        choose(lab, 1, "linear probe")
        choose(lab, 2, "linear probe", click_count=2)
    choose(lab, 1, "random features")
    check(lab, 1, "random features")
    check(lab, 2, "linear probe")
    lab.run_cell(3)
    expect(lab.output(3)).to_have_text("('random_features', 'linear_probe', None, None)")


def test_a_page_loaded_again_goes_on(lab):
    lab.reload()
    check(lab, 1, "random features")
    check(lab, 2, "linear probe")
    choose(lab, 1, "linear probe")
    choose(lab, 2, "random features")
    check(lab, 1, "linear probe")
    check(lab, 2, "random features")
    assert lab.errors == []


def test_the_next_day_the_drawings_are_there_without_a_kernel_that_knows_them(lab):
    lab.reopen()
    check(lab, 1, "linear probe")
    check(lab, 2, "random features")
    expect(lab.page.get_by_text("Error displaying widget")).to_have_count(0)
    choose(lab, 1, "random features")
    expect(lab.output(1).get_by_role("status")).to_contain_text("run the cell again")
    lab.run_cell(0)
    lab.run_cell(1)
    choose(lab, 1, "random features")
    check(lab, 1, "random features")
