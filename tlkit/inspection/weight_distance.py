"""Distance of a run's weights from those it started from, by stage."""

import math

import pandas as pd

import tlkit as tl


def measure_weight_distance(run: "tl.Run", start: "tl.Backbone | None" = None) -> pd.DataFrame:
    """Measure by stage how far training moved the weights.

    Parameters
    ----------
    run : Run
        The trained run.
    start : Backbone, optional
        The backbone that the run started from. By default the pretrained backbone of its name is loaded.

    Returns
    -------
    DataFrame
        One row per stage, early to late:

        - stage (str): name of the stage.
        - n_parameters, n_buffers (int): numbers of weights and buffers (for example, statistics of norm layers).
        - distance (float): Euclidean norm of the change of all weights, as in the penalty L2-SP.
        - relative_distance (float): distance over the norm at the start; NaN if that is 0.
        - weights_moved, buffers_moved (float): shares that changed; NaN if there are none.

    Raises
    ------
    ValueError, WeightsError
        If the run did not start from `start`, or the pretrained weights are not available or not those of the start.

    Examples
    --------
    >>> start = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> run = tl.transfer(start, images, tl.Strategy([tl.Phase(["head", -1], 1, 1e-3)]), progress=False)
    >>> measure_weight_distance(run, start).query("distance > 0")["stage"].tolist()
    ['stage4']
    """
    from tlkit.backbones.backbone import hash_tensors
    from tlkit.training.changed_weights import load_start
    from tlkit.training.run import check_run

    check_run("run", run)
    if start is None:
        start = load_start(run.backbone.name, run.backbone.recipe, run.start_hash)
    elif hash_tensors(start.state_dict()) != run.start_hash:
        found = f"{start.name} with other weights than those that {run} started from"
        raise ValueError(f"start: {found}; pass the backbone that was given to transfer, or omit it")
    rows = [{"stage": name, **_compare(stage, start.body[name])} for name, stage in run.backbone.body.items()]
    return pd.DataFrame(rows)


def _compare(stage, start):
    """Return the numbers of one row of the table, for a stage and the same stage at the start."""
    squares = start_squares = n_parameters = n_moved = 0
    before = dict(start.named_parameters())
    for name, value in stage.named_parameters():
        # Double precision: if a stage hardly moved, the difference has few digits left.
        value, old = value.detach().cpu().double(), before[name].detach().cpu().double()
        squares += ((value - old) ** 2).sum().item()
        start_squares += (old**2).sum().item()
        n_parameters += value.numel()
        n_moved += (value != old).sum().item()
    buffers, old_buffers = dict(stage.named_buffers()), dict(start.named_buffers())
    moved = [not value.detach().cpu().equal(old_buffers[name].detach().cpu()) for name, value in buffers.items()]
    return {
        "n_parameters": n_parameters,
        "distance": math.sqrt(squares),
        "relative_distance": math.sqrt(squares / start_squares) if start_squares else math.nan,
        "weights_moved": n_moved / n_parameters if n_parameters else math.nan,
        "n_buffers": len(buffers),
        "buffers_moved": sum(moved) / len(moved) if moved else math.nan,
    }
