from .train import train as train

__all__ = ["train"]
