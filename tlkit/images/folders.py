"""List the files of a folder on disk, following links without going in circles."""

import os
from pathlib import Path, PurePosixPath

from tlkit.arguments import suggest
from tlkit.images.files import PictureFile
from tlkit.images.layout import Tree, check_depth, decode_tree, is_ignored
from tlkit.names import make_printable


# Links are followed. A folder is entered once per class at most, and never from within another class: the folders at
# the top are marked as visited (`taken`) before any class is walked, and each class starts from a copy of that set.
def list_folder(folder):
    """Return the `Tree` of all files below an existing folder (path), without hidden ones and special files."""
    folder = Path(os.path.abspath(folder))
    tree = Tree(make_printable(folder), {}, set(), lambda inner: f'load_images("{(folder / inner).as_posix()}")')
    tops = [entry for entry in _scan(folder) if entry.is_dir()]
    taken = {_identify(folder), *(_identify(entry.path) for entry in tops if not entry.is_symlink())}
    for entry in _scan(folder):
        if not entry.is_dir():
            _add_file(tree, entry, PurePosixPath(entry.name))
        elif entry.is_symlink() and _identify(entry.path) in taken:
            tree.folders.add(PurePosixPath(entry.name))  # counts as empty, so that the user is warned
        else:
            taken.add(_identify(entry.path))
            _walk(tree, Path(entry.path), PurePosixPath(entry.name), set(taken))
    return decode_tree(tree)


def find_inner(folder, inside):
    """Return the folder at `inside` (str with "/", or None) within a folder; FileNotFoundError suggests near names."""
    for name in PurePosixPath(inside or "").parts:
        if name == ".." or not (folder / name).is_dir():
            known = sorted(entry.name for entry in _scan(folder) if entry.is_dir())
            raise FileNotFoundError(f"inside: {make_printable(folder)} has no folder {name!r}; {suggest(name, known)}")
        folder = folder / name
    return folder


def _walk(tree, folder, path, visited):
    """Add all files below a folder to the tree, under `path`."""
    check_depth(path, tree.location)
    tree.folders.add(path)
    for entry in _scan(folder):
        if not entry.is_dir():
            _add_file(tree, entry, path / entry.name)
        elif (identity := _identify(entry.path)) not in visited:
            visited.add(identity)
            _walk(tree, Path(entry.path), path / entry.name, visited)


def _add_file(tree, entry, path):
    """Add a file to the tree if it is a regular one; a pipe would block whoever reads it."""
    # A broken link is listed too, so that the error on reading names it.
    if entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path)):
        tree.files[path] = PictureFile(entry.path)


def _scan(folder):
    """Return the entries of a folder sorted by name, without hidden ones and system files."""
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not is_ignored(entry.name)), key=lambda entry: entry.name)


def _identify(path):
    """Return device and inode of a folder, which are the same for all links to it."""
    status = os.stat(path)
    return status.st_dev, status.st_ino
