"""A plugin of pytest: checks of a lesson in the kernel that has run its cells for nbval anyway.

Its folded solutions pass their exercises, and all of it stays within the memory of the smallest computer it is for. A
run of its own for these would double the time that the notebooks take.
"""

import pytest
from guards import find_solutions
from nbval.plugin import IPyNbFile

from tlkit.cli.installation import LESSONS

MOST_MEMORY_MIB = 1.5 * 1024
CELL_TIMEOUT_S = 600
BEGIN_MEASURING = """
from tlkit.cpu.memory import measured
_block = measured()
_measurement = _block.__enter__()
"""
# Names of packages to install, for modules that may be missing.
OPTIONAL_PACKAGES = """
import sys
names = {name: name for name in ("peft", "captum", "onnx", "onnxruntime", "onnxscript")} | {"ot": "POT"}
sorted(name for module, name in names.items() if module in sys.modules)
"""
END_MEASURING = """
_block.__exit__(None, None, None)
_measurement.peak_memory_mib
"""


class AddedCell(pytest.Item):
    """Code that is run between a notebook's cells without being one, and a check of its value.

    Arguments
    ---------
    source: str
    expected: callable that takes the text of the last line's value and says whether it is right, or None
    """

    def __init__(self, *, source, expected=None, **keywords):
        super().__init__(**keywords)
        self.source, self.expected = source, expected

    def runtest(self):
        messages = []
        reply = self.parent.kernel.kc.execute_interactive(
            self.source, store_history=False, allow_stdin=False, timeout=CELL_TIMEOUT_S, output_hook=messages.append
        )["content"]
        if reply["status"] != "ok":
            raise AssertionError("\n".join(reply["traceback"]))
        values = [message["content"]["data"]["text/plain"] for message in messages if "data" in message["content"]]
        if self.expected and not (values and self.expected(values[-1])):
            raise AssertionError(f"{self.name}: {values[-1] if values else 'no value'}")

    def reportinfo(self):
        return self.path, None, f"{self.path.name}: {self.name}"


def is_within_memory(peak_mib):
    """Say whether a peak of memory, as text, is a real one and not too high."""
    return 200 < float(peak_mib) < MOST_MEMORY_MIB


def is_in_table(name):
    """Return a function that says whether a lesson has imported the packages of its row in the table."""
    table = sorted(package for package in LESSONS.get(name[:2], ()) if not package.startswith("efficientnet"))
    return lambda text: text == repr(table)


def add_cells(notebook):
    """Return the added cells (before, after) of a collected notebook."""
    before = [AddedCell.from_parent(notebook, name="begin measuring", source=BEGIN_MEASURING)]
    after = [
        AddedCell.from_parent(
            notebook, name=f"solution {place}", source=solution, expected=lambda text: text.startswith("Passed: ")
        )
        for place, solution in enumerate(find_solutions(notebook.nb), 1)
    ]
    packages = {"name": "optional packages", "source": OPTIONAL_PACKAGES, "expected": is_in_table(notebook.path.name)}
    memory = {"name": "memory in MiB", "source": END_MEASURING, "expected": is_within_memory}
    return before, [*after, *(AddedCell.from_parent(notebook, **cell) for cell in (packages, memory))]


def pytest_collection_modifyitems(items):
    """Put the added cells around those of each notebook."""
    notebooks = dict.fromkeys(item.parent for item in items if isinstance(item.parent, IPyNbFile))
    for notebook in notebooks:
        places = [place for place, item in enumerate(items) if item.parent is notebook]
        before, after = add_cells(notebook)
        items[places[-1] + 1 : places[-1] + 1] = after
        items[places[0] : places[0]] = before
