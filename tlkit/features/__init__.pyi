from .extract import extract_features as extract_features
from .extractor import FeatureExtractor as FeatureExtractor
from .features import Features as Features

__all__ = [
    "FeatureExtractor",
    "Features",
    "extract_features",
]
