"""Features of very large sets: the values of `extract_features`, whatever the shards are, and each shard once."""

import io
import tarfile

import numpy as np
import pytest
from made_networks import make_tiny_backbone
from made_pictures import encode, make_picture

import tlkit as tl
from tlkit.features.large_sets import ShardExtraction
from tlkit.images import packed

N_PICTURES = 11
BROKEN = b"\xff\xd8\xff broken"


@pytest.fixture(scope="module")
def backbone():
    return make_tiny_backbone()


@pytest.fixture(scope="module")
def expected(backbone):
    pictures = [make_picture(number) for number in range(N_PICTURES)]
    return tl.extract_features(backbone, pictures, "torch", cache=False, progress=False).values


def extract(backbone, shards, folder, **settings):
    return tl.extract_shards(backbone, shards, folder, "torch", progress=False, **settings)


def write_folder(folder, numbers=range(N_PICTURES)):
    for number in numbers:
        (folder / f"class_{number % 2}").mkdir(parents=True, exist_ok=True)
        make_picture(number).save(folder / f"class_{number % 2}" / f"{number:02}.png")
    return folder


def write_tar(path, samples):
    with tarfile.open(path, "w") as archive:
        for name, content in samples:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def make_samples(suffix=".cls"):
    """Members of a tar, the label now before its picture and now after it."""
    samples = []
    for number in range(N_PICTURES):
        members = [(f"a/{number:02}{suffix}", f"{number % 3}\n".encode())]
        members.insert(number % 2, (f"a/{number:02}.png", encode(make_picture(number))))
        samples += members
    return samples


def write_parquet(path, wrapped):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    contents = [encode(make_picture(number)) for number in range(N_PICTURES)]
    pictures = [{"bytes": content, "path": f"{n}.png"} for n, content in enumerate(contents)] if wrapped else contents
    columns = {"image": pictures, "label": [number % 3 for number in range(N_PICTURES)]}
    parquet.write_table(pyarrow.table(columns), path, row_group_size=4)
    return path


def order(features):
    """Return the rows in the order of the numbers in the names of pictures."""
    numbers = [int("".join(filter(str.isdigit, name.rpartition("/")[2]))[:2]) for name in features.names]
    return np.argsort(numbers)


@pytest.mark.parametrize("kind", ["folder", "list", "tar", "parquet", "column of bytes"])
def test_shards_of_every_kind_give_the_values_of_extract_features(kind, backbone, expected, tmp_path):
    if kind == "folder":
        shard, label = write_folder(tmp_path / "shard"), lambda name: str(int(name[-6:-4]) % 3)
    elif kind == "list":
        shard, label = sorted(write_folder(tmp_path / "shard").rglob("*.png")), lambda name: str(int(name[-6:-4]) % 3)
    elif kind == "tar":
        shard, label = write_tar(tmp_path / "shard.tar", make_samples()), "cls"
    else:
        shard, label = write_parquet(tmp_path / "shard.parquet", kind == "parquet"), "label"
    shards = extract(backbone, [shard], tmp_path / "features", label=label)
    features = shards.read()
    assert len(shards) == len(features) == N_PICTURES and shards.failures.empty
    rows = order(features) if kind in ("folder", "list") else np.arange(N_PICTURES)
    np.testing.assert_array_equal(features.values[rows], expected)
    assert features.labels[rows].tolist() == [number % 3 for number in range(N_PICTURES)]
    assert features.classes == ["0", "1", "2"]
    (file,) = (tmp_path / "features").glob("*.npy")
    np.testing.assert_array_equal(np.load(file), features.values)
    # A head takes them, since labels and groups are those of any features.
    assert 0 <= tl.fit_head(features, "ridge").score(features) <= 1


def test_rows_come_from_their_shards_in_the_order_wanted(backbone, expected, tmp_path):
    halves = [write_folder(tmp_path / "a", range(6)), write_folder(tmp_path / "b", range(6, N_PICTURES))]
    shards = extract(backbone, halves, tmp_path / "features", dtype="float16")
    assert [len(part) for part in shards] == [6, 5]
    whole = shards.read()
    assert whole.values.dtype == np.float32 and whole.classes == ["unlabelled"]
    np.testing.assert_array_equal(whole.values[order(whole)], expected.astype(np.float16).astype(np.float32))
    some = shards.read([9, 0, -1])
    np.testing.assert_array_equal(some.values, whole.values[[9, 0, 10]])
    assert some.names.tolist() == whole.names[[9, 0, 10]].tolist()
    again = tl.features.FeatureShards(tmp_path / "features")
    assert again.stems == shards.stems and repr(again).startswith("FeatureShards(11 pictures in 2 shards, 1 classes")
    with pytest.raises(FileNotFoundError, match=r"folder: .* holds no features\.json"):
        tl.features.FeatureShards(tmp_path)


def test_finished_shards_are_skipped_until_their_files_change(backbone, tmp_path, monkeypatch):
    computed = []
    compute = ShardExtraction._compute
    monkeypatch.setattr(ShardExtraction, "_compute", lambda self, s: computed.append(s.stem[:1]) or compute(self, s))
    halves = [write_folder(tmp_path / "a", range(6)), write_folder(tmp_path / "b", range(6, N_PICTURES))]
    folder = tmp_path / "features"
    first = extract(backbone, halves, folder).read()
    second = extract(backbone, halves, folder).read()
    assert computed == ["a", "b"]
    np.testing.assert_array_equal(first.values, second.values)
    make_picture(99).save(halves[1] / "new.png")
    assert len(extract(backbone, halves, folder)) == N_PICTURES + 1
    assert computed == ["a", "b", "b"]
    # Without its record a shard is not finished: this is the state after a process was killed.
    next(folder.glob("a-*.shard.json")).unlink()
    extract(backbone, halves[:1], folder)
    assert computed == ["a", "b", "b", "a"]
    with pytest.raises(ValueError, match=r"folder: .* dtype='float32', and these would have 'float16'"):
        extract(backbone, halves, folder, dtype="float16")


def test_damaged_pictures_are_named_and_fatal_only_on_request(backbone, expected, tmp_path):
    samples = make_samples()
    samples.insert(4, ("a/broken.jpg", BROKEN))
    shard = write_tar(tmp_path / "shard.tar", samples)
    with pytest.warns(UserWarning, match="1 pictures can't be read"):
        shards = extract(backbone, [shard], tmp_path / "features")
    np.testing.assert_array_equal(shards.read().values, expected)
    (failure,) = shards.failures.to_dict("records")
    assert failure["picture"] == "a/broken.jpg" and "broken JPEG" in failure["reason"]
    with pytest.raises(ValueError, match=r"a/broken\.jpg: broken JPEG"):
        extract(backbone, [shard], tmp_path / "features", bad="raise")


def test_a_link_that_leads_nowhere_is_named_but_a_lost_disk_ends_the_shard(backbone, tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "folder", range(2))
    (folder / "link.png").symlink_to(tmp_path / "missing.png")
    with pytest.warns(UserWarning, match="1 pictures can't be read"):
        shards = extract(backbone, [folder], tmp_path / "features")
    assert len(shards) == 2 and shards.failures["picture"].tolist() == ["link.png"]

    def lose(source, *given):
        raise FileNotFoundError(source.path)

    monkeypatch.setattr("tlkit.features.large_sets.read_crop", lose)
    with pytest.raises(FileNotFoundError):
        extract(backbone, [folder], tmp_path / "others")
    assert [path.name for path in (tmp_path / "others").iterdir()] == ["features.json"]


def test_members_of_a_tar_are_never_extracted_and_bounded(backbone, tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "_MAX_MEMBER_BYTES", 2000)
    path = tmp_path / "shard.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in [("../../evil.png", encode(make_picture(1))), ("large.png", bytes(2001))]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    before = sorted(tmp_path.parent.parent.iterdir())
    with pytest.warns(UserWarning, match="2 pictures can't be read"):
        shards = extract(backbone, [path], tmp_path / "features")
    assert shards.read().names.tolist() == [f"{shards.stems[0]}/../../evil.png"]
    assert [reason.partition(":")[0] for reason in shards.failures["reason"]] == [
        "2,001 bytes, more than the limit of 2,000 in a tar",
        "a link or special file, not a picture",
    ]
    assert sorted(tmp_path.parent.parent.iterdir()) == before


def test_a_shard_that_fails_stops_no_other(backbone, tmp_path):
    good = write_folder(tmp_path / "good", range(3))
    with pytest.raises(FileNotFoundError, match=r"shards: no file or folder .*missing: correct its path") as caught:
        extract(backbone, [tmp_path / "missing", good], tmp_path / "features")
    notes = [f"shards: {tmp_path / 'missing'}", f"1 shards failed; 1 are finished and stay in {tmp_path / 'features'}."]
    assert caught.value.__notes__ == notes
    assert len(tl.features.FeatureShards(tmp_path / "features")) == 3


def test_wrong_arguments_are_named(backbone, tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"")
    folder = write_folder(tmp_path / "folder", range(2))
    for wrong, error, message in (
        ({"shards": str(folder)}, TypeError, r"shards: '.*', expected several, in a list"),
        ({"dtype": "float64"}, ValueError, "dtype: 'float64' is unknown"),
        ({"bad": "ignore"}, ValueError, "bad: 'ignore' is unknown"),
        ({"shards": [tmp_path / "a.tar.gz"]}, ValueError, r"shards: .*a\.tar\.gz, expected a folder, an uncompressed"),
        ({"shards": [[]]}, ValueError, "shards: one is an empty list"),
        ({"label": "cls"}, ValueError, "label: 'cls', but files have no columns"),
    ):
        with pytest.raises(error, match=message):
            extract(backbone, **{"shards": [folder], "folder": tmp_path / "features"} | wrong)


def test_float16_that_overflows_is_refused(backbone, tmp_path, monkeypatch):
    huge = lambda engine, crops: ([70_000.0 * np.ones((1, 4), np.float32)] for _ in crops)  # noqa: E731
    monkeypatch.setattr("tlkit.features.large_sets.run_in_batches", lambda *given: map(np.concatenate, huge(*given)))
    folder = write_folder(tmp_path / "folder", range(2))
    with pytest.raises(ValueError, match=r"dtype: the features reach 7e.04, which float16 can't hold"):
        extract(backbone, [folder], tmp_path / "features", dtype="float16")
    assert not list((tmp_path / "features").glob("*.npy"))


@pytest.mark.filterwarnings("default")  # of dask, about addresses and sockets
def test_a_cluster_gives_the_same_files(backbone, tmp_path):
    distributed = pytest.importorskip("distributed")
    halves = [write_folder(tmp_path / "a", range(6)), write_folder(tmp_path / "b", range(6, N_PICTURES))]
    extract(backbone, halves, tmp_path / "here")
    options = {"dashboard_address": None, "processes": False, "n_workers": 1, "threads_per_worker": 2}
    with (
        distributed.LocalCluster(silence_logs="critical", memory_limit=0, **options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        shards = extract(backbone, halves, tmp_path / "there", client=client)
    assert len(shards) == N_PICTURES
    for path in (tmp_path / "here").iterdir():
        assert path.read_bytes() == (tmp_path / "there" / path.name).read_bytes()


def test_a_tar_that_is_cut_off_or_damaged_is_an_error(backbone, tmp_path):
    samples = [(f"{number}.png", encode(make_picture(number))) for number in range(2)]
    path = write_tar(tmp_path / "shard.tar", samples)
    content, second = path.read_bytes(), 512 + -(-len(samples[0][1]) // 512) * 512
    damaged = content[:second] + b"x" * 8 + content[second + 8 :]
    for other in (content[:second], content[: second + 100], content[: second + 512 + 10], content[:100], b"", damaged):
        path.write_bytes(other)
        with pytest.raises(tarfile.ReadError) as caught:
            extract(backbone, [path], tmp_path / "features")
        assert caught.value.__notes__[0] == f"shards: {path}"
    assert [file.name for file in (tmp_path / "features").iterdir()] == ["features.json"]


def test_labels_of_a_tar_are_found_beside_hidden_members(backbone, tmp_path):
    samples = [(f"{hidden}{name}", content) for name, content in make_samples() for hidden in ("._", "")]
    path = write_tar(tmp_path / "shard.tar", [(name.replace("._a/", "a/._"), content) for name, content in samples])
    features = extract(backbone, [path], tmp_path / "features", label="cls").read()
    assert features.labels.tolist() == [number % 3 for number in range(N_PICTURES)]
    assert features.names[0].endswith("/a/00.png")


def test_a_row_without_a_label_is_unlabelled_and_other_columns_may_be_structs(backbone, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    pictures = [{"bytes": encode(make_picture(number)), "path": None} for number in range(2)]
    table = pyarrow.table({"image": pictures, "label": ["cat", None], "box": [{"left": 1}] * 2})
    parquet.write_table(table, tmp_path / "shard.parquet")
    features = extract(backbone, [tmp_path / "shard.parquet"], tmp_path / "features", label="label").read()
    assert [features.classes[label] for label in features.labels] == ["cat", "unlabelled"]
