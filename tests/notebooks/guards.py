"""Requirements on stored notebooks that nbval doesn't check: `find_faults`."""

import ast
import importlib
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_LINES = 15
N_CODE_CELLS = (15, 20)
N_PREDICTIONS = 3
LEAST_CLAIMS = 5
LONG_SENTENCE_WORDS = 32
MOST_LONG_SENTENCES = 10  # in all lessons together
_FOREIGN = {"numpy", "pandas", "torch", "matplotlib", "sklearn", "IPython", "scipy", "PIL"}
WORDS = (700, 1300)
LEAST_WORDS = 900  # of a lesson; an introduction may have fewer
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
    """Return the faults of a stored notebook, one sentence per fault."""
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


def list_code(notebook):
    """Return the sources of a notebook's code cells, without magic lines, which are no Python."""
    cells = (cell.source for cell in notebook.cells if cell.cell_type == "code")
    return [re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE) for source in cells]


def find_lesson_faults(notebook, stem):
    """Return the faults of a lesson's content, a sentence each; lesson 00 is an introduction and needs less."""
    is_lesson = not stem.startswith("00")
    code, prose = list_code(notebook), read_prose(notebook)
    faults = [f"imports {name}, which is not public" for source in code for name in list_hidden_imports(source)]
    faults += [f"prints {line!r}, expected a number" for line in list_printed_booleans(notebook)]
    if not N_CODE_CELLS[0] <= len(code) <= N_CODE_CELLS[1]:
        faults.append(f"{len(code)} code cells, expected {N_CODE_CELLS[0]} to {N_CODE_CELLS[1]}")
    if f'tl.widgets.Quiz("{stem[:2]}")' not in "\n".join(code):
        faults.append("does not ask its quiz")
    if is_lesson:
        n_words, names = count_words(notebook), list_first_arguments(code, "Prediction")
        if n_words < LEAST_WORDS:
            faults.append(f"{n_words} words of prose, expected {LEAST_WORDS} at least")
        if len(set(names)) != N_PREDICTIONS:
            faults.append(f"{len(set(names))} predictions, expected {N_PREDICTIONS}")
        if len(compared := re.findall(r"(?<!\btl)\.compare\(", "\n".join(code))) < N_PREDICTIONS:
            faults.append(f"{len(compared)} predictions are compared with a result, expected {N_PREDICTIONS}")
        if "**For teachers:**" not in prose:
            faults.append("no line for teachers")
        if not re.search(r"\*\*(30[- ]minute path|in 30 minutes):", prose, re.IGNORECASE):
            faults.append("no 30-minute path")
        if len(claims := list_shown_claims(code)) < LEAST_CLAIMS:
            faults.append(f"shows {len(claims)} claims, expected {LEAST_CLAIMS} at least")
    return faults


def read_prose(notebook):
    """Return the Markdown of a notebook, without the links to other lessons."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown" and not is_links(cell))


def list_hidden_imports(source):
    """Return the names that a cell imports although they are not public in tlkit, and not of a well-known package."""
    hidden = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            pairs = [(name.name, None) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            pairs = [(node.module, name.name) for name in node.names]
        else:
            continue
        hidden += [f"{module}.{name}" if name else module for module, name in pairs if not _is_public(module, name)]
    return hidden


def _is_public(module, name):
    root = module.partition(".")[0]
    if root != "tlkit":
        return root in _FOREIGN or root in sys.stdlib_module_names
    if name is None:
        return module == "tlkit"
    # A folder's `__all__` lists its public names; modules of a folder have none.
    return module.count(".") < 2 and name in getattr(importlib.import_module(module), "__all__", ())


def list_printed_booleans(notebook):
    """Return the lines of output that end in a bare truth value."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = [output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return [line for text in texts for line in text.splitlines() if re.search(r":\s*(True|False)\s*$", line)]


def list_first_arguments(code, function):
    """Return the first arguments, if they are texts, of all calls of a function or method by its last name."""
    calls = [node for source in code for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [call for call in calls if (getattr(call.func, "attr", None) or getattr(call.func, "id", "")) == function]
    first = [(call.args or [keyword.value for keyword in call.keywords])[:1] for call in named]
    return [node.value for nodes in first for node in nodes if isinstance(node, ast.Constant)]


def list_shown_claims(code):
    """Return the names of the claims that code cells show (a set of str); a lesson's number stands for all of its."""
    calls = [
        node
        for source in code
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("claims.show", "ClaimExplorer"))
    ]
    names = {node.value for call in calls for node in ast.walk(call) if isinstance(node, ast.Constant)}
    return {claim for name in names for claim in _expand_claims(str(name))}


def _expand_claims(name):
    """Return the claims of a lesson's number, or else the name of a claim, if there is one."""
    definitions = sorted((REPOSITORY / "claims").glob("lesson_*.py"))
    claims = {path.stem.removeprefix("lesson_"): _list_claims(path) for path in definitions}
    return claims.get(name, [claim for names in claims.values() for claim in names if claim == name])


def _list_claims(path):
    """Return the names of the claims that a file defines: keywords of decorators that have a `Claim`."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    keywords = [keyword for call in calls for keyword in call.keywords if isinstance(keyword.value, ast.Call)]
    return [keyword.arg for keyword in keywords if getattr(keyword.value.func, "id", "") == "Claim"]


def list_long_sentences(notebook):
    """Return the sentences of a notebook's prose with more than `LONG_SENTENCE_WORDS` words."""
    prose = re.sub(r"```.*?```", "\n\n", read_prose(notebook), flags=re.DOTALL)
    blocks = [" ".join(block.split()) for block in re.split(r"\n\s*\n", prose)]
    running = [block for block in blocks if not re.match(r"[#|<!\[]", block)]
    sentences = [sentence for block in running for sentence in re.split(r"(?<=[.!?])\s+", block)]
    return [sentence for sentence in sentences if len(re.findall(r"[A-Za-z']+", sentence)) > LONG_SENTENCE_WORDS]
