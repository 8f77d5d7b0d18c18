"""What is clicked: thin views over computations and drawings that work without them. All of ipywidgets is here."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
