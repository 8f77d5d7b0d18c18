"""The map of features as a reader meets it: mouse and keyboard, in JupyterLab."""

import re

import pytest
from made_notebooks import write_notebook
from made_pictures import write_classes

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
import numpy as np
import tlkit as tl

images = tl.load_images("FOLDER")
values = np.random.default_rng(0).normal(size=(len(images), 6)) + 3 * np.eye(6)[images.labels]
features = tl.Features(values.astype(np.float32), images.labels, images.classes, images.names, images.groups, {})
""",
    "view = tl.widgets.FeatureMapExplorer(features, images)\nview",
    "view.selected, [int(index) for index in view.neighbors]",
]


@pytest.fixture(scope="module")
def lab(open_lab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    write_classes(folder / "pets", {"bird": 12, "cat": 15, "dog": 9})
    notebook = folder / "map.ipynb"
    write_notebook(notebook, [cell.strip().replace("FOLDER", str(folder / "pets")) for cell in CELLS])
    with open_lab(notebook) as lab:
        for number in (0, 1):
            lab.run_cell(number)
        yield lab


def find_point(lab, index):
    return lab.output(1).locator(f"[data-kind=point][data-place='{index}']")


def test_a_click_shows_a_picture_and_its_neighbours(lab):
    output = lab.output(1)
    expect(output.get_by_role("status")).to_contain_text("of the pictures is of the same class. Click a point")
    find_point(lab, 35).hover()
    expect(output.locator(".tlkit-tip")).to_have_text(
        re.compile("dog/8.png: dog$")
    )  # the last one is drawn above all others
    expect(output.locator(".tlkit-tip img")).to_have_attribute("src", re.compile("^data:image/webp"))
    find_point(lab, 35).click()
    expect(output.get_by_role("status")).to_contain_text("of its 5 nearest neighbours are of its class")
    pictures = output.get_by_role("listitem")
    expect(pictures).to_have_count(6)
    expect(pictures.nth(0)).to_contain_text("chosen")
    expect(pictures.nth(0)).to_contain_text("dog/8.png")
    expect(pictures.nth(1)).to_contain_text(re.compile(r"similarity 0\.\d{3}, (same|another) class"))
    widths = pictures.locator("img").evaluate_all("pictures => pictures.map((one) => one.naturalWidth)")
    assert all(width > 0 for width in widths)


def test_the_keyboard_goes_from_point_to_point_and_is_no_command_of_jupyterlab(lab):
    n_cells = lab.cells.count()
    output = lab.output(1)
    first = output.get_by_role("listitem").locator("img").first
    before, tip = first.get_attribute("alt"), output.locator(".tlkit-tip")
    output.locator(".tlkit-sheet").focus()
    for key in ("Home", "ArrowLeft", "ArrowRight", "ArrowRight", "ArrowUp"):
        lab.page.keyboard.press(key)
    expect(tip).to_be_visible()
    name = tip.inner_text().split(":")[0]
    assert name != before
    lab.page.keyboard.press("b")  # in command mode it adds a cell
    lab.page.keyboard.press("Enter")
    expect(first).to_have_attribute("alt", name)
    expect(tip).to_contain_text(name)  # the next arrow goes on from here
    assert lab.cells.count() == n_cells


def test_t_sne_is_computed_when_it_is_asked_for(lab):
    output = lab.output(1)
    output.get_by_role("radio", name="PCA").focus()
    lab.page.keyboard.press("ArrowRight")
    expect(output.get_by_role("radio", name="t-SNE")).to_be_checked()
    expect(output.locator(".tlkit-box")).to_have_attribute("aria-busy", "false")
    expect(output.locator(".tlkit-sheet")).to_contain_text("mean nothing")
    output.get_by_role("radio", name="domain").click()
    expect(output.locator(".tlkit-sheet")).to_contain_text("pets (36)")
    output.get_by_role("radio", name="class").click()
    for text in ("bird (12)", "cat (15)", "dog (9)"):
        expect(output.locator(".tlkit-sheet")).to_contain_text(text)


def test_python_has_what_is_shown(lab):
    lab.run_cell(2)
    expect(lab.output(2)).to_have_text(re.compile(r"\(\d+, \[(\d+, ){4}\d+\]\)"))


def test_the_browser_complained_of_nothing(lab):
    assert lab.errors == []
