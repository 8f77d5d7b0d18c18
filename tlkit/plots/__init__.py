"""All drawing: each function draws on the axes that it is given."""

from tlkit.plots.adaptation import AdaptationPage, draw_adaptation, draw_domain_map, draw_gap_matrix, draw_pairs
from tlkit.plots.augmentation import AugmentationPage, draw_ablation, draw_augmentations
from tlkit.plots.backbone_choice import draw_agreement, draw_choice, render_choice
from tlkit.plots.calibration import draw_reliability
from tlkit.plots.channels import draw_channels, draw_exciting
from tlkit.plots.comparison import draw_comparison, save_comparison
from tlkit.plots.comparison_page import ReadingPage, draw_reading
from tlkit.plots.confusion import draw_confusion
from tlkit.plots.contact_sheet import draw_contact_sheet, render_contact_sheet
from tlkit.plots.cuts import CutPage, draw_cut
from tlkit.plots.feature_map import draw_feature_map, render_feature_map
from tlkit.plots.freeze_score import draw_freeze_score
from tlkit.plots.freezing import FreezingPage, draw_freezing
from tlkit.plots.gains import draw_gains, draw_transfer_map
from tlkit.plots.heat_maps import draw_heat_map, draw_square
from tlkit.plots.heat_maps_page import HeatStudyPage, draw_correlations, draw_heat_study
from tlkit.plots.interpolation import draw_interpolation
from tlkit.plots.learning_curve import draw_learning_curve
from tlkit.plots.mistakes import draw_mistakes
from tlkit.plots.pareto import draw_pareto
from tlkit.plots.recalls import draw_recalls
from tlkit.plots.similarity import draw_similarity, draw_similarity_curve
from tlkit.plots.source_worth import SourceWorthPage, draw_source_worth
from tlkit.plots.trained_share import TrainedSharePage, draw_trained_share
from tlkit.plots.training import draw_training

__all__ = [
    "AdaptationPage",
    "AugmentationPage",
    "CutPage",
    "FreezingPage",
    "HeatStudyPage",
    "ReadingPage",
    "SourceWorthPage",
    "TrainedSharePage",
    "draw_ablation",
    "draw_adaptation",
    "draw_agreement",
    "draw_augmentations",
    "draw_channels",
    "draw_choice",
    "draw_comparison",
    "draw_confusion",
    "draw_contact_sheet",
    "draw_correlations",
    "draw_cut",
    "draw_domain_map",
    "draw_exciting",
    "draw_feature_map",
    "draw_freeze_score",
    "draw_freezing",
    "draw_gains",
    "draw_gap_matrix",
    "draw_heat_map",
    "draw_heat_study",
    "draw_interpolation",
    "draw_learning_curve",
    "draw_mistakes",
    "draw_pairs",
    "draw_pareto",
    "draw_reading",
    "draw_recalls",
    "draw_reliability",
    "draw_similarity",
    "draw_similarity_curve",
    "draw_source_worth",
    "draw_square",
    "draw_trained_share",
    "draw_training",
    "draw_transfer_map",
    "render_choice",
    "render_contact_sheet",
    "render_feature_map",
    "save_comparison",
]
