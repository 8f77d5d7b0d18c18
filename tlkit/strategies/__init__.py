"""Strategies: lists of phases, the catalogue of the known ones, and what runs them."""

from tlkit.strategies.catalogue import get, names
from tlkit.strategies.learning_rates import decay_learning_rates

__all__ = ["decay_learning_rates", "get", "names"]
