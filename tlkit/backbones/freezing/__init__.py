"""Freezing parts of a backbone, auditing it, and measuring what it saves."""
