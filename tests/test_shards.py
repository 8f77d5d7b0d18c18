"""A file of rows: what was written comes back, and nothing else does."""

import sys

import numpy as np
import pytest
from made_pythons import other_python
from made_rows import DIGESTS, ROWS

from tlkit.features.cache.shards import DamagedShardError, Shard, size_bytes, write_shard

PICTURES = [bytes.fromhex(digest) for digest in DIGESTS]


def read(path):
    shard = Shard(path)
    return shard.digests, shard.read_values()


@pytest.mark.parametrize("shape", [(30,), (5, 3, 2), (6, 5), (1,), ()])
def test_rows_come_back_bit_for_bit(shape, tmp_path):
    values = ROWS.ravel()[: 20 * int(np.prod(shape))].reshape(20, *shape)
    write_shard(tmp_path / "some.shard", PICTURES, values)
    digests, again = read(tmp_path / "some.shard")
    assert digests == PICTURES
    assert again.dtype == np.float32
    assert np.array_equal(again, values)
    assert (tmp_path / "some.shard").stat().st_size == size_bytes(20, values[0].nbytes)


def test_special_numbers_come_back_too(tmp_path):
    values = np.array([[np.nan, -np.nan, np.inf, -0.0, 1e-45]], np.float32)
    write_shard(tmp_path / "some.shard", PICTURES[:1], values)
    assert read(tmp_path / "some.shard")[1].tobytes() == values.tobytes()


def test_rows_in_any_arrangement_in_memory_are_written(tmp_path):
    for values in (np.asfortranarray(ROWS), ROWS[:, ::-1], ROWS.astype(">f4"), ROWS[::-1]):
        write_shard(tmp_path / "some.shard", PICTURES, values)
        assert np.array_equal(read(tmp_path / "some.shard")[1], values)


def test_no_changed_byte_goes_unnoticed(tmp_path):
    path = tmp_path / "some.shard"
    write_shard(path, PICTURES[:3], ROWS[:3, :4])
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(DamagedShardError):
            read(path)


def test_no_missing_or_added_byte_goes_unnoticed(tmp_path):
    path = tmp_path / "some.shard"
    write_shard(path, PICTURES[:3], ROWS[:3, :4])
    content = path.read_bytes()
    for changed in (*(content[:length] for length in range(len(content))), content + b"\0"):
        path.write_bytes(changed)
        with pytest.raises(DamagedShardError):
            read(path)


def test_parts_of_two_files_make_no_third(tmp_path):
    path = tmp_path / "some.shard"
    contents = []
    for rows in (slice(0, 3), slice(3, 6)):
        write_shard(path, PICTURES[rows], ROWS[rows])
        contents.append(path.read_bytes())
    first, second = contents
    for cut in (72, 104, 104 + 96, 104 + 97):
        path.write_bytes(first[:cut] + second[cut:])
        with pytest.raises(DamagedShardError):
            read(path)


@pytest.mark.parametrize(
    "values", [np.zeros((2, 3), "f4"), np.zeros((3, 0), "f4"), np.zeros((3, 1, 1, 1, 1), "f4")], ids=["few", "0", "4"]
)
def test_what_can_not_be_kept_is_said_and_nothing_is_written(values, tmp_path):
    with pytest.raises(ValueError, match=r"values: shape .* of 3 pictures, expected rows of up to 3 axes each"):
        write_shard(tmp_path / "some.shard", PICTURES[:3], values)
    assert not list(tmp_path.iterdir())


LIMITED = """
import resource, sys
from pathlib import Path
from made_rows import DIGESTS, ROWS
from tlkit.features.cache.shards import write_shard
path, pictures = Path(sys.argv[1]), [bytes.fromhex(digest) for digest in DIGESTS]
write_shard(path, pictures[:2], ROWS[:2])
before = path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    write_shard(path, pictures, ROWS)
except OSError as error:
    print(error.strerror)
assert path.read_bytes() == before
print([path.name for path in path.parent.iterdir()])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
@pytest.mark.parametrize("more_bytes", [0, 500, 1500])
def test_a_disk_that_takes_no_more_leaves_the_good_file(more_bytes, tmp_path):
    with other_python(LIMITED, tmp_path / "some.shard", more_bytes) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.splitlines() == ["File too large", "['some.shard']"]
