"""`FeatureExtractor`: a frozen network as a transformer for scikit-learn's pipelines. Without torch."""

import copy
import os
from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

import tlkit as tl
from tlkit.arguments import check_known
from tlkit.features.engines import PRECISIONS, choose_engine
from tlkit.features.extract import extract_features, find_network
from tlkit.features.frozen_network import FrozenNetwork


class FeatureExtractor(TransformerMixin, BaseEstimator):
    """Turn pictures into the features of a frozen network, as a transformer for scikit-learn.

    `fit` learns nothing. `transform` keeps features on disk and finds them by the content of the pictures. So
    `GridSearchCV` and `cross_val_score` compute each picture once, however often they fit the pipeline.

    Parameters
    ----------
    backbone : str or Backbone
        A network, or its name. If a network given by name was converted before, it runs without torch.
    weights, image_size_px : str, path or None, and int, optional
        Weights ("pretrained", a tag, a file, or None for random ones) and input size of a backbone given by name.
    stage : str or negative int, optional
        Stage whose output is taken instead of the network's features.
    pooled : bool
        Take the mean over the spatial axes. If False, return maps (n_samples, n_channels, height, width).
    engine, precision : {"auto", "openvino", "torch", "cuda"} and {"exact", "fast"}
        As in `extract_features`.
    cache, progress : bool
        Keep features on disk (if not, each `transform` computes its pictures again); show a progress bar.

    Notes
    -----
    A clone shares its network with the original. A pickle holds the weights of a `Backbone`, but only the name of a
    network given by name.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])[::9]
    >>> pipeline = make_pipeline(tl.FeatureExtractor(weights=None, image_size_px=32), LogisticRegression())
    >>> pipeline.fit(images, images.labels).predict(images[:4]).shape
    (4,)
    """

    def __init__(
        self,
        backbone: "str | tl.Backbone" = "efficientnet_lite0",
        *,
        weights: str | os.PathLike | None = "pretrained",
        image_size_px: int | None = None,
        stage: str | int | None = None,
        pooled: bool = True,
        engine: str = "auto",
        precision: str = "exact",
        cache: bool = True,
        progress: bool = False,
    ):
        self.backbone = backbone
        self.weights = weights
        self.image_size_px = image_size_px
        self.stage = stage
        self.pooled = pooled
        self.engine = engine
        self.precision = precision
        self.cache = cache
        self.progress = progress

    def fit(self, X: object, y: object = None) -> "FeatureExtractor":
        """Check the parameters; nothing is learned.

        Parameters
        ----------
        X, y : object
            Ignored; pictures aren't read.

        Returns
        -------
        FeatureExtractor
            The extractor itself.

        Raises
        ------
        ValueError
            If a parameter is out of range.
        """
        choose_engine(self.engine)
        check_known("precision", self.precision, PRECISIONS)
        if not isinstance(self.backbone, str):
            self._find_network()
        return self

    def transform(self, X: "tl.ImageSet | Sequence | np.ndarray") -> np.ndarray:
        """Compute the features of pictures.

        Parameters
        ----------
        X : ImageSet, or sequence of paths, PIL pictures, uint8 arrays or (picture, label)
            Pictures, whose labels are ignored; or one array (n, height, width, 3), or (n, height, width) of gray ones.

        Returns
        -------
        (n_samples, n_features) or (n_samples, n_channels, height, width) ndarray of float32
            Features, or maps if `pooled` is False.

        Raises
        ------
        TypeError, ValueError
            If `X` holds something else than pictures, or a parameter is out of range.
        """
        network = self._find_network()
        request = network, network.recipe.gather(X), self.engine, self.precision, self.cache, self.progress
        return extract_features(*request, stage=self.stage, pooled=self.pooled).values

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return names of the features, such as "resnet18_0", or "resnet18_layer3_0" for a stage.

        Parameters
        ----------
        input_features : object
            Ignored.

        Returns
        -------
        (n_features,) ndarray of object
            One name per feature.

        Raises
        ------
        ValueError
            If `pooled` is False, since the values of maps have no names.
        """
        network = self._find_network()
        output = network.output(self.stage, self.pooled)
        if not output.pooled:
            raise ValueError("pooled: False gives maps, which are no columns with names; take pooled=True")
        prefix = network.name if output.stage is None else f"{network.name}_{output.stage}"
        return np.array([f"{prefix}_{number}" for number in range(output.shape[0])], dtype=object)

    def _find_network(self):
        """Return the `FrozenNetwork` of the backbone; ValueError if it is loaded but has weights or a size set."""
        if isinstance(self.backbone, str):
            return FrozenNetwork.named(self.backbone, self.weights, self.image_size_px)
        network = find_network(self.backbone)
        for argument, default in (("weights", "pretrained"), ("image_size_px", None)):
            if getattr(self, argument) != default:
                found = f"{getattr(self, argument)!r}, expected {default!r}, since the backbone is loaded already"
                raise ValueError(f"{argument}: {found}: give it to load_backbone, or name the backbone")
        return network

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_clone__(self):
        # The network isn't copied: nothing here changes it, and a grid search clones once per fit.
        bare = copy.copy(self).set_params(backbone="")
        return super(FeatureExtractor, bare).__sklearn_clone__().set_params(backbone=self.backbone)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.transformer_tags.preserves_dtype = []
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags
