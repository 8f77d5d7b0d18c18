"""What a `Run` says about pictures: probabilities, scores, and which of them are unlike its classes."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tlkit.arguments import check_count, check_finite, check_one_label
from tlkit.cpu.threads import default_states
from tlkit.evaluation.scores import Evaluation, evaluate_probabilities
from tlkit.features.engines import has_gpu
from tlkit.features.extract import extract_features
from tlkit.heads.head import ABSENT_SCORE
from tlkit.heads.numerics import softmax
from tlkit.images.imageset import ImageSet
from tlkit.notices import warn
from tlkit.training.batches import list_digests


class Predictions:
    """The methods of a `Run` that take pictures."""

    @default_states()
    def predict(
        self,
        pictures: ImageSet | str | Path | Image.Image | Sequence,
        *,
        test_time_augmentation: str | Sequence | None = None,
        n_views: int = 1,
        seed: int = 0,
        progress: bool = False,
    ) -> np.ndarray:
        """Predict the class probabilities of pictures.

        Parameters
        ----------
        pictures : ImageSet, path, PIL.Image, or list of path, PIL.Image or (height, width, 3) uint8
            Pictures of any size. A folder stands for the pictures in it and in its folders, sorted by path.
        test_time_augmentation : str or list of str, optional
            Augmentation as in `Phase`, without mixing. The prediction is then the mean over augmented views [1]_.
        n_views, seed, progress : int, int and bool
            Number of augmented views per picture, by default 1; seed of the views; whether to show a bar.

        Returns
        -------
        (n, n_classes) float64
            Probabilities of the classes.

        Raises
        ------
        ValueError
            If several views are wanted without augmentation, or the augmentation is unknown or mixes pictures.

        References
        ----------
        .. [1] Krizhevsky, Sutskever and Hinton 2012, ImageNet classification with deep convolutional neural networks;
           their views are ten fixed crops.
        """
        augmentation, noun = importlib.import_module("tlkit.training.test_time_augmentation"), self.backbone.recipe.noun
        n_views, augment = augmentation.check_views(n_views, test_time_augmentation, noun, "test_time_augmentation")
        seed = check_count("seed", seed, 0)
        pictures = self.backbone.recipe.gather(pictures)
        if augment is not None:
            pretrained = not (self.tuned or "prepare" in self.strategy)
            settings = {"seed": seed, "pretrained": pretrained, "progress": progress}
            views = augmentation.extract_views(self.backbone, pictures, augment, n_views, **settings)
            return sum(map(self._apply_head, views)) / n_views
        return self._apply_head(self._extract(pictures, progress).values)

    def _extract(self, pictures, progress=False):
        """Return the `Features` of an ImageSet."""
        # Features of a frozen network are needed again, so they are kept; those of a changed one are used once. It
        # would take longer to convert a changed or prepared network for a faster engine than that saves.
        engine = "torch" if (self.changed or "prepare" in self.strategy) and not has_gpu() else "auto"
        return extract_features(self.backbone, pictures, engine=engine, cache=not self.changed, progress=progress)

    def _apply_head(self, values):
        """Return the probabilities (n, n_classes) float64 of features (n, n_features)."""
        weight, bias = (value.detach().cpu().numpy() for value in (self.head.weight, self.head.bias))
        for argument, given in (("head.weight", weight), ("head.bias", bias), ("backbone: its features", values)):
            check_finite(argument, given)
        return softmax(values.astype(np.float64) @ weight.T.astype(np.float64) + bias)

    @default_states()
    def fit_rejection(self, images: ImageSet, share: float = 0.05, learned: ImageSet | None = None) -> None:
        """Fit `rejection`, by which `classify` rejects pictures that are unlike the known classes.

        Parameters
        ----------
        images, share, learned : ImageSet, float and ImageSet
            Held-out pictures, which a tuned network must not have learned, the share of such pictures to reject by
            default, and optionally the pictures that the run was trained on; see `tlkit.evaluation.fit_rejection`.
        """
        from tlkit.evaluation import fit_rejection

        for argument, each in (("images", images), ("learned", learned)):
            check_one_label(argument, each)
        given = [each.with_classes(self.classes) for each in (images, learned) if each is not None]
        # A class that neither the head nor the pictures have is no class to miss.
        is_known = self.head.bias.detach().cpu().numpy() > ABSENT_SCORE / 2
        for each in given:
            is_known[each.labels] = True
        given = [each.with_classes(np.array(self.classes)[is_known].tolist()) for each in given]
        if self.tuned and not set(self.trained_on).isdisjoint(list_digests(given[0])):
            warn("images: the network learned some, so more new pictures than the share are rejected: take others")
        held_out, *sources = map(self._extract, given)
        self.rejection = fit_rejection(held_out, share, *sources)

    @default_states()
    def classify(self, pictures: ImageSet | Path | Image.Image | Sequence, reject: float | None = None) -> pd.DataFrame:
        """Classify pictures, and reject those that are unlike the known classes.

        Parameters
        ----------
        pictures : ImageSet, path, PIL.Image, or list
            Pictures as in `predict`.
        reject : float, optional
            Share of known pictures to reject, for example 0.05; by default as fitted, or none if nothing was fitted.

        Returns
        -------
        DataFrame
            One row per picture: file_name, class (str), probability (float) and rejected (bool).
        """
        if reject is not None and self.rejection is None:
            raise ValueError(f"reject: {reject}, but this run has no threshold: call run.fit_rejection(images) first")
        pictures = self.backbone.recipe.gather(pictures)
        values = self._extract(pictures).values
        probabilities, rejected = self._apply_head(values), False
        if self.rejection is not None:
            rejected = self.rejection.reject(self.rejection.familiarity(values), reject)
        columns = {
            "file_name": [picture.location for picture in pictures.pictures],
            "class": np.array(self.classes)[probabilities.argmax(axis=1)],
            "probability": probabilities.max(axis=1),
        }
        return pd.DataFrame(columns | {"rejected": rejected})

    @default_states()
    def evaluate(
        self,
        images: ImageSet,
        *,
        test_time_augmentation: str | Sequence | None = None,
        n_views: int = 1,
        seed: int = 0,
        progress: bool = False,
    ) -> Evaluation:
        """Score the run on labelled pictures, count the look at them, and warn if it was trained on some of them.

        Parameters
        ----------
        images : ImageSet
            Pictures with labels, usually of a test set.
        test_time_augmentation, n_views, seed, progress : object
            As in `predict`.

        Returns
        -------
        Evaluation
            Scores and predictions. It is `transductive` if the run was adapted to some of these pictures.

        Raises
        ------
        ValueError
            If there are pictures of a class that the run does not know, or `predict` raises it.
        """
        check_one_label("images", images)
        images, trained_on = images.with_classes(self.classes), set(self.trained_on)
        digests = list_digests(images)
        transductive = not set(self.adapted_to).isdisjoint(digests)
        views = {"test_time_augmentation": test_time_augmentation, "n_views": n_views, "seed": seed}
        probabilities = self.predict(images, **views, progress=progress)
        if n_known := sum(digest in trained_on for digest in digests):
            known = f"{n_known} of {len(images)} pictures were trained on, so scores are higher than on new ones"
            warn(f"images: {known}: evaluate on pictures that split() held out")
        test_hash = images.content_hash
        self.looks[test_hash] = self.looks.get(test_hash, 0) + 1
        return evaluate_probabilities(probabilities, images, self.looks[test_hash], transductive=transductive)
