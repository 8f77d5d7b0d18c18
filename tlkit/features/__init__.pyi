from .extract import extract_features as extract_features
from .extractor import FeatureExtractor as FeatureExtractor
from .feature_shards import FeatureShards as FeatureShards
from .features import Features as Features
from .large_sets import extract_shards as extract_shards

__all__ = [
    "FeatureExtractor",
    "FeatureShards",
    "Features",
    "extract_features",
    "extract_shards",
]
