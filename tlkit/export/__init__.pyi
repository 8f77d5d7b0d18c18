from .predictor import load_predictor as load_predictor

__all__ = ["load_predictor"]
