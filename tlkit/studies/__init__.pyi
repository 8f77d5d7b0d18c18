from .study import Study as Study

__all__ = ["Study"]
