"""The map of features as a reader meets it: mouse and keyboard, in JupyterLab."""

import json
import re

import numpy as np
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
    "np.frombuffer(view.positions, '<f4').tolist()",
    "view.selected, [int(index) for index in view.neighbors]",
]


@pytest.fixture(scope="module")
def lab(open_lab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    write_classes(folder / "pets", {"bird": 12, "cat": 15, "dog": 9})
    notebook = folder / "map.ipynb"
    write_notebook(notebook, [cell.strip().replace("FOLDER", str(folder / "pets")) for cell in CELLS])
    with open_lab(notebook) as lab:
        for number in (0, 1, 2):
            lab.run_cell(number)
        yield lab


def find_point(lab, index):
    # Where the plane of 560 × 420 px, with a margin of 34 px and a border of 1, shows a picture of the first map.
    points = np.array(json.loads(lab.output(2).inner_text())).reshape(-1, 2)
    across, up = (points[index] - points.min(axis=0)) / np.ptp(points, axis=0)
    return {"x": 1 + 34 + across * (560 - 68), "y": 1 + 420 - 34 - up * (420 - 68)}


def test_a_click_shows_a_picture_and_its_neighbours(lab):
    output = lab.output(1)
    expect(output.get_by_role("status")).to_contain_text("of the pictures is of the same class. Click a point")
    plane = output.get_by_role("application")
    plane.click(position=find_point(lab, 3))
    expect(output.get_by_role("status")).to_contain_text("of its 5 nearest neighbours are of its class")
    figures = output.locator("figure")
    expect(figures).to_have_count(6)
    expect(figures.nth(0)).to_contain_text("chosen")
    expect(figures.nth(0)).to_contain_text("bird/11.png")  # the fourth in the order of names: 0, 1, 10, 11
    expect(figures.nth(1)).to_contain_text(re.compile(r"similarity 0\.\d{3}, (same|another) class"))
    widths = output.locator("figure img").evaluate_all("pictures => pictures.map((one) => one.naturalWidth)")
    assert widths == [96] * 6


def test_the_keyboard_goes_from_point_to_point_and_is_no_command_of_jupyterlab(lab):
    n_cells = lab.cells.count()
    output = lab.output(1)
    before = output.locator("figure img").first.get_attribute("alt")
    output.get_by_role("application").focus()
    lab.page.keyboard.press("ArrowRight")
    lab.page.keyboard.press("ArrowRight")
    here = output.locator(".plane p").first
    expect(here).not_to_be_empty()
    name = here.inner_text().split(":")[0]
    assert name != before
    lab.page.keyboard.press("b")  # in command mode it adds a cell
    lab.page.keyboard.press("Enter")
    expect(output.locator("figure img").first).to_have_attribute("alt", name)
    assert lab.cells.count() == n_cells


def test_t_sne_is_computed_when_it_is_asked_for(lab):
    output = lab.output(1)
    button = output.get_by_role("button", name="t-SNE")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(output.locator(".plane")).to_contain_text(
        "Distances between clusters, their sizes and densities mean nothing"
    )
    expect(output.get_by_role("application")).to_have_attribute("aria-busy", "false")
    output.get_by_role("button", name="domain").click()
    expect(output.get_by_role("list", name="legend").get_by_role("listitem")).to_have_count(1)
    output.get_by_role("button", name="class").click()
    expect(output.get_by_role("list", name="legend").get_by_role("listitem")).to_have_text(
        ["bird (12)", "cat (15)", "dog (9)"]
    )


def test_python_has_what_is_shown(lab):
    lab.run_cell(3)
    expect(lab.output(3)).to_have_text(re.compile(r"\(\d+, \[(\d+, ){4}\d+\]\)"))


def test_the_browser_complained_of_nothing(lab):
    assert lab.errors == []
