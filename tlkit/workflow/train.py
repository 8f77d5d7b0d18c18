"""`train`: from a folder of pictures to a finished run folder, with one call."""

import collections.abc
import contextlib
import os
import shutil
from pathlib import Path

import numpy as np

from tlkit.arguments import check_count
from tlkit.backbones.backbone import Backbone
from tlkit.comparison.arms import read_test
from tlkit.cpu.threads import hide_warnings
from tlkit.evaluation.rejection import fit_rejection
from tlkit.evaluation.scores import evaluate_probabilities
from tlkit.export.card import describe_test, write_card
from tlkit.features.extract import extract_features
from tlkit.features.frozen_network import FrozenNetwork
from tlkit.images.imageset import ImageSet
from tlkit.images.load import load_images
from tlkit.images.splits import N_FOLDS
from tlkit.inspection.training_curves import summarise_training
from tlkit.names import defuse
from tlkit.notices import show_progress, warn
from tlkit.plots.comparison import draw_mistakes, draw_mistakes_frame
from tlkit.plots.confusion import MOST_READABLE, draw_confusion
from tlkit.plots.curves import draw_training
from tlkit.plots.vector import make_canvas, render_figure
from tlkit.storage import written_whole
from tlkit.training.checkpoints import hash_facts
from tlkit.training.run import Run
from tlkit.training.run_files import DESCRIPTION, read_description
from tlkit.training.saved_run import load_run
from tlkit.training.settings import LARGEST_SEED, check_training_pictures
from tlkit.workflow.choice import choose, count_inner_folds, list_candidates

_CHECKPOINT_S = 20.0
_FEW = 400  # from so many training pictures on, the held-out ones suffice to fit a rejection
_N_CHECKED = 45  # test pictures that the export predicts again, beside five variants


def train(
    pictures: ImageSet | str | Path | collections.abc.Sequence,
    folder: str | Path,
    *,
    test: ImageSet | str | Path | None = None,
    backbone: Backbone | str = "efficientnet_lite0",
    seed: int = 0,
    progress: bool = True,
) -> Run:
    """Train a classifier on labelled pictures, test it once, and write a run folder with everything about it.

    A fifth of the pictures is held out, with whole groups. A linear probe and the tuning of the last stages are
    compared on inner folds of the other pictures, and the better one is trained on all of them. After Ctrl-C or a
    crash the same call continues, with the same result; if the run is finished, it is loaded.

    Parameters
    ----------
    pictures : ImageSet, path or sequence
        Labelled pictures, in any form that `load_images` takes, such as a folder of class folders.
    folder : str or Path
        Folder of the run, new or empty.
    test : ImageSet, path or sequence, optional
        Pictures to test on, in the same classes; by default one fold of `pictures`, so at most a fifth.
    backbone : Backbone or str, default="efficientnet_lite0"
        Network, or its name for `load_backbone`; then more than 2,000 pictures are tuned at 5/7 of its size.
    seed, progress : int, default=0, and bool, default=True
        Seed of the folds and the training, and whether to show one bar with the time left.

    Returns
    -------
    Run
        The trained run, whose `report` has the score, the choice and the pictures. The folder has run.json, weights,
        README.md (the card), `figures/`, `export/openvino/`, and test_predictions.csv.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        If the pictures can't be loaded, a class has too few to hold some out, or the folder has other files.

    Notes
    -----
    The choice never sees the test pictures, so their score is honest. Few pictures are compared on several inner
    folds. With one group of a class left, nothing can be compared, and the probe is taken.

    Examples
    --------
    >>> import tempfile
    >>> images = tl.load_images("styles", domain="photo").select(classes=["bird", "bug"]).few(6)
    >>> backbone = tl.load_backbone("squeezenet1_1", weights=None, image_size_px=32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = train(images, f"{folder}/run", backbone=backbone, progress=False)
    ...     sorted(path.name for path in Path(f"{folder}/run").iterdir())[:3]
    ['README.md', 'export', 'figures']
    """
    folder, seed = Path(folder).expanduser().absolute(), check_count("seed", seed, 0, LARGEST_SEED)
    images, test = _split(pictures, test, seed)
    candidates = list_candidates(backbone, len(images))
    facts = [images.content_hash, test.content_hash, seed, *(each.backbone.fingerprint() for each in candidates)]
    identity = hash_facts(facts)
    if _holds_run(folder, identity):
        return load_run(folder, backbone=backbone if getattr(backbone, "made", None) else None)
    unfinished = folder.with_name(f".{folder.name}.{identity[:8]}.unfinished")
    n_folds, n_inner = count_inner_folds(images)
    share_seen = 1 + (n_inner * (1 - 1 / n_folds) if n_inner else 0)
    n_trained = int(candidates[-1].n_epochs * share_seen * len(images))
    total = n_trained + len(images) * bool(n_inner) + len(test) + _N_CHECKED
    with show_progress(total, "compare", "picture", progress) as bar:

        def note(training):
            bar.update(0 if training.computing else min(training.settings.batch_size, total - bar.n))

        def announce(step, n_after):
            bar.set_description_str(step)
            bar.update(max(0, total - n_after - bar.n))

        def find_settings(name):
            kept = {"checkpoint": unfinished / name, "checkpoint_every_s": _CHECKPOINT_S}
            return kept | {"callbacks": [note], "progress": False}

        try:
            with hide_warnings("interrupted after|validation: every"):
                chosen, choice = choose(candidates, images, seed, find_settings, bar.update)
                bar.set_description_str("train")
                run = chosen.train(images, seed=seed, **find_settings("final"))
            announce("test", len(test) + _N_CHECKED)
            network = FrozenNetwork.of(run.backbone)
            network.origin = FrozenNetwork.of(chosen.backbone)
            features = extract_features(network, test, cache=not run.changed, progress=False)  # for all that follows
        except KeyboardInterrupt:
            warn(f"interrupted: the same call continues; its work lies in {unfinished}")
            raise
        announce("export", _N_CHECKED)
        evaluation = evaluate_probabilities(run._apply_head(features.values), test)
        run.looks[test.content_hash] = evaluation.n_looks
        licences = dict(zip(*(part.tolist() for part in np.unique(images.licences, return_counts=True)), strict=True))
        described = {"source": ", ".join(np.unique(images.domains)) or "pictures", "licences": licences}
        described["n_train_by_class"] = np.bincount(images.labels, minlength=len(run.classes)).tolist()
        run.report = {"test": describe_test(evaluation), "choice": choice, "pictures": described, "identity": identity}
        with contextlib.suppress(ValueError), hide_warnings("images: "):  # too few pictures, or two classes
            # With few held-out pictures, 5 % would be the oddest one or two alone.
            learned = [run._extract(images)] if len(images) < _FEW else []
            run.rejection = fit_rejection(features, max(0.05, 3 / (len(test) + 1)), *learned)
        _write(run, evaluation, test, unfinished / "run")
        announce("done", 0)
    if folder.exists():
        folder.rmdir()  # it is empty
    os.replace(unfinished / "run", folder)
    shutil.rmtree(unfinished)
    return run


def _split(pictures, test, seed):
    """Return training and test ImageSet; ValueError if a class has too few groups."""
    images = pictures if isinstance(pictures, ImageSet) else load_images(pictures)
    check_training_pictures(images)
    images = images.with_classes([images.classes[label] for label in np.unique(images.labels)])
    if test is not None:
        return images, read_test(images, test if isinstance(test, ImageSet) else load_images(test))
    n_groups = [len(np.unique(images.groups[images.labels == label])) for label in range(len(images.classes))]
    if few := [f"{name} has {n}" for name, n in zip(images.classes, n_groups, strict=True) if n == 1]:
        found = f"{', '.join(few[:5])} (copies of a group count once)"
        raise ValueError(f"pictures: {found}, expected at least 2 of each class: add pictures, or leave it out")
    return images.split(0, min(N_FOLDS, *n_groups), seed)


def _holds_run(folder, identity):
    """Return whether a folder has the run of the same call; ValueError if it has anything else."""
    if (folder / DESCRIPTION).is_file():
        if read_description(folder).get("report", {}).get("identity") == identity:
            return True
        raise ValueError(f"folder: {folder} has another run, of other pictures or settings: name another folder")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValueError(f"folder: {folder} has other files, expected a new or empty folder: name another")
    return False


def _write(run, evaluation, test, folder):
    """Write the run folder; if it can't be exported, warn."""
    shutil.rmtree(folder, ignore_errors=True)
    run.save(folder)
    write_test(run, evaluation, test, folder)
    try:
        run.export(folder / "export" / "openvino", kind="openvino", pictures=test[:_N_CHECKED], progress=False)
    except (ImportError, ValueError) as error:
        warn(f"the run can't be exported for predictions without torch ({error}); all else is there")
    write_card(folder)


def write_test(run, evaluation, test, folder):
    """Write the predictions of a run's `Evaluation` on an ImageSet into a folder, and PNG files into its `figures`."""
    table = evaluation.predictions[["picture", "label", "predicted"]]
    table = table.assign(probability=evaluation.probabilities.max(1))
    with written_whole(folder / "test_predictions.csv") as temporary:
        table.map(defuse).to_csv(temporary, index=False)
    mistakes = table[table["label"] != table["predicted"]].sort_values("probability", ascending=False, kind="stable")
    row_of = {name: row for row, name in enumerate(test.names.tolist())}

    def draw_sheet(ax):
        draw_mistakes_frame(ax)
        draw_mistakes(mistakes, lambda name: test.read(row_of[name]), ax)

    side = 3 + 0.35 * min(len(run.classes), MOST_READABLE)
    drawings = {"confusion": ((side, side), lambda ax: draw_confusion(evaluation.confusion, run.classes, ax))}
    drawings["mistakes"] = (11.2, 3.4), draw_sheet
    if run.history:
        drawings["training_curves"] = ((6, 3.6), lambda ax: draw_training(summarise_training(run), ax))
    for name, (size, draw) in drawings.items():
        figure = make_canvas(size).figure
        figure.set_layout_engine("constrained")
        draw(figure.subplots())
        with written_whole(folder / "figures" / f"{name}.png") as temporary:
            temporary.write_bytes(render_figure(figure, 256))
