"""What is clicked: thin views over computations and drawings that work without them. All of ipywidgets is here."""

from tlkit.widgets.adaptation_explorer import AdaptationExplorer
from tlkit.widgets.augmentation_explorer import AugmentationExplorer
from tlkit.widgets.backbone_chooser import BackboneChooser
from tlkit.widgets.backbone_table import BackboneTable
from tlkit.widgets.comparison_explorer import ComparisonExplorer
from tlkit.widgets.cut_explorer import CutExplorer
from tlkit.widgets.feature_map_explorer import FeatureMapExplorer
from tlkit.widgets.freeze_score_explorer import FreezeScoreExplorer
from tlkit.widgets.freezing_explorer import FreezingExplorer
from tlkit.widgets.heat_map_explorer import HeatMapExplorer
from tlkit.widgets.prediction import Prediction
from tlkit.widgets.source_explorer import SourceExplorer
from tlkit.widgets.trained_share_explorer import TrainedShareExplorer

__all__ = [
    "AdaptationExplorer",
    "AugmentationExplorer",
    "BackboneChooser",
    "BackboneTable",
    "ComparisonExplorer",
    "CutExplorer",
    "FeatureMapExplorer",
    "FreezeScoreExplorer",
    "FreezingExplorer",
    "HeatMapExplorer",
    "Prediction",
    "SourceExplorer",
    "TrainedShareExplorer",
]
