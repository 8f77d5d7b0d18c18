"""What is clicked: thin views over computations and drawings that work without them. All of ipywidgets is here."""

from tlkit.widgets.comparison_explorer import ComparisonExplorer
from tlkit.widgets.prediction import Prediction

__all__ = ["ComparisonExplorer", "Prediction"]
