"""Pictures of one shard of a very large set: a folder, a tar as in WebDataset, a Parquet file, or a list of paths."""

import functools
import hashlib
import os
import tarfile
from pathlib import Path

from tlkit.arguments import import_extra
from tlkit.images.files import PictureFile, is_ignored
from tlkit.images.formats import EXTENSIONS, PictureError
from tlkit.images.inputs import list_path
from tlkit.names import make_printable

_MAX_MEMBER_BYTES = 64 * 2**20  # dozens of pictures are read ahead
_MAX_LABEL_BYTES = 1024


class PictureBytes:
    """One picture within a larger file, read by a function when it is needed; messages show its `location`."""

    def __init__(self, location, read):
        self.location, self.read_bytes = make_printable(location), read


class PictureShard:
    """A shard: its `stem`, which stays, and its `stamp`, which changes with its files; `read` lists its pictures."""

    def __init__(self, shard):
        self.root = None
        if isinstance(shard, str | os.PathLike):
            self.root = Path(os.path.abspath(Path(shard).expanduser()))
            if not self.root.exists():
                place = make_printable(self.root)
                raise FileNotFoundError(f"shards: no file or folder {place}: correct its path, or mount its disk here")
            self.paths = list_path("shards", self.root)
            if not self.root.is_dir() and self.root.suffix not in _READERS:
                expected = "expected a folder, an uncompressed .tar, a .parquet, or a list of paths"
                raise ValueError(f"shards: {make_printable(self.root)}, {expected}")
        else:
            self.paths = [Path(os.path.abspath(Path(path).expanduser())) for path in shard]
            if not self.paths:
                raise ValueError("shards: one is an empty list, expected paths of pictures")
        stamp, names = hashlib.sha256(), hashlib.sha256()
        for path in self.paths:
            status = os.stat(path, follow_symlinks=path.exists())  # a link may lead nowhere
            names.update(b"%s\n" % os.fsencode(path))
            stamp.update(b"%s %d %d\n" % (os.fsencode(path), status.st_size, status.st_mtime_ns))
        self.stamp = stamp.hexdigest()
        place = hashlib.sha256(os.fsencode(self.root)) if self.root else names
        self.stem = f"{make_printable((self.root or self.paths[0]).stem)}-{place.hexdigest()[:12]}"

    def read(self, label=None):
        """Yield (name, label or None, source of a picture); nothing is extracted to a disk."""
        # `label` is the column of a Parquet file, the extension of a member of a tar, or a function of the name.
        column = label if isinstance(label, str) else None
        if self.root is not None and self.root.suffix in _READERS and self.root.is_file():
            items = _READERS[self.root.suffix](self.root, column)
        elif column:
            raise ValueError(f"label: {column!r}, but files have no columns: pass a function from a name to its label")
        else:
            names = (path.relative_to(self.root).as_posix() if self.root else str(path) for path in self.paths)
            items = ((name, None, PictureFile(path)) for name, path in zip(names, self.paths, strict=True))
        for name, found, source in items:
            yield make_printable(name), str(label(name)) if callable(label) else found, source


def _read_tar(path, label):
    """Yield the pictures of a tar, each with the text of the member of its sample that has the extension `label`."""
    # The members of a sample follow each other, and have one name up to the first dot.
    sample, pictures, text = None, [], None
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            archive.members.clear()  # or the list of millions of members would stay in memory
            folder, _, name = member.name.rpartition("/")
            if is_ignored(name):  # such as "._1.png", which macOS adds to "1.png"
                continue
            stem, _, extension = name.partition(".")
            if (folder, stem) != sample:
                yield from ((name, text, source) for name, source in pictures)
                sample, pictures, text = (folder, stem), [], None
            if extension == label and member.isreg() and member.size <= _MAX_LABEL_BYTES:
                text = archive.extractfile(member).read().decode("utf-8", "replace").strip()
            elif os.path.splitext(name)[1].casefold() in EXTENSIONS:
                pictures.append((member.name, _hold(path, member)))
        yield from ((name, text, source) for name, source in pictures)
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # which end a tar
            raise tarfile.ReadError(f"cut off, or damaged from byte {archive.offset:,} on: copy it again")


def _hold(path, member):
    """Return a source of the bytes of a member of a tar, which threads read by its place."""
    source = PictureBytes(f"{path}: {member.name}", None)

    def read():
        if not member.isreg() or member.issparse():
            raise PictureError(source.location, "a link or special file, not a picture: remove it")
        if member.size > _MAX_MEMBER_BYTES:
            size = f"{member.size:,} bytes, more than the limit of {_MAX_MEMBER_BYTES:,} in a tar"
            raise PictureError(source.location, f"{size}: shrink it")
        with open(path, "rb", buffering=0) as file:
            file.seek(member.offset_data)
            return file.read(member.size)

    source.read_bytes = read
    return source


def _read_parquet(path, label):
    """Yield the pictures of a Parquet file: its column of bytes, or of {bytes, path} as in Hugging Face's sets."""
    _, parquet = import_extra("shards: needs", 'pip install "tlkit[studies]"', "pyarrow", "pyarrow.parquet")
    with parquet.ParquetFile(path) as file:
        fields = {field.name: field.type for field in file.schema_arrow}
        found = [name for name, kind in fields.items() if "binary" in str(kind)]
        if len(found) != 1 or label not in {None, *fields}:
            expected = "expected one with the bytes of pictures" + (f", and {label!r} with labels" if label else "")
            raise ValueError(f"shards: {make_printable(path)} has the columns {', '.join(fields)}, {expected}")
        batches = file.iter_batches(16, columns=[*found, *filter(None, [label])])
        for number, row in enumerate(row for batch in batches for row in batch.to_pylist()):
            picture = row[found[0]] if isinstance(row[found[0]], dict) else {"bytes": row[found[0]]}
            name = "_".join(filter(None, [str(number), os.path.basename(picture.get("path") or "")]))
            content = functools.partial(bytes, picture.get("bytes") or b"")
            text = None if row.get(label) is None else str(row[label])
            yield name, text, PictureBytes(f"{path}: {name}", content)


_READERS = {".tar": _read_tar, ".parquet": _read_parquet}
