"""Telling by its first bytes what a file is that was taken for weights. Without torch."""

N_BYTES = 100
_STARTS = {
    b"version https://git-lfs": "a Git LFS pointer, which only names the file",
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"\x1f\x8b": "a gzip archive",
}


def name_impostor(start):
    """Say what a file is that begins with `start` (bytes) and can't be weights; None where it can.

    >>> name_impostor(b"<!DOCTYPE html>")
    'a web page'
    """
    start = start[:N_BYTES].lstrip()
    if start.startswith(b"<"):
        return "a web page"
    return next((kind for beginning, kind in _STARTS.items() if start.startswith(beginning)), None)
