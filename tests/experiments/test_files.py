"""Arrays from a file: what becomes of them, and files that are refused in one line."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prograd_experiments import data
from prograd_experiments.errors import ConfigError


def load(path: Path, task: str | None = None) -> data.Data:
    return data.load({"data": {"name": "npz", "path": str(path), "task": task}})


def arrays(path: Path, task: str | None = None, **found: Any) -> data.Data:
    np.savez(path, **found)
    return load(path, task)


def test_arrays_become_samples(tmp_path: Path) -> None:
    images = np.arange(24.0).reshape(4, 2, 3)
    labels = arrays(tmp_path / "a.npz", x=images, y=np.array([1, 5, 1, 5]))
    assert (labels.y.tolist(), labels.classes) == ([[1, 0], [0, 1]] * 2, ("1", "5"))
    assert labels.features.shape == (4, 6)
    assert arrays(tmp_path / "b.npz", x=images, y=np.eye(4)).task == "regression"
    one_hot = np.array([[1, 0], [0, 1]] * 2)
    assert arrays(tmp_path / "d.npz", x=images, y=one_hot).y.tolist() == one_hot.tolist()
    assert arrays(tmp_path / "e.npz", x=images, y=np.array([[1], [5], [1], [5]])).y.tolist() == one_hot.tolist()
    assert arrays(tmp_path / "c.npz", x=images, y=np.array(["a", "b", "a", "b"])).classes == ("a", "b")
    assert arrays(tmp_path / "f.npz", x=images, y=np.array([True, False] * 2)).classes == ("False", "True")
    prices = np.arange(60) * 7
    told = arrays(tmp_path / "g.npz", x=np.ones((60, 2)), y=prices).told
    assert told.endswith("target y: numbers from 0 to 413, mean 206.5; data.task=classification makes classes of them")
    assert arrays(tmp_path / "h.npz", "classification", x=images, y=np.array([1.0, 2, 1, 2])).classes == ("1", "2")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"x": np.eye(3)}, "expected arrays x and y, got x"),
        ({"x": np.eye(3), "y": np.arange(2)}, r"got float64 \(3, 3\) and int64 \(2,\)"),
        ({"x": np.zeros((0, 3)), "y": np.arange(0)}, r"got float64 \(0, 3\) and int64 \(0,\)"),
        ({"x": np.eye(3), "y": np.array(1)}, r"got float64 \(3, 3\) and int64 \(\)"),
        (
            {"x": np.eye(2), "y": np.array([["a", "b"], ["b", "a"]])},
            r"expected numbers in y \(2, 2\) for data\.task=classification",
        ),
        (
            {"x": np.array([[1.0, np.nan]]), "y": np.array([1])},
            r"finite numbers in x, got \[ 1. nan\] in row 0",
        ),
        ({"x": np.eye(3), "y": np.array([1.0, np.nan, 2])}, "expected a target in y, got nan in row 1"),
        ({"x": np.eye(3), "y": np.array(["a", "b", " NA"])}, "expected a target in y, got ' NA' in row 2"),
        ({"x": np.eye(2), "y": np.array([b"", b"b"])}, r"expected a target in y, got b'' in row 0"),
        ({"x": np.eye(2), "y": np.array(["2020-01-01", "NaT"], "datetime64[D]")}, "a target in y, got 'NaT' in row 1"),
        ({"x": np.eye(2), "y": np.array([[0, 1], [0, 0]])}, r"expected a one-hot vector in y, got \[0 0\] in row 1"),
        ({"x": np.eye(3), "y": np.array([4, 4, 4])}, "target y: expected at least 2 classes, got one: 4"),
        ({"x": np.array([[None]]), "y": np.array([1])}, "without objects"),
    ],
)
def test_arrays_that_are_none_are_refused(tmp_path: Path, found: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        arrays(tmp_path / "a.npz", **found)


class Trap:
    """Its pickle, once loaded, leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_no_pickle_is_ever_loaded(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    objects = np.empty((2, 1), object)
    objects[:] = Trap(sprung)
    for found in ({"x": objects, "y": np.arange(2)}, {"x": np.eye(2), "y": objects[:, 0]}):
        with pytest.raises(ConfigError, match="without objects, got Object arrays cannot be loaded"):
            arrays(tmp_path / "a.npz", **found)
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(ConfigError, match="expected arrays in NPZ format, got another file"):
        load(tmp_path / "b.npz")
    assert not sprung.exists()


def test_a_file_that_is_not_there_or_no_npz(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.path: expected a readable file, got nowhere\.npz; No such file"):
        load(Path("nowhere.npz"))
    with pytest.raises(ConfigError, match=r"data\.path: expected a file, got .*; it is a directory"):
        load(tmp_path)
    (tmp_path / "t.npz").write_text("no zip")
    with pytest.raises(
        ConfigError, match=r"t\.npz: expected arrays in NPZ format, got another file or a part of one; numpy\.savez"
    ):
        load(tmp_path / "t.npz")


@pytest.mark.parametrize("at", [6, 8, 10, 16])  # the version of zip, flags, the compression, the sum of the bytes
def test_an_npz_with_a_flipped_byte_is_refused_whatever_it_hits(tmp_path: Path, at: int) -> None:
    np.savez_compressed(tmp_path / "t.npz", x=np.arange(6.0).reshape(3, 2), y=np.arange(3))
    content = bytearray((tmp_path / "t.npz").read_bytes())
    content[content.index(b"PK\x01\x02") + at] ^= 0xFF
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(ConfigError, match=r"t\.npz: expected arrays") as raised:
        load(tmp_path / "t.npz")
    assert len(str(raised.value).splitlines()) == 1


def test_an_encrypted_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, x=np.eye(3), y=np.array([0, 1, 0]))
    content = bytearray(path.read_bytes())
    for begins, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(begins)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(begins, at + 1)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"got File .* is encrypted, password required"):
        load(path)


@pytest.mark.parametrize("size", [1 << 44, 1 << 62])
def test_an_npz_larger_than_memory_is_refused_before_it_is_read(tmp_path: Path, size: int) -> None:
    path = tmp_path / "t.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"")
        archive.writestr("y.npy", b"")
    content = path.read_bytes()
    # The directory says how large x is, in the field that zip has for sizes over 4 GB.
    entry = content.index(b"PK\x01\x02")
    extra = struct.pack("<HHQ", 1, 8, size)
    directory = bytearray(content[entry:])
    directory[24:28] = b"\xff" * 4
    directory[30:32] = struct.pack("<H", len(extra))
    directory[46 + 5 : 46 + 5] = extra
    end = directory.index(b"PK\x05\x06")
    directory[end + 12 : end + 16] = struct.pack("<I", end)
    path.write_bytes(content[:entry] + directory)
    with pytest.raises(
        ConfigError, match=r"expected x and y that take less than .* GB of memory, got \d+\.\d GB, 4 times"
    ):
        load(path)
