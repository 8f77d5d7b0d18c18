"""Public docstrings are numpydoc's, internal ones one line."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest
from numpydoc.validate import validate

import tlkit

ROOT = Path(tlkit.__file__).parent
# "See also" and extended summaries are welcome, not required; methods need no example of their own.
OPTIONAL = {"SA01", "ES01"}
FACES = ("", *sorted(path.parent.name for path in ROOT.glob("*/__init__.pyi")))


def list_exported():
    """Return {(module, name)} of all names that stubs export, with submodules left out."""
    exported = set()
    for face in FACES:
        tree = ast.parse((ROOT / face / "__init__.pyi").read_text())
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                parts = ["tlkit", *face.split("/"), node.module]
                exported |= {(".".join(filter(None, parts)), alias.name) for alias in node.names}
    return exported


def list_bases(value):
    """Return the classes that an exported class shares its public methods with: the base of `Run`."""
    return [base for base in getattr(value, "__mro__", ())[1:] if base.__module__.startswith("tlkit.training")]


def list_documented():
    """Return the full names of exported functions, classes, and their own public methods."""
    names = []
    for module, name in sorted(list_exported()):
        value = getattr(importlib.import_module(module), name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        names.append(f"{module}.{name}")
        if inspect.isclass(value):
            parts = [pair for each in (value, *list_bases(value)) for pair in vars(each).items()]
            own = (key for key, part in parts if callable(part) or isinstance(part, property))
            names += [f"{module}.{name}.{key}" for key in own if not key.startswith("_")]
    return names


def find_faults(name):
    """Return numpydoc's complaints about a public name."""
    optional = OPTIONAL | ({"EX01"} if name.rpartition(".")[0].rpartition(".")[2][0].isupper() else set())
    return [f"{code} {text}" for code, text in validate(name)["errors"] if code not in optional]


@pytest.mark.filterwarnings("ignore:Widget:DeprecationWarning")  # the validator reads all members of a class
@pytest.mark.parametrize("name", list_documented())
def test_public_docstrings_pass_the_validator_of_numpydoc(name):
    assert not find_faults(name)


def list_internal():
    """Return (file, line, name, docstring or None) of functions and classes that aren't exported."""
    exported, found = list_exported(), []
    values = [getattr(importlib.import_module(module), name) for module, name in exported]
    exported |= {(base.__module__, base.__name__) for value in values for base in list_bases(value)}

    def walk(node, file, module, is_public, depth):
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                continue
            public = (module, child.name) in exported if depth == 0 else is_public and not child.name.startswith("_")
            if not public and not child.name.startswith("__"):
                found.append((file, child.lineno, child.name, ast.get_docstring(child), depth))
            if isinstance(child, ast.ClassDef):
                walk(child, file, module, public, depth + 1)

    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT.parent)
        walk(ast.parse(path.read_text()), str(relative), ".".join(relative.with_suffix("").parts), False, 0)
    return found


def test_internal_functions_have_a_docstring_of_one_line():
    faults = []
    for file, line, name, text, _ in list_internal():
        lines = [] if text is None else text.splitlines()
        if len(lines) != 1:
            faults.append(f"{file}:{line} {name}: {len(lines)} lines")
    assert not faults, f"{len(faults)}\n" + "\n".join(faults)
