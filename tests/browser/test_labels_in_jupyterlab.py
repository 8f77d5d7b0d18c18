"""Pictures are labelled and cleaned as a reader does it: by keyboard, over reloads, restarts and cells run again."""

import re

import pytest
from made_notebooks import write_notebook

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
from pathlib import Path

import tlkit as tl
from made_networks import make_tiny_backbone
from made_pictures import make_picture, write_dark_and_bright
from tlkit.images.label_file import LabelFile

if not Path("desk").exists():
    Path("desk").mkdir()
    for number in range(40):
        make_picture(number, (60, 40)).save(f"desk/{number:02}.png")
""",
    'tl.widgets.PictureLabeler("desk", ["cup", "pen"])',
    'print({name: "dropped" if entry.dropped else entry.label for name, entry in LabelFile("desk").entries.items()})',
    'tl.widgets.PictureLabeler("desk", backbone=make_tiny_backbone())',
    """
images = tl.load_images(write_dark_and_bright(Path("pets")))
run = tl.transfer(make_tiny_backbone(), images, "linear_probe")
Path("pets/dark/0.png").rename("pets/bright/wrong.png")
images.read(17).resize((20, 20)).save("pets/dark/copy.png")
tl.widgets.PictureCleaner(run, tl.load_images("pets")).wait()
""",
]


@pytest.fixture(params=["perCommTarget", "disabled"])
def lab(open_lab, tmp_path, request):
    """Open a fresh notebook for each test, and run the cells up to the first widget."""
    notebook = write_notebook(tmp_path / "labels.ipynb", [cell.strip() for cell in CELLS])
    settings = {"@jupyterlab/apputils-extension/kernels-settings": {"commsOverSubshells": request.param}}
    with open_lab(notebook, settings) as lab:
        lab.run_cell(0)
        lab.run_cell(1)
        yield lab


def find_tile(lab, name, cell=1):
    return lab.output(cell).get_by_role("option", name=re.compile(f"^{name}"))


def find_status(lab, cell=1):
    return lab.output(cell).get_by_role("status")


def check_file(lab, expected):
    """Fail unless the file has the labels."""
    lab.run_cell(2)
    expect(lab.output(2)).to_have_text(expected)


def type_keys(lab, *keys):
    """Press keys one after the other, with no wait in between."""
    for key in keys:
        lab.page.keyboard.press(key)


def test_pictures_are_labelled_by_keyboard_alone(lab):
    output, n_cells = lab.output(1), lab.cells.count()
    expect(output.locator("[role=option] img").first).to_be_visible()
    field = output.get_by_label("name of a new class")
    field.focus()
    type_keys(lab, *"cable", "Enter")
    expect(output.get_by_role("button", name="3 cable · 0")).to_be_visible()
    expect(output.get_by_role("listbox")).to_be_focused()
    type_keys(lab, "1", "2", " ", "3", "d", "b", "x")  # the last two are commands of JupyterLab elsewhere
    expect(find_status(lab)).to_contain_text("3 of 40 pictures labelled, 1 dropped. 04.png: dropped.")
    expect(find_tile(lab, "05.png")).to_have_attribute("aria-selected", "true")
    type_keys(lab, "Shift+ArrowRight", "Shift+ArrowRight", "2")
    expect(find_status(lab)).to_contain_text("3 pictures: pen.")
    type_keys(lab, "u", "Control+z")
    expect(find_status(lab)).to_contain_text("3 of 40 pictures labelled, 0 dropped. The last edit is taken back.")
    expect(find_tile(lab, "04.png")).to_have_attribute("aria-selected", "true")
    type_keys(lab, "End", "1", "Home", "3")
    expect(find_status(lab)).to_contain_text("4 of 40 pictures labelled, 0 dropped. 00.png: cable.")
    assert lab.cells.count() == n_cells
    labels = "{'00.png': 'cable', '01.png': 'pen', '03.png': 'cable', '04.png': '', '05.png': '', '06.png': '', "
    check_file(lab, labels + "'07.png': '', '39.png': 'cup'}")

    lab.reload()
    expect(find_tile(lab, "00.png: cable")).to_be_visible()
    expect(output.locator("[role=option] img").first).to_be_visible()
    output.get_by_role("listbox").focus()
    type_keys(lab, "1")
    expect(find_status(lab)).to_contain_text("02.png: cup.")

    lab.restart_kernel()
    lab.run_cell(0)
    lab.run_cell(1)
    expect(find_tile(lab, "02.png: cup")).to_be_visible()
    output.get_by_role("listbox").focus()
    type_keys(lab, "u")
    expect(find_status(lab)).to_contain_text("4 of 40 pictures labelled, 0 dropped. The last edit is taken back.")
    check_file(lab, re.compile(re.escape(labels.replace("'04", "'02.png': '', '04").split("'02")[0])))
    assert lab.own_errors == []


@pytest.mark.parametrize("lab", ["perCommTarget"], indirect=True)
def test_suggestions_come_most_uncertain_first_and_enter_takes_them(lab):
    output = lab.output(3)
    lab.run_cell(3)
    output.get_by_role("listbox").focus()
    expect(output).to_contain_text("Suggestions begin when two classes have labels.")
    field = output.get_by_label("name of a new class")
    for name in ("cup", "pen"):
        field.focus()
        type_keys(lab, *name, "Enter")
    type_keys(lab, "1", "2")
    expect(output).to_contain_text("Suggestions by 2 labels")
    suggested = output.locator("[role=option] i").filter(has_text="?").first
    expect(suggested).to_have_text(re.compile(r"^(cup|pen)\?$"))
    type_keys(lab, "Enter")
    expect(output).to_contain_text("Suggestions by 3 labels")
    expect(find_status(lab, 3)).to_contain_text(re.compile(r"3 of 40 .* \d\d.png: (cup|pen)\."))
    output.get_by_role("button", name="Suggest labels").press("Enter")
    expect(output.locator("[role=option]").first).to_have_attribute("aria-label", re.compile("^00.png"))
    assert lab.errors == []
    lab.reopen()  # with a new kernel, in which no cell has run
    expect(output.locator("[role=option]").first).to_be_visible()
    expect(find_status(lab, 3)).to_contain_text("3 of 40")
    expect(lab.page.get_by_text("Error displaying widget")).to_have_count(0)
    assert lab.own_errors == []


@pytest.mark.parametrize("lab", ["perCommTarget"], indirect=True)
def test_pictures_are_added_within_the_limit_of_a_message(lab):
    output = lab.output(1)
    chooser = output.get_by_label("add pictures to the folder")
    lab.page.evaluate(
        """() => { window.makeFiles = async (target, type) => {
            const canvas = new OffscreenCanvas(8, 8);
            canvas.getContext("2d").fillRect(0, 0, 4, 4);
            const blob = await canvas.convertToBlob({ type: "image/png" });
            const data = new DataTransfer();
            data.items.add(new File([blob], "00.png"));
            target.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
        } }"""
    )
    output.get_by_role("listbox").evaluate("target => makeFiles(target, 'drop')")
    expect(find_status(lab)).to_contain_text("0 of 41 pictures labelled, 0 dropped. 00 (2).png is in the folder now.")
    expect(find_tile(lab, re.escape("00 (2).png"))).to_have_attribute("aria-selected", "true")
    chooser.set_input_files({"name": "large.png", "mimeType": "image/png", "buffer": bytes(9_000_001)})
    expect(find_status(lab)).to_contain_text(
        "large.png has 9.0 MB, and at most 9 MB pass through a notebook. Copy it into desk"
    )
    chooser.set_input_files({"name": "bad.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(find_status(lab)).to_contain_text("This could not be done: PictureError: bad.png")
    assert lab.errors == []


@pytest.mark.parametrize("lab", ["perCommTarget"], indirect=True)
def test_suspects_are_cleaned_by_keyboard(lab):
    lab.run_cell(4)
    output, status = lab.output(4), find_status(lab, 4)
    first = output.locator("[role=option]").first
    expect(first).to_have_attribute("aria-label", "bright/wrong.png: bright, suggested dark")
    expect(output).to_contain_text("Mistake: dark predicted")
    output.get_by_role("listbox").focus()
    type_keys(lab, "Enter")
    expect(status).to_contain_text("bright/wrong.png: dark.")
    expect(first).to_have_attribute("aria-label", re.compile("^bright/wrong.png: dark, kept"))
    copy = output.get_by_role("option", name="dark/copy.png: ")
    copy.click()
    expect(output.locator(".tlkit-large img")).to_have_count(2)
    type_keys(lab, "d")
    expect(status).to_contain_text("1 dropped. dark/copy.png: dropped.")
    type_keys(lab, "k")
    expect(status).to_contain_text(": kept.")
    type_keys(lab, "u", "u")
    expect(copy).to_have_attribute("aria-label", re.compile("^dark/copy.png: dark$"))
    expect(copy).to_have_attribute("aria-selected", "true")
    assert lab.errors == []
