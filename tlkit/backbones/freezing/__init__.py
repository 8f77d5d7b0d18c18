"""Freeze parts of a backbone, audit it, and measure what it saves."""
