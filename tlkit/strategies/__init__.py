"""Strategies: lists of phases, the catalogue of the known ones, and what runs them."""

from tlkit.strategies.catalogue import get, names

__all__ = ["get", "names"]
