"""`tlkit export`: a saved run as a web page, an ONNX model or an OpenVINO model, checked against the run."""

from pathlib import Path
from typing import Annotated

import typer

from tlkit.cli.outputs import check_writable
from tlkit.cli.terminal import say


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, as `tlkit train` writes it.")],
    kind: Annotated[
        str, typer.Option(help="web: an offline page; onnx: preprocessing included; openvino: for `tlkit predict`.")
    ] = "web",
    examples: Annotated[
        Path | None,
        typer.Option("--pictures", help="Folder of pictures to compare predictions on; by default bundled ones."),
    ] = None,
):
    """Write a run into RUN/export/KIND as a model for other programs, after checking that it predicts the same."""
    from tlkit.arguments import check_known
    from tlkit.export.export import KINDS
    from tlkit.images.inputs import gather_pictures

    check_known("kind", kind, KINDS)
    pictures = None if examples is None else gather_pictures(examples)
    from tlkit.export.card import write_card
    from tlkit.training.saved_run import load_run

    loaded, folder = load_run(run), run / "export" / kind
    check_writable("RUN", folder, folder)
    facts = loaded.export(folder, kind, pictures)
    write_card(run)
    size_mb = sum((folder / name).stat().st_size for name in facts["files"]) / 1e6
    say(f"wrote {folder / facts['model']} ({size_mb:.1f} MB)")
    text = "{n_checked} pictures predicted again in {checked_in}: largest difference of a probability "
    say((text + "{largest_difference:.2g}, {n_disagreements} with another class").format_map(facts))
