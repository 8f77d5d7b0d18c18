"""What is clicked: thin views over computations and drawings that work without them. All of ipywidgets is here."""

from tlkit.widgets.backbone_chooser import BackboneChooser
from tlkit.widgets.backbone_table import BackboneTable
from tlkit.widgets.comparison_explorer import ComparisonExplorer
from tlkit.widgets.cut_explorer import CutExplorer
from tlkit.widgets.feature_map_explorer import FeatureMapExplorer
from tlkit.widgets.freezing_explorer import FreezingExplorer
from tlkit.widgets.prediction import Prediction

__all__ = [
    "BackboneChooser",
    "BackboneTable",
    "ComparisonExplorer",
    "CutExplorer",
    "FeatureMapExplorer",
    "FreezingExplorer",
    "Prediction",
]
