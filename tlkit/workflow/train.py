"""`train`: from a folder of pictures to a finished run folder, with one call."""

import collections.abc
import json
import os
import shutil
from pathlib import Path

import filelock
import numpy as np

from tlkit.backbones.backbone import Backbone
from tlkit.comparison.arms import read_test
from tlkit.cpu.threads import hide_warnings
from tlkit.export.card import describe_test, write_card
from tlkit.images.imageset import ImageSet
from tlkit.images.load import load_images
from tlkit.images.splits import N_FOLDS
from tlkit.notices import show_progress, warn
from tlkit.storage import locked, written_whole
from tlkit.training.checkpoints import hash_facts
from tlkit.training.run import Run
from tlkit.training.run_files import DESCRIPTION, read_description
from tlkit.training.saved_run import load_run
from tlkit.training.settings import check_training_pictures
from tlkit.training.transfer import transfer
from tlkit.workflow.choice import count_inner_folds, list_candidates, score
from tlkit.workflow.figures import write_figures

_BATCH_SIZE, _CHECKPOINT_S = 8, 20.0


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
        Network, or its name for `load_backbone`. By name, tuning uses smaller pictures than the probe.
    seed, progress : int, default=0, and bool, default=True
        Seed of the folds and the training, and whether to show one bar with the time left.

    Returns
    -------
    Run
        The trained run. Its `report` has the score, the choice and the pictures as plain values. The folder has
        run.json, weights, README.md (the card), `figures/`, and `export/openvino/`.

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
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = train(images, f"{folder}/run", backbone=backbone, progress=False)
    ...     sorted(path.name for path in Path(f"{folder}/run").iterdir())[:3]
    ['README.md', 'export', 'figures']
    """
    folder = Path(folder).expanduser().absolute()
    source = Path(pictures).name if isinstance(pictures, (str, os.PathLike)) else "pictures"
    images, test = _split(pictures, test, seed)
    candidates = list_candidates(backbone, len(images))
    facts = [images.content_hash, test.content_hash, seed, *(each.backbone.fingerprint() for each in candidates)]
    identity = hash_facts(facts)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    if not _holds_run(folder, identity):
        unfinished.mkdir(parents=True, exist_ok=True)
        try:
            with locked(unfinished / "train.lock", timeout_s=0), hide_warnings("interrupted after|validation: every"):
                work = _Work(images, test, candidates, seed, unfinished, identity)
                written = work.write(*work.train(source, progress))
                if folder.exists():
                    folder.rmdir()
                os.replace(written, folder)
        except filelock.Timeout:
            raise ValueError(f"folder: another call trains for {folder} now: wait for it, or name another") from None
        except KeyboardInterrupt:
            warn(f"interrupted: the same call continues; its work lies in {unfinished}")
            raise
    shutil.rmtree(unfinished, ignore_errors=True)
    return load_run(folder)


def _split(pictures, test, seed):
    """Return training and test ImageSet; ValueError if a class has too few groups."""
    images = pictures if isinstance(pictures, ImageSet) else load_images(pictures)
    check_training_pictures(images)
    if test is not None:
        return images, read_test(images, test if isinstance(test, ImageSet) else load_images(test))
    n_groups = [len(np.unique(images.groups[images.labels == label])) for label in range(len(images.classes))]
    if few := [f"{name} has {n}" for name, n in zip(images.classes, n_groups, strict=True) if n == 1]:
        raise ValueError(
            f"pictures: {', '.join(few[:5])} (copies and pictures of one group count once), expected at least 2 of "
            "each class, one of them to test on: add pictures, or leave the class out"
        )
    return images.split(0, min(N_FOLDS, *filter(None, n_groups)), seed)


def _holds_run(folder, identity):
    """Return whether a folder has the run of the same call; ValueError if it has anything else."""
    if (folder / DESCRIPTION).is_file():
        if read_description(folder).get("report", {}).get("identity") == identity:
            return True
        raise ValueError(f"folder: {folder} has another run, of other pictures or settings: name another folder")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValueError(f"folder: {folder} has other files, expected a new or empty folder: name another")
    return False


class _Work:
    """The trainings of one call, with one bar for all, and a folder that keeps them if they are interrupted."""

    def __init__(self, images, test, candidates, seed, folder, identity):
        self.images, self.test, self.candidates, self.seed = images, test, candidates, seed
        self.folder, self.kept, self.scores, self.bar = folder, folder / "scores.json", {"identity": identity}, None
        if self.kept.exists():
            self.scores = json.loads(self.kept.read_text(encoding="utf-8"))
        if self.scores["identity"] != identity:  # another call's
            for path in folder.glob("*/"):
                shutil.rmtree(path)
            self.scores = {"identity": identity}

    def train(self, source, progress):
        """Choose, train and test; return the run with its report, and its `Evaluation`."""
        n = len(self.images)
        n_folds, n_used = count_inner_folds(self.images)
        dearest = max(each.n_epochs for each in self.candidates)
        # In pictures that a network or its last stages see.
        total = (2 + dearest) * n + n_used * dearest * n + 2 * len(self.test)
        with show_progress(total, "train", "picture", progress) as self.bar:
            chosen, choice = self.choose(n_folds, n_used)
            self.bar.total -= (dearest - chosen.n_epochs) * n
            run = transfer(chosen.backbone, self.images, chosen.strategy, seed=self.seed, **self.settings("final"))
            if not run.completed:
                raise KeyboardInterrupt
            evaluation = run.evaluate(self.test)
        n_of = dict(zip(*(part.tolist() for part in np.unique(self.images.licences, return_counts=True)), strict=True))
        counts = np.bincount(self.images.labels, minlength=len(run.classes)).tolist()
        pictures = {"source": source, "n_train_by_class": counts, "licences": n_of}
        identity, scores = self.scores["identity"], describe_test(evaluation)
        run.report = {"identity": identity, "test": scores, "choice": choice, "pictures": pictures}
        return run, evaluation

    def choose(self, n_folds, n_used):
        """Return the candidate that is most accurate on inner folds, and the comparison as plain values."""
        names, means = [each.name for each in self.candidates], []
        if not n_used:
            return self.candidates[0], {"reason": f"{names[0]}: too few pictures to compare it with {names[1]}."}
        for each in self.candidates:
            keys = [f"{each.name}, fold {fold}" for fold in range(n_used)]
            for fold, key in enumerate(keys):
                if key not in self.scores:
                    self.scores[key] = score(each, self.images, n_folds, self.seed + fold, **self.settings(key))
                    with written_whole(self.kept) as temporary:
                        temporary.write_text(json.dumps(self.scores), encoding="utf-8")
            means.append(float(np.mean([self.scores[key] for key in keys])))
        best = int(np.argmax(means))  # the cheaper one in a tie
        listed = ", ".join(f"{mean:.3f} for {name}" for name, mean in zip(names, means, strict=True))
        folds = f"{n_used} inner fold{'s' * (n_used > 1)} of the training pictures"
        reason = f"{names[best]}, since accuracies on {folds} were {listed}."
        return self.candidates[best], {"accuracies": dict(zip(names, means, strict=True)), "reason": reason}

    def settings(self, name):
        """Return the settings of one training."""
        return {"checkpoint": self.folder / name, "checkpoint_every_s": _CHECKPOINT_S, "callbacks": [self.note]} | {
            "progress": False
        }

    def note(self, training):
        """Move the bar by a batch."""
        self.bar.update(0 if training.computing else training.settings.batch_size)

    def write(self, run, evaluation):
        """Write the run folder and return its path."""
        folder = self.folder / "run"
        shutil.rmtree(folder, ignore_errors=True)
        run.save(folder)
        write_figures(run, evaluation, self.test, folder / "figures")
        write_card(folder)
        return folder
