"""Lessons that nbval runs together with these tests end with their solutions and their memory."""

from lesson_ends import pytest_collection_modifyitems

__all__ = ["pytest_collection_modifyitems"]
