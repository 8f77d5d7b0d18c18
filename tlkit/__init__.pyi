from . import (
    adaptation as adaptation,
)
from . import (
    backbones as backbones,
)
from . import (
    claims as claims,
)
from . import (
    evaluation as evaluation,
)
from . import (
    export as export,
)
from . import (
    features as features,
)
from . import (
    heads as heads,
)
from . import (
    images as images,
)
from . import (
    inspection as inspection,
)
from . import (
    lessons as lessons,
)
from . import (
    plots as plots,
)
from . import (
    selection as selection,
)
from . import (
    strategies as strategies,
)
from . import (
    studies as studies,
)
from . import (
    texts as texts,
)
from . import (
    training as training,
)
from . import (
    widgets as widgets,
)
from .backbones.backbone import Backbone as Backbone
from .backbones.freezing.freeze import freeze as freeze
from .backbones.loader import load_backbone as load_backbone
from .comparison.compare import Comparison as Comparison
from .comparison.compare import compare as compare
from .comparison.curve_results import LearningCurve as LearningCurve
from .comparison.learning_curve import learning_curve as learning_curve
from .features.extract import extract_features as extract_features
from .features.extractor import FeatureExtractor as FeatureExtractor
from .features.features import Features as Features
from .features.large_sets import extract_shards as extract_shards
from .heads.head import Head as Head
from .heads.kinds import fit_head as fit_head
from .images.imageset import ImageSet as ImageSet
from .images.load import load_images as load_images
from .inspection.freezing_audit import audit_freezing as audit_freezing
from .strategies.probe import Probe as Probe
from .strategies.strategy import Phase as Phase
from .strategies.strategy import Strategy as Strategy
from .studies.study import Study as Study
from .texts.sources import load_texts as load_texts
from .texts.textset import TextSet as TextSet
from .training.run import Run as Run
from .training.saved_run import load_run as load_run
from .training.transfer import transfer as transfer
from .workflow.train import train as train

__all__ = [
    "Backbone",
    "Comparison",
    "FeatureExtractor",
    "Features",
    "Head",
    "ImageSet",
    "LearningCurve",
    "Phase",
    "Probe",
    "Run",
    "Strategy",
    "Study",
    "TextSet",
    "adaptation",
    "audit_freezing",
    "backbones",
    "claims",
    "compare",
    "evaluation",
    "export",
    "extract_features",
    "extract_shards",
    "features",
    "fit_head",
    "freeze",
    "heads",
    "images",
    "inspection",
    "learning_curve",
    "lessons",
    "load_backbone",
    "load_images",
    "load_run",
    "load_texts",
    "plots",
    "selection",
    "strategies",
    "studies",
    "texts",
    "train",
    "training",
    "transfer",
    "widgets",
]
