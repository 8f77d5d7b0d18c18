"""`load_run`: a run from the folder in which it was saved."""

import dataclasses
import hashlib
import importlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from tlkit import __version__
from tlkit.backbones.backbone import Backbone
from tlkit.backbones.loader import load_backbone
from tlkit.backbones.recipe import Recipe
from tlkit.backbones.weights.error import WeightsError
from tlkit.cpu.threads import default_states
from tlkit.evaluation.rejection import Rejection
from tlkit.training.changed_weights import compose, load_start
from tlkit.training.checkpoints import hash_facts
from tlkit.training.run import Run
from tlkit.training.run_files import DESCRIPTION, describe_damage, describe_missing, read_description, split_parts


@default_states()
def load_run(folder: str | Path, *, backbone: Backbone | str | None = None) -> Run:
    """Load a run that `Run.save` saved.

    Parameters
    ----------
    folder : str or Path
        Folder of the run.
    backbone : Backbone or str, optional
        The network, if it is one of your own (`Backbone.from_module`), or "package.module:function" of the function
        that makes its module. Its code is run only if you name it here; its weights are those of the run.

    Returns
    -------
    Run
        The run, which predicts the same bits.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError, WeightsError
        If a file is damaged or belongs to another run, or changes were saved and the pretrained weights are not there;
        if an own network is not given, or computes other features than it did.

    Examples
    --------
    >>> import tempfile
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> run = tl.transfer(backbone, images, tl.Strategy([tl.Phase(["head"], 1, 1e-2)]), progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run.save(folder)
    ...     loaded = load_run(folder)
    >>> (loaded.predict(images) == run.predict(images)).all()
    np.True_
    """
    tensors, described = _read_run(folder := Path(folder).expanduser())
    # Of a run that was saved before its pictures, facts for its card, or a rejection were recorded.
    described = {"trained_on": [], "report": {}, "rejection": None} | described
    expected = {*(field.name for field in dataclasses.fields(Run)), "only_changes"} - {"head", "adapters"}
    _check_description(folder, described, expected)
    saved, only_changes = described.pop("backbone"), described.pop("only_changes")
    parts = split_parts(tensors)
    saved["recipe"] |= {name: value.numpy().tobytes().decode() for name, value in parts["recipe"].items()}
    if "made" in saved:
        own_network = importlib.import_module("tlkit.backbones.own_network")
        backbone = own_network.remake(backbone, saved, only_changes)
    elif backbone is not None:
        raise ValueError(f"backbone: given, but the run's network is {saved['name']}, which is found by name: omit it")
    recipe = Recipe.of(saved["recipe"])  # sets of weights of one network can have different ones
    if only_changes:
        try:
            backbone = load_start(saved["name"], recipe, described["start_hash"], backbone)
        except WeightsError as error:
            raise WeightsError(f"folder: {folder} has only the changes of a training, and {error}") from error
        state = compose(backbone.state_dict(), parts["backbone"], parts["adapters"])
    else:
        backbone = backbone or load_backbone(saved["name"], weights=None, **recipe.settings)
        state = parts["backbone"]
    backbone.recipe = recipe
    backbone.provenance = saved["provenance"]
    head = nn.utils.skip_init(nn.Linear, backbone.n_features, len(described["classes"]))
    for module, values in ((backbone, state), (head, parts["head"])):
        _check_tensors(folder, values, module.state_dict())
        module.load_state_dict(values)
    if described["rejection"]:
        tensors = {name: value.numpy() for name, value in parts["rejection"].items()}
        described["rejection"] = Rejection(tensors=tensors, **described["rejection"])
    if "made" in saved:
        backbone.name, backbone.made = saved["name"], {k: v for k, v in saved["made"].items() if k != "features"}
        own_network.check_remade(backbone.eval(), saved)
    return Run(backbone=backbone.eval(), head=head.eval(), adapters=parts["adapters"], **described)


def _read_run(folder):
    """Return the (tensors, description) that `write_run` wrote; an error if files are missing or damaged."""
    described = read_description(folder)
    # The hash notices what is still JSON: classes that changed places, a seed that became a text.
    if described.pop("sha256", None) != hash_facts(described):
        raise ValueError(describe_damage(folder, f"the facts in {DESCRIPTION} are not those that were saved"))
    weights, digest = described.pop("weights").values()
    if not (folder / weights).is_file():
        raise FileNotFoundError(describe_missing(folder, weights))
    data = (folder / weights).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(describe_damage(folder, f"the bytes of {weights} are not those that were saved"))
    try:
        return load(data), described
    except SafetensorError as error:
        raise ValueError(describe_damage(folder, f"{weights} can't be read: {error}")) from error


def _check_tensors(folder, given, expected):
    """Raise ValueError if the tensors of a folder don't have the expected names and shapes."""
    for name in sorted(given.keys() ^ expected.keys()):
        fault = "lacks" if name in expected else "has"
        raise ValueError(describe_damage(folder, f"its weights are another network's: it {fault} {name}"))
    for name, value in expected.items():
        if given[name].shape != value.shape:
            shapes = f"{name} is {tuple(given[name].shape)}, expected {tuple(value.shape)}"
            raise ValueError(describe_damage(folder, f"its weights are another network's: {shapes}"))


def _check_description(folder, described, expected):
    """Raise ValueError if a description doesn't have exactly the expected entries."""
    for name in sorted(described.keys() ^ expected):
        fault = "lacks" if name in expected else "has an unknown"
        fault += f" {name!r} (tlkit {described.get('versions', {}).get('tlkit')} wrote it, and this is {__version__})"
        raise ValueError(describe_damage(folder, f"{DESCRIPTION} {fault}"))
