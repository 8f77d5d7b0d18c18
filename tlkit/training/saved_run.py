"""`load_run`: a run from the folder in which it was saved."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from torch import nn

from tlkit.backbones.loader import load_backbone
from tlkit.backbones.weights.error import WeightsError
from tlkit.training.changed_weights import compose, load_start
from tlkit.training.run import Run
from tlkit.training.run_files import check_description, check_tensors, read_run, split_parts

# Fields that older saved runs don't have.
_ADDED_LATER = {"adapted_to"}


def load_run(folder: str | Path) -> Run:
    """Load a run that `Run.save` saved.

    Parameters
    ----------
    folder : str or Path
        Folder of the run.

    Returns
    -------
    Run
        The run, which predicts the same bits.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged or belongs to another run.
    WeightsError
        If only changes were saved and the pretrained weights are not available.

    Examples
    --------
    >>> import tempfile
    >>> import tlkit as tl
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> run = tl.transfer(backbone, images, tl.Strategy([tl.Phase(["head"], 1, 1e-2)]), progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run.save(folder)
    ...     loaded = load_run(folder)
    >>> (loaded.predict(images) == run.predict(images)).all()
    np.True_
    """
    tensors, described = read_run(folder)
    expected = {*(field.name for field in dataclasses.fields(Run)), "only_changes"} - {"head", "adapters"}
    expected -= _ADDED_LATER - described.keys()
    check_description(folder, described, expected)
    saved, only_changes = described.pop("backbone"), described.pop("only_changes")
    check_description(folder, saved, {"name", "image_size_px", "provenance"})
    parts = split_parts(tensors)
    if only_changes:
        try:
            backbone = load_start(saved["name"], saved["image_size_px"], described["start_hash"])
        except WeightsError as error:
            raise WeightsError(f"folder: {folder} has only the changes of a training, and {error}") from error
        state = compose(backbone.state_dict(), parts["backbone"], parts["adapters"])
    else:
        backbone = load_backbone(saved["name"], weights=None, image_size_px=saved["image_size_px"])
        state = parts["backbone"]
    backbone.provenance = saved["provenance"]
    head = nn.Linear(backbone.n_features, len(described["classes"]))
    for module, values in ((backbone, state), (head, parts["head"])):
        check_tensors(folder, values, module.state_dict())
        module.load_state_dict(values)
    return Run(backbone=backbone.eval(), head=head.eval(), adapters=parts["adapters"], **described)
