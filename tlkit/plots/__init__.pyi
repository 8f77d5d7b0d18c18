from .adaptation import draw_domain_map as draw_domain_map
from .adaptation import draw_gap_matrix as draw_gap_matrix
from .adaptation import draw_pairs as draw_pairs
from .augmentation import draw_ablation as draw_ablation
from .augmentation import draw_augmentations as draw_augmentations
from .backbone_choice import draw_agreement as draw_agreement
from .calibration import draw_reliability as draw_reliability
from .confusion import draw_confusion as draw_confusion
from .confusion import draw_recalls as draw_recalls
from .contact_sheet import draw_contact_sheet as draw_contact_sheet
from .contact_sheet import render_contact_sheet as render_contact_sheet
from .curves import draw_interpolation as draw_interpolation
from .curves import draw_training as draw_training
from .description import describe as describe
from .freeze_score import draw_freeze_score as draw_freeze_score
from .gains import draw_gains as draw_gains
from .gains import draw_transfer_map as draw_transfer_map
from .heat_maps import draw_heat_map as draw_heat_map
from .similarity import draw_similarity as draw_similarity
from .similarity import draw_similarity_curve as draw_similarity_curve
from .specification_curve import draw_specification_curve as draw_specification_curve

__all__ = [
    "describe",
    "draw_ablation",
    "draw_agreement",
    "draw_augmentations",
    "draw_confusion",
    "draw_contact_sheet",
    "draw_domain_map",
    "draw_freeze_score",
    "draw_gains",
    "draw_gap_matrix",
    "draw_heat_map",
    "draw_interpolation",
    "draw_pairs",
    "draw_recalls",
    "draw_reliability",
    "draw_similarity",
    "draw_similarity_curve",
    "draw_specification_curve",
    "draw_training",
    "draw_transfer_map",
    "render_contact_sheet",
]
