"""Lessons and pages in other languages: one .po file per source."""
