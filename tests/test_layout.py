"""Names, folders and imports of the package, and what an editor sees of it."""

import ast
import collections
import contextlib
import dataclasses
import importlib
import inspect
import sys
from pathlib import Path

import grimp
import jedi
import pytest

import tlkit as tl

ROOT = Path(tl.__file__).parent
# These folders mirror each other on purpose: a summary, its drawing, its explorer.
MIRRORS = {"summaries", "plots", "widgets", "lessons", "cli"}
# Terms of the field that end in -ing.
FIELD_TERMS = {"early_stopping", "training", "freezing", "preprocessing"}
CORE = {
    "backbones",
    "comparison",
    "cpu",
    "evaluation",
    "features",
    "heads",
    "images",
    "strategies",
    "texts",
    "training",
}
CORE |= {"arguments", "lazy", "names", "notices", "storage"}


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("tlkit", cache_dir=None)


@pytest.fixture(scope="module")
def faces(graph):
    """Return the packages, which only list public names."""
    return {module for module in graph.modules if (ROOT.parent / module.replace(".", "/")).is_dir()}


def find_reached(graph, faces, start):
    """Return the modules that a module imports, however far and wherever, without faces, drawings and exports."""
    reached, waiting = set(), [start]
    while waiting:
        for module in graph.find_modules_directly_imported_by(waiting.pop()) - faces - reached:
            if not module.startswith(("tlkit.plots", "tlkit.export")):
                reached.add(module)
                waiting.append(module)
    return reached


def count_lines(modules):
    paths = [ROOT.parent / f"{module.replace('.', '/')}.py" for module in modules]
    return sum(len(path.read_text().splitlines()) for path in paths)


def list_modules():
    return [path.relative_to(ROOT) for path in ROOT.rglob("*.py") if path.name != "__init__.py"]


def find_repeated(paths):
    """Return the file names that occur twice outside the folders that mirror each other."""
    counts = collections.Counter(path.stem for path in paths if path.parts[0] not in MIRRORS)
    return [name for name, count in counts.items() if count > 1]


def find_gerunds(paths):
    return [path.stem for path in paths if path.stem.endswith("ing") and path.stem not in FIELD_TERMS]


def test_no_file_name_occurs_twice():
    assert find_repeated(list_modules()) == []
    assert find_repeated([Path("heads/fit.py"), Path("backbones/weights/fit.py"), Path("plots/fit.py")]) == ["fit"]


def test_modules_are_named_by_nouns():
    assert find_gerunds(list_modules()) == []
    assert find_gerunds([Path("training/stepping.py"), Path("training/early_stopping.py")]) == ["stepping"]


def test_no_module_is_longer_than_its_idea():
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in list_modules()}
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_imports_make_no_circle_even_inside_functions(graph):
    order = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    while ready := [module for module, imported in order.items() if not imported & order.keys()]:
        for module in ready:
            del order[module]
    assert sorted(order) == []


def test_what_only_editors_import_is_there():
    """Imports under TYPE_CHECKING are never run, so that a renamed module or name would go unnoticed."""
    imported = {
        (node.module, alias.name)
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tlkit")
        for alias in node.names
    }
    missing = [(module, name) for module, name in sorted(imported) if not has_name(module, name)]
    assert missing == []


def has_name(module, name):
    with contextlib.suppress(ModuleNotFoundError):
        return hasattr(importlib.import_module(module), name) or bool(importlib.import_module(f"{module}.{name}"))
    return False


@pytest.mark.parametrize(
    ("module", "most"), [("strategies.catalogue", 10), ("training.transfer", 82), ("comparison.compare", 92)]
)
def test_a_reader_needs_few_modules(graph, faces, module, most):
    reached = find_reached(graph, faces, f"tlkit.{module}")
    assert len(reached) <= most
    assert {name.split(".")[1] for name in reached} <= CORE


def test_the_core_is_small(graph, faces):
    assert count_lines({"tlkit.comparison.compare"} | find_reached(graph, faces, "tlkit.comparison.compare")) <= 11_298
    core = {module for module in graph.modules - faces if module.split(".")[1] in CORE}
    assert count_lines(core) <= 18_735
    assert count_lines(graph.modules - faces) <= 38_651


@pytest.fixture(scope="module")
def complete():
    """Return a function that lists what an editor offers at the end of some code, without running it."""
    project = jedi.Project(ROOT.parent, environment_path=sys.prefix)

    def complete(code):
        offered = jedi.Script(code, project=project).complete()
        return [name for name in offered if not name.name.startswith("_")]

    return complete


@pytest.mark.parametrize("face", ["", "adaptation", "evaluation", "inspection", "plots", "strategies", "widgets"])
def test_an_editor_offers_the_public_names(complete, face):
    package = ROOT / face
    offered = {name.name for name in complete("import tlkit as tl\ntl." + (f"{face}." if face else ""))}
    # An editor lists the modules that lie in a folder as well, whatever a package says.
    files = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    public = set(tl.__all__) if not face else set(getattr(tl, face).__all__)
    assert public <= offered
    assert offered - files <= public


def test_an_editor_shows_signature_and_docstring(complete):
    code = "import tlkit as tl\ntl.transfer("
    (signature,) = jedi.Script(code, project=jedi.Project(ROOT.parent)).get_signatures()
    names = [parameter.name for parameter in signature.params]
    assert names[:3] == ["backbone", "images", "strategy"] and "max_grad_norm" in names
    assert "Parameters" in signature.docstring()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("run = tl.transfer(backbone, images)\nrun.", {"evaluate", "predict", "history", "cost", "save"}),
        ("comparison = tl.compare(backbone)\ncomparison.", {"table", "runs", "verdicts", "predictions", "draw"}),
        ("images = tl.load_images()\nimages.", {"split", "few", "select", "disjoint_from"}),
        ("texts = tl.load_texts().few(5)[:3]\ntexts.", {"split", "few", "select", "with_groups"}),
        ("study = tl.Study()\nstudy.", {"run", "status", "table", "verdicts", "draw", "export"}),
        ("backbone = tl.load_backbone()\nbackbone.", {"stages", "until", "after", "preprocess", "cost"}),
    ],
)
def test_an_editor_offers_the_members_of_results(complete, code, expected):
    assert expected <= {name.name for name in complete("import tlkit as tl\n" + code)}


def list_functions():
    """Return {name: function} of the public functions, constructors and methods; dataclasses are results."""
    found = {}
    for face in ("", *(name for name in tl.__all__ if inspect.ismodule(getattr(tl, name)))):
        package = getattr(tl, face) if face else tl
        for name in package.__all__:
            public = getattr(package, name)
            members = vars(public) if inspect.isclass(public) else {"": public}
            generated = {"__init__"} if dataclasses.is_dataclass(public) else set()
            found |= {
                f"{face}.{name}.{key}".strip("."): member
                for key, member in members.items()
                if inspect.isfunction(member) and key not in generated
            }
    return found


def test_no_parameter_asks_for_a_list():
    """A list[str] is no list[str | Strategy] for an editor, and defaults are tuples: parameters take a Sequence."""
    asked = {
        f"{name}({parameter.name}: {parameter.annotation})"
        for name, function in list_functions().items()
        for parameter in inspect.signature(function).parameters.values()
        if "list[" in str(parameter.annotation)
    }
    assert asked == set()
