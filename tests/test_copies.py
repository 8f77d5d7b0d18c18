"""Copies of the lessons: what they hold, and that nothing ever replaces a student's work."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from made_command import call_command

import tlkit as tl
from tlkit.course import find_course
from tlkit.lessons import copies, progress

ORIGINALS = sorted((find_course() / "notebooks").glob("*.ipynb"))


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one lesson, in two versions."""
    folder = tmp_path / "course"
    for name in ("notebooks", "docs"):
        (folder / name).mkdir(parents=True)
    (folder / "docs" / "glossary.md").write_text("# Glossary\n")
    monkeypatch.setattr(copies, "find_course", lambda: folder)

    def publish(text):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text, id="first")])
        nbformat.write(notebook, folder / "notebooks" / "07_lesson.ipynb")

    publish("# One")
    return publish


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copied")
    return tl.lessons.copy(folder / "mine")


@pytest.mark.parametrize("original", ORIGINALS, ids=lambda path: path.name)
def test_a_copy_is_the_lesson_without_outputs(original, copied):
    notebook, copy = nbformat.read(original, 4), nbformat.read(copied[original.name[:2]], 4)
    assert copied[original.name[:2]].name == original.name
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.source = cell.source.replace("../docs/glossary.md", "glossary.md")
    assert copy == notebook  # with the ids of its cells
    nbformat.validate(copy)


def test_each_link_of_a_copy_leads_to_a_file(copied):
    folder = copied["00"].parent
    links = {link for path in copied.values() for link in re.findall(r"\]\(([^)#:]+)[)#]", path.read_text())}
    assert len(links) > len(copied)
    assert {link for link in links if not (folder / link).is_file()} == set()


def read_all(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}


def test_a_newer_lesson_goes_beside_a_changed_copy(course, tmp_path, recwarn):
    folder = tmp_path / "mine"
    first = tl.lessons.copy(folder)["07"]
    first.write_text(first.read_text().replace("One", "One, with my notes"))
    assert tl.lessons.copy(folder) == {"07": first} and not recwarn.list
    course("# Two")
    before = read_all(folder)
    second = tl.lessons.copy(folder)["07"]
    assert second == folder / "07_lesson (2).ipynb" and "# Two" in second.read_text()
    assert "your 07_lesson.ipynb stays as it is" in str(recwarn.pop().message)
    second.write_text(second.read_text() + "\n")
    before = read_all(folder)
    assert tl.lessons.copy(folder) == {"07": second} and read_all(folder) == before
    course("# Three")
    assert tl.lessons.copy(folder)["07"].name == "07_lesson (3).ipynb"
    recwarn.clear()
    assert before.items() <= read_all(folder).items()


def test_a_copy_that_nobody_touched_is_replaced(course, tmp_path, recwarn):
    folder = tmp_path / "mine"
    path = tl.lessons.copy(folder)["07"]
    course("# Two")
    assert tl.lessons.copy(folder) == {"07": path} and "# Two" in path.read_text()
    assert not recwarn.list


@pytest.mark.filterwarnings("ignore:.*stays as it is")
@pytest.mark.parametrize("record", ["", "[]", '{"07_lesson.ipynb": 7}', None])
def test_without_its_record_a_file_counts_as_changed(course, tmp_path, record):
    folder = tmp_path / "mine"
    path = tl.lessons.copy(folder)["07"]
    course("# Two")
    (folder / ".tlkit-copies.json").unlink()
    if record is not None:
        (folder / ".tlkit-copies.json").write_text(record)
    before = read_all(folder)
    assert tl.lessons.copy(folder)["07"] != path
    assert before.items() <= read_all(folder).items()


@pytest.mark.filterwarnings("ignore:.*stays as it is")
def test_links_and_folders_with_the_name_of_a_lesson_stay(course, tmp_path):
    folder = tmp_path / "mine"
    (folder / "07_lesson.ipynb").mkdir(parents=True)
    (folder / "07_lesson (2).ipynb").symlink_to(tmp_path / "missing")
    assert tl.lessons.copy(folder)["07"].name == "07_lesson (3).ipynb"
    assert (folder / "07_lesson (2).ipynb").is_symlink() and not (tmp_path / "missing").exists()


def test_the_originals_are_no_copies(course):
    folder = copies.find_course() / "notebooks"
    with pytest.raises(ValueError, match=r"folder: .* has the originals"):
        tl.lessons.copy(folder)


def test_the_status_counts_what_the_lessons_ask_for(tmp_path):
    table = tl.lessons.status().set_index("lesson")
    assert len(table) == len(ORIGINALS)
    assert table.loc["01"].tolist()[1:] == ["45 to 60", "0 of 3", "0 of 2"]
    entries = {"predictions": {"gain_over_random": {"chips": {"it grows": 10}}, "gain_by_domain": {"measured": "x"}}}
    entries["exercises"] = {"01_pictures": {"passed": True, "tries": 2}, "01_interval": {"passed": False, "tries": 1}}
    (tmp_path / "progress.json").write_text(json.dumps({"lessons": {"01": entries}}))
    table = tl.lessons.status(tmp_path).set_index("lesson")
    assert table.loc["01"].tolist()[2:] == ["1 of 3", "1 of 2"]
    assert set(table.drop("01")["predictions"]) == {"0 of 1", "0 of 3"}


def test_the_status_is_that_of_the_open_lesson(tmp_path, monkeypatch):
    progress.find_file.cache_clear()
    monkeypatch.chdir(tmp_path)
    entries = {"exercises": {"00_right": {"passed": True, "tries": 1}}}
    (tmp_path / "progress.json").write_text(json.dumps({"lessons": {"00": entries}}))
    assert tl.lessons.status()["exercises"][0] == "0 of 2"  # no notebook is open
    progress.find_file.cache_clear()
    monkeypatch.setenv("JPY_SESSION_NAME", "00_start.ipynb")
    assert tl.lessons.status()["exercises"][0] == "1 of 2"
    progress.find_file.cache_clear()


def test_the_command_opens_a_copy(monkeypatch, capsys, tmp_path):
    from jupyterlab.labapp import LabApp

    given = []
    monkeypatch.setattr(LabApp, "launch_instance", given.extend)
    folder = tmp_path / "my folder"
    command = ("lessons", "open", "05", "--folder", folder, "--no-browser", "--", "--port=8899")
    assert call_command(monkeypatch, capsys, *command)[0] == 0
    assert given[0] == f"--ServerApp.root_dir={folder}" and given[-2:] == ["--no-browser", "--port=8899"]
    assert given[1] == "--LabApp.default_url=/lab/tree/05_fine_tune.ipynb"
    assert (folder / "05_fine_tune.ipynb").is_file()
    settings = Path(given[2].partition("=")[2], "overrides.json").read_text()
    assert json.loads(settings)["@jupyter-widgets/jupyterlab-manager:plugin"]["saveState"]


def test_the_command_lists_and_copies(monkeypatch, capsys, tmp_path):
    status, output, _ = call_command(monkeypatch, capsys, "lessons")
    assert status == 0 and "How far do five pictures per class get you?" in output
    status, output, _ = call_command(monkeypatch, capsys, "lessons", "copy", "--folder", tmp_path)
    assert status == 0 and output.startswith(f"{len(ORIGINALS)} lessons are in {tmp_path}")
    status, output, _ = call_command(monkeypatch, capsys, "lessons", "status", "--folder", tmp_path)
    assert status == 0 and "0 of 3" in output
