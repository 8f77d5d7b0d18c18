from .adaptation_explorer import AdaptationExplorer as AdaptationExplorer
from .augmentation_explorer import AugmentationExplorer as AugmentationExplorer
from .backbone_chooser import BackboneChooser as BackboneChooser
from .backbone_table import BackboneTable as BackboneTable
from .claim_explorer import ClaimExplorer as ClaimExplorer
from .comparison_explorer import ComparisonExplorer as ComparisonExplorer
from .cut_explorer import CutExplorer as CutExplorer
from .freeze_score_explorer import FreezeScoreExplorer as FreezeScoreExplorer
from .freezing_explorer import FreezingExplorer as FreezingExplorer
from .heat_map_explorer import HeatMapExplorer as HeatMapExplorer
from .picture_cleaner import PictureCleaner as PictureCleaner
from .picture_labeler import PictureLabeler as PictureLabeler
from .prediction import Prediction as Prediction
from .quiz import Quiz as Quiz
from .source_explorer import SourceExplorer as SourceExplorer
from .trained_share_explorer import TrainedShareExplorer as TrainedShareExplorer

__all__ = [
    "AdaptationExplorer",
    "AugmentationExplorer",
    "BackboneChooser",
    "BackboneTable",
    "ClaimExplorer",
    "ComparisonExplorer",
    "CutExplorer",
    "FreezeScoreExplorer",
    "FreezingExplorer",
    "HeatMapExplorer",
    "PictureCleaner",
    "PictureLabeler",
    "Prediction",
    "Quiz",
    "SourceExplorer",
    "TrainedShareExplorer",
]
