"""`Probe`: a head of one kind on a frozen network, as an arm of a comparison. Without torch."""

from tlkit.heads.kinds import check_settings


class Probe:
    """A head on the features of a frozen network; what `compare` and `learning_curve` take beside strategies.

    The strategy "linear_probe" is the same as `Probe("logistic")`.

    Arguments
    ---------
    kind: str
        Of the head, as in `fit_head`.
    stage: str or negative int, optional
        The network is cut behind this stage; by default behind its last.
    name: str, optional
        By default put together from the others.
    settings
        Of that kind of head, as in `fit_head`.

    Raises ValueError for an unknown kind, TypeError for a setting that isn't of this kind.

    >>> Probe("ridge", stage="stage3").name
    'ridge_probe until stage3'
    >>> Probe("knn", n_neighbors=1).name
    'knn_probe n_neighbors=1'
    """

    def __init__(self, kind="logistic", *, stage=None, name=None, **settings):
        check_settings(kind, settings)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name: {name!r} is a {type(name).__name__}, expected a str")
        self.kind, self.stage, self.settings = kind, stage, settings
        words = [f"{kind}_probe", *(f"{setting}={value}" for setting, value in settings.items())]
        self.name = name or " ".join(words if stage is None else [*words, f"until {stage}"])

    @property
    def pooled(self):
        """Whether the head takes the mean over each map; a convolutional one takes the maps."""
        return self.kind != "conv"

    def resolve(self, backbone):
        """Return the name of the stage behind which a `Backbone` is cut, None where it isn't.

        Raises ValueError for a stage that the backbone doesn't have.
        """
        return None if self.stage is None else backbone.stages[backbone.find_stage(self.stage)]

    def describe(self):
        """Return the probe as plain values that JSON can hold."""
        return {"name": self.name, "head": self.kind, "stage": self.stage, "settings": dict(self.settings)}

    def __repr__(self):
        return f"Probe({self.name})"
