"""How far a training took the weights from those it started from, stage by stage."""

import math


def measure_weight_distance(run, start=None):
    """Measure how far the weights of each stage of a run are from those that it started from.

    The distance is that of L2-SP (Li, Grandvalet and Davoine 2018, Explicit inductive bias for transfer learning with
    convolutional networks), over the length of what it started from, so that stages of any size are compared. The norm
    layers' scales and shifts are weights as well; their statistics are buffers, which count on their own.

    Arguments
    ---------
    run: Run
    start: Backbone, optional
        What the run started from; by default the pretrained backbone of its name is loaded.

    Returns a DataFrame, a row a stage, early to late: stage, n_parameters, distance (length of the difference of all
    weights), relative_distance (over the length of the weights at the start; NaN where that is 0, or without weights),
    weights_moved (share of the weights' numbers whose value is another), n_buffers, buffers_moved (share of the buffers
    that are others; NaN without any). Raises ValueError where `start` isn't what the run started from, and
    `WeightsError` where that isn't at hand.

    >>> import tlkit as tl
    >>> start = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> run = tl.transfer(start, images, tl.Strategy([tl.Phase(["head", -1], 1, 1e-3)]), progress=False)
    >>> table = measure_weight_distance(run, start)
    >>> table[table["distance"] > 0]["stage"].tolist()
    ['stage4']
    """
    import pandas as pd

    from tlkit.backbones.backbone import hash_tensors
    from tlkit.training.changed_weights import load_start
    from tlkit.training.run import check_run

    check_run("run", run)
    if start is None:
        start = load_start(run.backbone.name, run.backbone.image_size_px, run.start_hash)
    elif hash_tensors(start.state_dict()) != run.start_hash:
        raise ValueError(
            f"start: {start.name} with other weights than those that {run} started from; give the backbone that was "
            "given to transfer, or nothing to have the pretrained one loaded"
        )
    rows = [{"stage": name, **_compare(stage, start.body[name])} for name, stage in run.backbone.body.items()]
    return pd.DataFrame(rows)


def _compare(stage, start):
    squares = start_squares = n_parameters = n_moved = 0
    before = dict(start.named_parameters())
    for name, value in stage.named_parameters():
        # In double precision: of a stage that hardly moved the difference has few digits left.
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
