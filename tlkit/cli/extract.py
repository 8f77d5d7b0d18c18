"""`tlkit extract`: write the features of a folder of pictures to one file."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from tlkit.cli.options import BACKBONE, IMAGE_SIZE, INSIDE, MERGE_TWINS, SKIP_BAD, WEIGHTS
from tlkit.cli.outputs import check_writable
from tlkit.cli.terminal import say

CONTENT = (
    'Features that were computed before are reused. `numpy.load("features.npz", allow_pickle=False)` reads the file: '
    "`values`, one row per picture; `labels`, indices into `classes`; `names`; `groups`; and `provenance`, a JSON text "
    "that describes how the features were made."
)


def extract(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER", help="Folder or zip file with class folders or unlabelled pictures; or 'styles'."
        ),
    ],
    backbone: Annotated[str, BACKBONE] = "efficientnet_lite0",
    output: Annotated[Path, typer.Option(help="File to write, .npz; an existing file is replaced.")] = Path(
        "features.npz"
    ),
    weights: Annotated[str, WEIGHTS] = "pretrained",
    image_size_px: Annotated[int | None, IMAGE_SIZE] = None,
    stage: Annotated[
        str | None, typer.Option(help="Stage whose output is used: its name, or -1 for the last, -2 …")
    ] = None,
    maps: Annotated[bool, typer.Option("--maps", help="Write feature maps instead of their spatial means.")] = False,
    engine: Annotated[str, typer.Option(help="Engine: auto, openvino, torch or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="Precision: exact or fast.")] = "exact",
    bad: Annotated[bool, SKIP_BAD] = False,
    inside: Annotated[str | None, INSIDE] = None,
    merge_twins: Annotated[bool, MERGE_TWINS] = False,
):
    """Compute the features of pictures with a frozen network, and write them to one file."""
    if output.suffix != ".npz" or output.is_dir():
        raise ValueError(f"--output: {str(output)!r}, expected a file, not a folder, that ends in .npz")
    check_writable("--output", output, output.parent)
    import numpy as np

    from tlkit.arguments import check_known
    from tlkit.features.engines import PRECISIONS, choose_engine
    from tlkit.features.extract import extract_features
    from tlkit.features.frozen_network import FrozenNetwork
    from tlkit.images.layout import count
    from tlkit.images.load import load_with_or_without_classes
    from tlkit.storage import written_whole

    # Errors about the network are reported before any picture is read.
    choose_engine(engine)
    check_known("precision", precision, PRECISIONS)
    network = FrozenNetwork.named(backbone, weights, image_size_px)
    stage = int(stage) if stage and stage.removeprefix("-").isdecimal() else stage
    network.output(stage, not maps)
    settings = {"inside": inside, "merge_twins": merge_twins}
    images = load_with_or_without_classes(source, bad="skip" if bad else "raise", **settings)
    start_s = time.perf_counter()
    try:
        features = extract_features(network, images, engine, precision, stage=stage, pooled=not maps)
    except KeyboardInterrupt:
        say("interrupted; the computed features are kept, and the same command continues from there", is_note=True)
        raise
    duration_s = time.perf_counter() - start_s
    provenance = {"provenance": json.dumps(features.provenance)}
    with written_whole(output) as temporary, open(temporary, "wb") as file:
        np.savez(file, **vars(features) | {"classes": np.array(features.classes)} | provenance)
    shape = " × ".join(map(str, features.values.shape[1:]))
    say(
        f"{count(len(features), 'picture')} × {shape} features in {duration_s:.1f} s "
        f"({len(features) / duration_s:,.0f} per second, {features.provenance['engine']}), written to {output}"
    )
