"""List the files of a folder, following links without going in circles, or of a zip, which is never extracted."""

import os
import re
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tlkit.arguments import suggest
from tlkit.images.encodings import decode_names
from tlkit.images.files import RUN_FILES, PictureFile, PictureMember, is_ignored, is_run
from tlkit.images.layout import PICTURES, Tree, check_depth, decode_tree, normalise_name
from tlkit.names import make_printable

MAX_ENTRIES = 100_000
MAX_TOTAL_BYTES = 2 * 2**30
MAX_RATIO = 100
_RATIO_FROM_BYTES = 2**20  # small plain pictures may have a high ratio

_DRIVE = re.compile(r"[A-Za-z]:")


# Links are followed. A folder is entered once per class at most, and never from within another class: the folders at
# the top are marked as visited (`taken`) before any class is walked, and each class starts from a copy of that set.
def list_folder(folder, medium=PICTURES):
    """Return the `Tree` of all files below an existing folder (path), without hidden ones and special files."""
    folder = Path(os.path.abspath(folder))
    tree = Tree(
        make_printable(folder), {}, set(), lambda inner: f'{medium.loader}("{folder.as_posix()}/{inner}")', medium
    )
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


def find_inside(folder, inside):
    """Return the folder at `inside` (str with "/", or None) within a folder; FileNotFoundError suggests near names."""
    for name in PurePosixPath(inside or "").parts:
        if name in ("/", "..") or not (folder / name).is_dir():
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
    """Return the entries of a folder sorted by name, without hidden ones, system files and runs."""
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if not is_ignored(entry.name)]
    return sorted((e for e in shown if not (e.is_dir() and is_run(e.path))), key=lambda entry: entry.name)


def _identify(path):
    """Return device and inode of a folder, which are the same for all links to it."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def list_archive(path, inside=None, medium=PICTURES):
    """Return the `Tree` of a zip, or of the folder `inside` it (str with "/"), after checking its directory."""
    place = make_printable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        size = path.stat().st_size
        found = f"{place} ({size:,} bytes) is no whole zip archive ({error}), perhaps an incomplete download"
        raise ValueError(f"source: {found}: copy or download it again") from error
    _check_sizes(place, entries)
    names, seen = _decode_entries(place, entries), {}
    for entry, name in zip(entries, names, strict=True):
        _check_entry(place, entry, name, seen)
    tree = Tree(place, {}, set(), lambda inner: f'{medium.loader}("{path.as_posix()}", inside="{inner}")', medium)
    members = [PurePosixPath(make_printable(name)) for name in names]
    held = {path for member in members for path in (member, *member.parents)}
    folders = {member.parent for member in members} - {PurePosixPath()}
    runs = {path for path in folders if any(all(path / name in held for name in names) for names in RUN_FILES)}
    for entry, member in zip(entries, members, strict=True):
        check_depth(member, place)
        if any(map(is_ignored, member.parts)) or not runs.isdisjoint((member, *member.parents)) or not member.parts:
            continue
        if entry.is_dir():
            tree.folders.add(member)
        else:
            tree.files[member] = PictureMember(path, entry.filename, member)
        tree.folders.update(member.parents[:-1])
    inner = PurePosixPath(inside or "")
    if not inner.parts:
        return tree
    if inner not in tree.folders:
        known = suggest(inside, [str(folder) for folder in tree.folders])
        raise FileNotFoundError(f"inside: {tree.location} has no folder {inside!r}; {known}")
    return tree.narrow(inner)


def _refuse(path, reason):
    """Raise ValueError for an unsafe zip."""
    raise ValueError(f"source: the zip {path} is refused: {reason}; make the zip anew from the folder of pictures")


def _check_sizes(path, entries):
    """Refuse a zip with too many entries, or one that grows too much when it is unpacked."""
    if len(entries) > MAX_ENTRIES:
        _refuse(path, f"{len(entries):,} entries, more than the limit of {MAX_ENTRIES:,}")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_TOTAL_BYTES:
        _refuse(path, f"{total:,} bytes when unpacked, more than the limit of {MAX_TOTAL_BYTES:,}")
    packed = sum(entry.compress_size for entry in entries)
    # All entries together too, since a zip bomb may consist of many small ones.
    sizes = [(entry.filename, entry.file_size, entry.compress_size) for entry in entries]
    for name, size, compressed in [*sizes, ("the whole", total, packed)]:
        if size > _RATIO_FROM_BYTES and size > MAX_RATIO * compressed:
            _refuse(path, f"{name!r} grows from {compressed:,} to {size:,} bytes, more than {MAX_RATIO}-fold")


def _decode_entries(path, entries):
    """Return the name (str) of each entry, in whatever encoding the zip's maker wrote it."""
    # `filename` loses backslashes on Windows, and all that follows a zero byte. Without the flag for UTF-8, Python
    # reads names as cp437, which keeps all their bytes.
    raw = [None if entry.flag_bits & 0x800 else entry.orig_filename.encode("cp437") for entry in entries]
    names = [
        entry.orig_filename if name is None else _find_unicode_path(entry.extra, name)
        for entry, name in zip(entries, raw, strict=True)
    ]
    texts = decode_names({bare for bare, name in zip(raw, names, strict=True) if name is None}, path)
    return [texts[bare] if name is None else name for bare, name in zip(raw, names, strict=True)]


def _find_unicode_path(extra, name):
    """Return the name (str) in Info-ZIP's field 0x7075 of an entry, if it was made for the entry's name, or None."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        content, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == 0x7075 and content[:5] == b"\1" + struct.pack("<I", zlib.crc32(name)):
            return content[5:].decode(errors="surrogateescape")
    return None


def _check_entry(path, entry, name, seen):
    """Refuse an entry with an unsafe or repeated name, a link, a device or an encrypted file; record its name."""
    if any(ord(character) < 32 for character in entry.orig_filename):
        _refuse(path, f"the entry {name!r} has a control character in its name")
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        _refuse(path, f"the entry {name!r} has an absolute path")
    if "\\" in name:
        _refuse(path, f"the entry {name!r} has a backslash in its name")
    if ".." in name.split("/"):
        _refuse(path, f"the entry {name!r} leads out of the archive")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        _refuse(path, f"the entry {name!r} is a {'link' if kind == stat.S_IFLNK else 'device'}, not a file")
    if entry.flag_bits & 1:
        raise ValueError(f"source: the zip {path} is encrypted ({name!r}): make it anew without a password")
    if entry.is_dir():
        return
    if (twin := seen.get(normalise_name(name))) is not None:
        difference = "twice" if twin == name else f"beside {twin!r}, which differs only in case or accents"
        _refuse(path, f"the entry {name!r} is there {difference}")
    seen[normalise_name(name)] = name
