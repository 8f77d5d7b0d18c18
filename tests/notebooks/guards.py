"""What a stored notebook must be like beyond what nbval compares: `find_faults`."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_LINES = 15
WORDS = (700, 1300)
MOST_BYTES = 1_500_000
MOST_SILENT_S = 3.0  # a cell that takes longer shows progress
SLOW_MACHINE = 2.0  # notebooks may be stored by a machine this many times as slow
IGNORE_TAG = "nbval-ignore-output"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
# Any other of nbval's marks would skip a cell, or let it fail, without a reason that a reader can see.
_FORBIDDEN_TAGS = {"nbval-skip", "nbval-raises-exception", "raises-exception", "pytest-validate-ignore-output"}
HIDDEN_PROGRESS = re.compile(r"""progress(=|"\s*:|'\s*:)\s*False""")
_MARK_IN_COMMENT = re.compile(r"^\s*#\s*(NBVAL_\w+|PYTEST_VALIDATE_IGNORE_OUTPUT)", re.MULTILINE)


def find_faults(notebook):
    """Return what is wrong with a stored notebook, a sentence each."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    faults = [f"cell {place}: {fault}" for place, cell in enumerate(code, 1) for fault in _faults_of(cell, place)]
    if not any(is_compared(cell) for cell in code):
        faults.append("no cell has words or numbers that are compared")
    faults += list_silent(notebook, SLOW_MACHINE * MOST_SILENT_S)
    if "widgets" in notebook.metadata:
        faults.append("the state of widgets is stored")
    n_words = count_words(notebook)
    if not WORDS[0] <= n_words <= WORDS[1]:
        faults.append(f"{n_words} words of prose, expected {WORDS[0]} to {WORDS[1]}")
    return faults


def _faults_of(cell, place):
    if cell.execution_count != place:
        yield f"was run as number {cell.execution_count}, expected one run from top to bottom"
    if HIDDEN_PROGRESS.search(cell.source):
        yield "hides progress"
    if len(cell.source.splitlines()) > MOST_LINES:
        yield f"has {len(cell.source.splitlines())} lines, expected {MOST_LINES} at most"
    for output in cell.outputs:
        if output.output_type == "error" or output.get("name") == "stderr":
            yield "ended in an error or complained on stderr"
        if WIDGET_VIEW in output.get("data", {}):
            yield "refers to a widget whose state is not stored; run tests/notebooks/storing.py"
    tags = set(cell.metadata.get("tags", []))
    if tags & _FORBIDDEN_TAGS or _MARK_IN_COMMENT.search(cell.source):
        yield "has a mark of nbval other than the tag nbval-ignore-output"
    if IGNORE_TAG in tags and not str(cell.metadata.get("tlkit", {}).get("why_not_compared", "")).strip():
        yield "is not compared, and its metadata (tlkit, why_not_compared) doesn't say why"


def list_silent(notebook, longest_s=MOST_SILENT_S):
    """Return the cells that took longer than `longest_s` when they were stored and showed no progress, as sentences."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notes = [(place, cell.metadata.get("tlkit", {})) for place, cell in enumerate(code, 1)]
    return [
        f"cell {place}: took {note['duration_s']:.0f} s without progress"
        for place, note in notes
        if note.get("duration_s", 0) > longest_s and not note["shows_progress"]
    ]


def is_compared(cell):
    """Say whether nbval compares words or numbers of a code cell, more than the name of a picture's class."""
    if IGNORE_TAG in cell.metadata.get("tags", []):
        return False
    texts = [output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return any(text and not text.startswith("<") for text in texts)


def is_links(cell):
    """Return whether a cell has nothing but links to other lessons, which links.py writes."""
    return "links" in cell.metadata.get("tlkit", {})


def count_words(notebook):
    """Count the words of a notebook's prose, without code, links and markup, and without links to other lessons."""
    texts = [cell for cell in notebook.cells if cell.cell_type == "markdown" and not is_links(cell)]
    prose = "\n".join(cell.source for cell in texts)
    prose = re.sub(r"```.*?```|\]\([^)]*\)|<[^>]*>", " ", prose, flags=re.DOTALL)
    return len(re.findall(r"\w[\w'’.-]*", prose))


def find_solutions(notebook):
    """Return the code in a notebook's folded solutions (a list of str)."""
    folded = [
        block
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for block in re.findall(r"<details>.*?</details>", cell.source, re.DOTALL)
    ]
    return [code for block in folded for code in re.findall(r"```python\n(.*?)```", block, re.DOTALL)]


def list_terms(text):
    """Return the terms of the glossary, the headings of its second level (a list of str)."""
    return [heading for heading in re.findall(r"^## (.+)$", text, re.MULTILINE) if heading != "Sources"]


def find_dead_terms(notebook, terms):
    """Return the links of a notebook to the glossary that lead to none of its terms (a list of str)."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    alive = {f"../docs/glossary.md#{term.replace(' ', '-')}" for term in terms}
    return [link for link in re.findall(r"\]\(([^)]*glossary\.md[^)]*)\)", prose) if link not in alive]
