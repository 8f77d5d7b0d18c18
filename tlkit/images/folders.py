"""Listing a folder on disk, links included, without going in circles."""

import os
import stat
from pathlib import Path, PurePosixPath

from tlkit.arguments import suggest
from tlkit.images.files import PictureFile
from tlkit.images.layout import Tree, is_ignored


def list_folder(folder):
    """List every file below a folder.

    Hidden files and folders are passed over, and what isn't a regular file. Links are followed, but no
    folder is entered twice within one class, nor from within a class the folder of another.

    Arguments
    ---------
    folder: path
        Must exist.

    Returns a `Tree`.
    """
    folder = Path(os.path.abspath(folder))
    tree = Tree(str(folder), {}, set(), lambda inner: f'load_images("{(folder / inner).as_posix()}")')
    tops = [entry for entry in _scan(folder) if entry.is_dir()]
    taken = {_identify(folder), *(_identify(entry.path) for entry in tops if not entry.is_symlink())}
    for entry in _scan(folder):
        if not entry.is_dir():
            _add_file(tree, entry, PurePosixPath(entry.name))
        elif entry.is_symlink() and _identify(entry.path) in taken:
            tree.folders.add(PurePosixPath(entry.name))  # counts as empty, so that it is told
        else:
            taken.add(_identify(entry.path))
            _walk(tree, Path(entry.path), PurePosixPath(entry.name), set(taken))
    return tree


def find_inner(folder, inside):
    """Return the folder `inside` another one (path); FileNotFoundError with the nearest names if missing.

    Arguments
    ---------
    folder: path
    inside: str
        Its path within, with "/" between names; None is the folder itself.
    """
    for name in PurePosixPath(inside or "").parts:
        if name == ".." or not (folder / name).is_dir():
            known = sorted(entry.name for entry in _scan(folder) if entry.is_dir())
            raise FileNotFoundError(f"inside: {folder} has no folder {name!r}; {suggest(name, known)}")
        folder = folder / name
    return folder


def _walk(tree, folder, path, visited):
    tree.folders.add(path)
    for entry in _scan(folder):
        if not entry.is_dir():
            _add_file(tree, entry, path / entry.name)
        elif (identity := _identify(entry.path)) not in visited:
            visited.add(identity)
            _walk(tree, Path(entry.path), path / entry.name, visited)


def _add_file(tree, entry, path):
    try:
        is_regular = stat.S_ISREG(entry.stat().st_mode)
    except FileNotFoundError:  # a link to nothing: listed, so that reading it says so by name
        is_regular = True
    if is_regular:  # a pipe named like a picture would wait for its writer for ever
        tree.files[path] = PictureFile(entry.path)


def _scan(folder):
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not is_ignored(entry.name)), key=lambda entry: entry.name)


def _identify(path):
    status = os.stat(path)
    return status.st_dev, status.st_ino
