"""The lessons' notebooks as they are stored, and the proof that nbval would notice a changed number."""

import collections
import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from guards import MOST_BYTES, count_words, find_faults, find_solutions, is_compared, list_silent
from lesson_ends import AddedCell
from made_notebooks import write_notebook
from nbval.plugin import IPyNbCell
from storing import run_notebook, strip_widgets, tag_answers

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
LESSON_01 = REPOSITORY / "notebooks" / "01_why_transfer.ipynb"

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run_nbval(folder, plugins=()):
    """Run nbval over the notebooks of a folder with the project's options; return {stem: has passed}."""
    options = ["--nbval", "-c", REPOSITORY / "pyproject.toml", "-p", "no:cacheprovider", "-q", "-rA", "--color=no"]
    options += [f"-p{plugin}" for plugin in plugins]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, folder],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        check=False,
    )
    outcomes = re.findall(r"^(PASSED|FAILED|ERROR) \S*?([\w-]+)\.ipynb::", done.stdout, re.MULTILINE)
    assert outcomes, done.stdout + done.stderr
    return {name: all(outcome == "PASSED" for outcome, other in outcomes if other == name) for _, name in outcomes}


def test_there_is_a_lesson():
    assert LESSON_01 in NOTEBOOKS


@each_notebook
def test_a_stored_notebook_has_no_fault(path):
    assert find_faults(read(path)) == []


@each_notebook
def test_a_notebook_is_a_small_file(path):
    assert path.stat().st_size < MOST_BYTES


@each_notebook
def test_a_lesson_has_the_shape_of_one(path):
    cells = code_cells(read(path))
    lines = sorted(len(cell.source.splitlines()) for cell in cells)
    assert 15 <= len(cells) <= 20
    assert lines[len(lines) // 2] <= 5
    assert sum(map(is_compared, cells)) >= 8


def test_nothing_eats_numbers_before_they_are_compared():
    for name in ("pyproject.toml", "start.py", ".ci/run"):
        assert "sanitize" not in (REPOSITORY / name).read_text()


@pytest.fixture(scope="module")
def sound():
    """Return a made-up notebook without a fault."""
    notebook = nbformat.v4.new_notebook()
    count = nbformat.v4.new_code_cell("1 + 1", execution_count=1)
    count.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=1)]
    loose = nbformat.v4.new_code_cell("noise()", execution_count=2)
    loose.metadata.update(tags=["nbval-ignore-output"], tlkit={"why_not_compared": "it is noise"})
    notebook.cells = [nbformat.v4.new_markdown_cell("word " * 800), count, loose]
    assert find_faults(notebook) == []
    return notebook


def give_stderr(notebook):
    notebook.cells[1].outputs.append(nbformat.v4.new_output("stream", name="stderr", text="UserWarning"))


def give_error(notebook):
    notebook.cells[1].outputs.append(nbformat.v4.new_output("error", ename="E", evalue="", traceback=[]))


def refer_to_widget(notebook):
    notebook.cells[1].outputs[0].data["application/vnd.jupyter.widget-view+json"] = {"model_id": "1"}


def be_silent(notebook):
    notebook.cells[1].metadata["tlkit"] = {"duration_s": 7.0, "shows_progress": False}


FAULTS = {
    "cell 1: took 7 s without progress": be_silent,
    "cell 1: hides progress": lambda notebook: notebook.cells[1].update(source='settings = {"progress": False}'),
    "cell 2: hides progress": lambda notebook: notebook.cells[2].update(source="noise(progress=False)"),
    "expected one run from top to bottom": lambda notebook: notebook.cells[1].update(execution_count=None),
    "was run as number 7": lambda notebook: notebook.cells[2].update(execution_count=7),
    "complained on stderr": give_stderr,
    "ended in an error": give_error,
    "doesn't say why": lambda notebook: notebook.cells[2].metadata.pop("tlkit"),
    "has a mark of nbval other": lambda notebook: notebook.cells[1].update(source="# NBVAL_IGNORE_OUTPUT\n1 + 1"),
    "has a mark of nbval": lambda notebook: notebook.cells[2].metadata["tags"].append("raises-exception"),
    "no cell has words or numbers": lambda notebook: notebook.cells[1].update(outputs=[]),
    "the state of widgets is stored": lambda notebook: notebook.metadata.update(widgets={}),
    "refers to a widget": refer_to_widget,
    "has 16 lines": lambda notebook: notebook.cells[1].update(source="1\n" * 16),
    "699 words": lambda notebook: notebook.cells[0].update(source="word " * 699),
    "1301 words": lambda notebook: notebook.cells[0].update(source="word " * 1301),
}


@pytest.mark.parametrize("said", FAULTS)
def test_each_fault_is_found(sound, said):
    faulty = copy.deepcopy(sound)
    FAULTS[said](faulty)
    assert any(said in fault for fault in find_faults(faulty))


def test_words_are_counted_without_code_and_links():
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_markdown_cell("Two [words](https://a.b/c)<br>\n```python\nnot = 'these'\n```"),
        nbformat.v4.new_code_cell("# nor these"),
    ]
    assert count_words(notebook) == 2


def store(path, notebook, change=None):
    """Write a run notebook, with the text of one output replaced where `change` gives (old, new)."""
    text = nbformat.writes(notebook)
    if change:
        assert text.count(change[0]) == 1
        text = text.replace(*change)
    path.write_text(text)


@pytest.mark.slow
def test_a_changed_number_or_word_fails_and_an_unchanged_notebook_passes(tmp_path):
    made = read(write_notebook(tmp_path / "made.ipynb", ["len('four') + 37", "print('transfer', 'helps')"]))
    run = strip_widgets(run_notebook(made, tmp_path))
    (tmp_path / "made.ipynb").unlink()
    store(tmp_path / "same.ipynb", run)
    store(tmp_path / "number.ipynb", run, ('"41"', '"42"'))
    store(tmp_path / "word.ipynb", run, ("transfer helps", "transfer harms"))
    assert run_nbval(tmp_path) == {"same": True, "number": False, "word": False}


SHOWING = """
from tlkit.notices import show_progress

for _ in show_progress(None, "made", "letter", iterable="abcd"):
    time.sleep(0.3)
"""


@pytest.mark.slow
def test_progress_is_shown_and_leaves_no_trace(tmp_path, monkeypatch):
    monkeypatch.setattr("storing.MOST_SILENT_S", 1.0)
    sources = ["import time\nimport tlkit as tl", f"print('before'){SHOWING}print('after')", "time.sleep(1.2)"]
    notebook = run_notebook(read(write_notebook(tmp_path / "made.ipynb", sources)), tmp_path)
    (silent,) = list_silent(notebook, 1.0)
    assert re.fullmatch(r"cell 3: took \d+ s without progress", silent)  # a second, or more on a busy machine
    strip_widgets(notebook)
    assert [output.text for output in notebook.cells[1].outputs] == ["before\n", "after\n"]
    store(tmp_path / "made.ipynb", notebook)
    assert run_nbval(tmp_path) == {"made": True}


@pytest.mark.slow
def test_storing_keeps_folded_outputs_and_descriptions_of_pictures(tmp_path):
    drawing = (
        "import matplotlib.pyplot as plt\nimport tlkit as tl\ntl.plots.describe(plt.subplots()[0], 'An empty figure.')"
    )
    made = read(write_notebook(tmp_path / "made.ipynb", [drawing, "len('four')"]))
    made.cells[1].metadata["jupyter"] = {"outputs_hidden": True}
    store(tmp_path / "made.ipynb", tag_answers(strip_widgets(run_notebook(made, tmp_path))))
    stored = read(tmp_path / "made.ipynb")
    assert stored.cells[0].outputs[0].metadata["image/png"]["alt"] == "An empty figure."
    assert stored.cells[1].metadata == {"jupyter": {"outputs_hidden": True}, "tags": ["answer"]}
    assert "tags" not in stored.cells[0].metadata
    assert run_nbval(tmp_path) == {"made": True}


@pytest.mark.slow
def test_a_changed_number_in_the_quick_part_of_lesson_01_fails(tmp_path):
    notebook = read(LESSON_01)
    first_slow = next(place for place, cell in enumerate(notebook.cells) if "tl.compare" in cell.source)
    notebook.cells = notebook.cells[:first_slow]
    store(tmp_path / "same.ipynb", notebook)
    (counts,) = [cell for cell in code_cells(notebook) if "set(test.groups)" in cell.source]
    stored = counts.outputs[0].text.splitlines()[-1]
    store(tmp_path / "changed.ipynb", notebook, (stored, stored.replace("5", "6", 1)))
    assert run_nbval(tmp_path) == {"same": True, "changed": False}


@each_notebook
def test_a_lesson_has_the_solutions_of_its_two_exercises(path):
    assert len(find_solutions(read(path))) == 2


def test_each_lesson_that_nbval_runs_beside_these_tests_ends_with_solutions_and_memory(request):
    added, n_cells = collections.defaultdict(list), collections.Counter()
    for item in request.session.items:
        if isinstance(item, AddedCell):
            added[item.path].append(item.name)
        n_cells[item.path] += isinstance(item, IPyNbCell)
    whole = {path for path in added if n_cells[path] == len(code_cells(read(path)))}
    expected = ["begin measuring", "solution 1", "solution 2", "optional packages", "memory in MiB"]
    assert {path: added[path] for path in whole} == dict.fromkeys(whole, expected)


@pytest.mark.slow
def test_a_wrong_solution_and_too_much_memory_fail_though_every_cell_passes(tmp_path):
    def write(stem, source, solution):
        notebook = read(write_notebook(tmp_path / f"{stem}.ipynb", [source]))
        folded = f"<details>\n\n```python\n{solution}\n```\n</details>"
        notebook.cells.append(nbformat.v4.new_markdown_cell(folded))
        nbformat.write(notebook, tmp_path / f"{stem}.ipynb")

    # The least memory that a lesson's kernel holds; pages count once they are written.
    hold = "held = bytearray(250 * 2**20)\nheld[::4096] = b'1' * len(held[::4096])\nanswer = 'Passed: by hand'"
    write("right", hold, "class Said(str):\n    __repr__ = str.__str__\nSaid(answer)")
    write("wrong", hold, "answer")
    write("stops", hold, "no_answer")
    write("heavy", hold.replace("250", "1500"), "class Said(str):\n    __repr__ = str.__str__\nSaid(answer)")
    outcomes = run_nbval(tmp_path, plugins=["lesson_ends"])
    assert outcomes == {"right": True, "wrong": False, "stops": False, "heavy": False}
