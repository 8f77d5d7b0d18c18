"""`FeatureExtractor`: a frozen network as a step of scikit-learn's pipelines. Without torch."""

import copy

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from tlkit.arguments import check_known
from tlkit.features.arithmetic import PRECISIONS
from tlkit.features.engines import choose_engine
from tlkit.features.extract import extract_features
from tlkit.features.frozen_network import FrozenNetwork
from tlkit.images.inputs import gather_pictures


# The heading of the parameters is scikit-learn's: its diagram reads the docstring and warns of other headings.
class FeatureExtractor(TransformerMixin, BaseEstimator):
    """Turns pictures into the features of a frozen network, as a transformer of scikit-learn.

    `fit` learns nothing. In `GridSearchCV` and `cross_val_score` each picture is computed once, however often the
    pipeline is fitted, since `transform` keeps features on disk and finds them there by the pictures' content. With
    `cache=False` each `transform` computes its pictures anew, and nothing is kept, in memory neither.

    A clone shares its network with the original. A pickle of an extractor by name holds no network, a few hundred bytes
    in all; that of one with a `Backbone` holds its weights.

    Parameters
    ----------
    backbone : str or Backbone
        A network, or its name. By name, one that was converted before is run without torch.
    weights : str, path or None
        Of a backbone by name: "pretrained", a tag, a file, or None for random ones, as in `load_backbone`.
    image_size_px : int, optional
        Height and width of what a backbone by name sees.
    stage : str or negative int, optional
        Take the output of this stage instead of the network's features.
    pooled : bool
        The mean over places; False gives maps (n, n_channels, height, width), which only steps made for them take.
    engine : "auto", "openvino", "torch" or "cuda"
        What computes, as in `extract_features`.
    precision : "exact" or "fast"
        As in `extract_features`.
    cache : bool
        Keep features on disk, and find them there.
    progress : bool
        Show a bar while pictures are computed.

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])[::9]
    >>> pipeline = make_pipeline(FeatureExtractor(weights=None, image_size_px=32), LogisticRegression())
    >>> pipeline.fit(images, images.labels).predict(images[:4]).shape
    (4,)
    """

    def __init__(
        self,
        backbone="efficientnet_lite0",
        *,
        weights="pretrained",
        image_size_px=None,
        stage=None,
        pooled=True,
        engine="auto",
        precision="exact",
        cache=True,
        progress=False,
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

    def fit(self, X, y=None):
        """Check the parameters that can be checked at once; the pictures are not looked at. Returns self."""
        choose_engine(self.engine)
        check_known("precision", self.precision, PRECISIONS)
        if not isinstance(self.backbone, str):
            self._check_backbone()
        return self

    def transform(self, X):
        """Compute the features of pictures.

        Arguments
        ---------
        X: ImageSet, or a sequence of paths, PIL pictures, arrays of uint8 or (picture, label)
            Also one array (n, height, width, 3), or (n, height, width) of gray pictures. Labels are not looked at.

        Returns (n, n_features) float32, or the maps. Raises as `extract_features` and `load_backbone` do, and TypeError
        or ValueError for what is no picture.
        """
        return extract_features(
            self._find_network(),
            gather_pictures(X),
            self.engine,
            self.precision,
            self.cache,
            self.progress,
            stage=self.stage,
            pooled=self.pooled,
        ).values

    def get_feature_names_out(self, input_features=None):
        """Return (n_features,) object: names like "resnet18_0", or "resnet18_layer3_0" of a stage.

        Raises ValueError for maps, whose numbers have no names.
        """
        network = self._find_network()
        output = network.output(self.stage, self.pooled)
        if not output.pooled:
            raise ValueError("pooled: False gives maps, which are no columns with names; take pooled=True")
        prefix = network.name if output.stage is None else f"{network.name}_{output.stage}"
        return np.array([f"{prefix}_{number}" for number in range(output.shape[0])], dtype=object)

    def _find_network(self):
        if isinstance(self.backbone, str):
            return FrozenNetwork.named(self.backbone, self.weights, self.image_size_px)
        self._check_backbone()
        return FrozenNetwork.of(self.backbone)

    def _check_backbone(self):
        if not hasattr(self.backbone, "fingerprint"):
            raise TypeError(
                f"backbone: a {type(self.backbone).__name__}, expected a Backbone, as load_backbone makes it, or a name"
            )
        for argument, default in (("weights", "pretrained"), ("image_size_px", None)):
            if getattr(self, argument) != default:
                raise ValueError(
                    f"{argument}: {getattr(self, argument)!r}, expected {default!r}, since the backbone is loaded "
                    "already: give it to load_backbone, or name the backbone"
                )

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_clone__(self):
        # A network isn't copied: nothing here changes it, and a grid search clones for each of its fits.
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
