"""What is clicked: thin views over computations and drawings that work without them. All of ipywidgets is here."""

from tlkit.widgets.backbone_chooser import BackboneChooser
from tlkit.widgets.backbone_table import BackboneTable
from tlkit.widgets.comparison_explorer import ComparisonExplorer
from tlkit.widgets.freezing_explorer import FreezingExplorer
from tlkit.widgets.prediction import Prediction

__all__ = ["BackboneChooser", "BackboneTable", "ComparisonExplorer", "FreezingExplorer", "Prediction"]
