"""`import tlkit` is light, and everything it promises is there."""

import importlib
import inspect
import json
import subprocess
import sys

import pytest

import tlkit as tl

HEAVY = {
    *(
        "torch",
        "torchvision",
        "timm",
        "openvino",
        "matplotlib",
        "pandas",
        "sklearn",
        "skimage",
        "scipy",
        "numpy",
        "PIL",
    ),
    *("ipywidgets", "IPython", "rich", "typer"),
}
# Faces load a module when one of its names is first used: a star import uses them all.
WITHOUT_TORCH = (
    *(
        f"from tlkit.{face} import *"
        for face in ("images", "heads", "evaluation", "export", "plots", "selection", "strategies")
    ),
    *(f"import tlkit.{module}" for module in ("cli.installation", "cli", "adaptation.pair_comparison")),
    *(f"import tlkit.{module}" for module in ("adaptation.gaps", "adaptation.target_shots")),
    *(f"import tlkit.{module}" for module in ("comparison.compare", "inspection.similarity")),
)


def list_loaded(code):
    """Return the names of the modules that another Python has loaded after running code."""
    code = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_tlkit_loads_nothing_heavy():
    loaded = list_loaded("import tlkit; dir(tlkit); tlkit.__version__")
    assert "tlkit" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert {name for name in loaded if name.startswith("tlkit.")} == {"tlkit.lazy"}


@pytest.mark.parametrize("statement", WITHOUT_TORCH)
def test_what_needs_no_torch_loads_none(statement):
    loaded = list_loaded(statement)
    assert len({name for name in loaded if name.startswith("tlkit.")}) > 2
    assert loaded.isdisjoint({"torch", "torchvision", "timm", "openvino"})


@pytest.mark.parametrize("name", tl.__all__)
def test_every_public_name_is_there(name):
    value = getattr(tl, name)
    assert value is getattr(tl, name)
    own = value.__name__ if inspect.ismodule(value) else value.__module__
    assert own.startswith("tlkit.")
    assert value.__doc__, "a public name without an explanation"


def test_the_names_of_the_lessons_are_public():
    assert {"load_images", "load_backbone", "freeze", "extract_features", "fit_head", "transfer"} <= set(tl.__all__)
    assert {"compare", "load_run", "Phase", "Strategy", "lessons", "widgets", "plots"} <= set(tl.__all__)
    assert set(tl.__all__) <= set(dir(tl))
    assert tl.__all__ == sorted(set(tl.__all__))


def test_no_submodule_bears_the_name_of_a_public_function():
    for name in tl.__all__:
        if not isinstance(getattr(tl, name), type(sys)):
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module(f"tlkit.{name}")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(AttributeError, match=r"tlkit has no 'load_image'; nearest: 'load_images'"):
        tl.load_image  # noqa: B018
    assert not hasattr(tl, "__path_of_nothing__")


def test_star_brings_every_public_name():
    assert set(tl.__all__) <= set(vars(importlib.import_module("tlkit")))
    namespace = {}
    exec("from tlkit import *", namespace)
    assert set(tl.__all__) <= set(namespace)
