"""Freezing parts of a backbone, and measuring what it saves."""
