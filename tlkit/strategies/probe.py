"""`Probe`: one kind of head on a frozen network, as an arm of a comparison. Without torch."""

from typing import Any

from tlkit.heads.kinds import MAP_KINDS, check_settings


class Probe:
    """Describe a head on the features of a frozen network, as an arm of `compare` or `learning_curve`.

    The strategy "linear_probe" is the same as `Probe("logistic")`.

    Parameters
    ----------
    kind : str
        Kind of head, as in `fit_head`.
    stage : str or negative int, optional
        The network is cut after this stage; by default after its last.
    name : str, optional
        Name in tables and plots; by default put together from the other arguments.
    **settings : dict
        Settings of this kind of head, as in `fit_head`.

    Raises
    ------
    TypeError, ValueError
        If the kind is unknown or lacks a setting, or the name is not a str.

    Examples
    --------
    >>> Probe("ridge", stage="stage3").name
    'ridge_probe until stage3'
    >>> Probe("knn", n_neighbors=1).name
    'knn_probe n_neighbors=1'
    """

    def __init__(
        self, kind: str = "logistic", *, stage: str | int | None = None, name: str | None = None, **settings: Any
    ):
        check_settings(kind, settings)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name: {name!r} is a {type(name).__name__}, expected a str")
        self.kind, self.stage, self.settings = kind, stage, settings
        words = [f"{kind}_probe", *(f"{setting}={value}" for setting, value in settings.items())]
        self.name = name or " ".join(words if stage is None else [*words, f"until {stage}"])

    @property
    def pooled(self) -> bool:
        """Whether the head takes the mean over each map; a convolutional one takes the maps."""
        return self.kind not in MAP_KINDS

    def resolve(self, backbone: Any) -> str | None:
        """Return the name of the last stage that is used.

        Parameters
        ----------
        backbone : Backbone
            Network to cut.

        Returns
        -------
        str or None
            None if the network is used whole.

        Raises
        ------
        ValueError
            If the backbone does not have the stage.
        """
        return None if self.stage is None else backbone.stages[backbone.find_stage(self.stage)]

    def describe(self) -> dict[str, Any]:
        """Return the probe as plain values that JSON can store.

        Returns
        -------
        dict
            Name, kind of head, stage and settings.
        """
        return {"name": self.name, "head": self.kind, "stage": self.stage, "settings": dict(self.settings)}

    def __repr__(self):
        return f"Probe({self.name})"
