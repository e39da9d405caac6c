"""Which folder is a point's: the whole hash of its configuration decides, not the digits in a name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from prograd_experiments import records
from prograd_experiments.config import config_hash
from prograd_experiments.errors import ConfigError
from prograd_experiments.folders import Folders, slug
from prograd_experiments.records import Status
from tests.helpers.records import record

CODE = "the code"


def config(seed: int) -> dict[str, Any]:
    return {"experiment": {"name": "speed_gap"}, "seed": seed}


ONE, TWO = config(31727), config(89209)
FIRST, SECOND = config_hash(ONE), config_hash(TWO)
DIGITS = "0f2c120a"
"""The digits that the two hashes begin with."""


def written(directory: Path, name: str, its: dict[str, Any], **more: Any) -> Path:
    folder = directory / name
    folder.mkdir()
    about = {"config": its, "config_hash": config_hash(its), "code": CODE}
    records.write(folder, record(2, 8, 1e-3, 1e-4) | about | more)
    return folder


def take(directory: Path, *points: tuple[str, str]) -> list[tuple[str, Status]]:
    folders = Folders(directory, CODE)
    return [folders.take(varied, fingerprint) for varied, fingerprint in points]


def test_the_two_hashes_begin_alike_and_differ() -> None:
    assert FIRST[:8] == SECOND[:8] == DIGITS
    assert FIRST[:16] != SECOND[:16]
    assert len(FIRST) == 64


def test_points_with_the_same_digits_in_one_sweep_have_folders_of_their_own(tmp_path: Path) -> None:
    assert take(tmp_path, ("", FIRST), ("", SECOND)) == [(DIGITS, Status.NEW), (SECOND[:16], Status.NEW)]
    assert take(tmp_path, ("a", SECOND), ("a", FIRST)) == [(f"a_{DIGITS}", Status.NEW), (f"a_{FIRST[:16]}", Status.NEW)]


@pytest.mark.parametrize("varied", ["", "seed-89209", "seed-31727"])
def test_a_record_of_another_point_with_the_same_digits_is_left_alone(tmp_path: Path, varied: str) -> None:
    written(tmp_path, "seed-31727_0f2c120a", ONE)
    written(tmp_path, DIGITS, ONE)
    ((name, status),) = take(tmp_path, (varied, SECOND))
    assert status is Status.NEW
    assert name not in {"seed-31727_0f2c120a", DIGITS}


@pytest.mark.parametrize("swapped", [False, True])
def test_each_of_two_points_with_the_same_digits_finds_its_record_again(tmp_path: Path, *, swapped: bool) -> None:
    written(tmp_path, DIGITS, ONE, status="failed")
    written(tmp_path, SECOND[:16], TWO, code="another")
    points, found = [("", FIRST), ("", SECOND)], [(DIGITS, Status.FAILED), (SECOND[:16], Status.OUTDATED)]
    if swapped:
        points, found = points[::-1], found[::-1]
    assert take(tmp_path, *points) == found


def test_a_point_keeps_its_folder_whatever_the_sweep_varied_that_made_it(tmp_path: Path) -> None:
    written(tmp_path, "depth-1_0f2c120a", ONE, folder="depth-1_0f2c120a")
    assert take(tmp_path, ("seed-0", FIRST)) == [("depth-1_0f2c120a", Status.COMPLETE)]


@pytest.mark.parametrize("copy", ["a-copy_0f2c120a", "z_depth-1_0f2c120a", "old copy_0f2c120a", "0f2c120a"])
@pytest.mark.parametrize("varied", ["depth-1", "seed-0"])
def test_a_copy_kept_beside_is_not_the_point(tmp_path: Path, copy: str, varied: str) -> None:
    folder = written(tmp_path, "depth-1_0f2c120a", ONE, folder="depth-1_0f2c120a")
    shutil.copytree(folder, tmp_path / copy)
    assert take(tmp_path, (varied, FIRST)) == [("depth-1_0f2c120a", Status.COMPLETE)]
    shutil.rmtree(folder)
    assert take(tmp_path, (varied, FIRST)) == [(f"{varied}_0f2c120a", Status.NEW)]


def test_a_record_without_its_folders_name_is_found(tmp_path: Path) -> None:
    written(tmp_path, "depth-1_0f2c120a", ONE)
    assert take(tmp_path, ("seed-0", FIRST)) == [("depth-1_0f2c120a", Status.COMPLETE)]


def test_an_unreadable_record_is_known_by_its_folders_name(tmp_path: Path) -> None:
    (written(tmp_path, "depth-1_0f2c120a", ONE) / records.NAME).write_text("{")
    assert take(tmp_path, ("seed-0", FIRST)) == [("depth-1_0f2c120a", Status.UNREADABLE)]


def test_names_that_are_all_another_points_are_refused(tmp_path: Path) -> None:
    for length in (8, 16, 32, 64):
        written(tmp_path, SECOND[:length], ONE)
    with pytest.raises(ConfigError, match="expected this point's record, got another point's"):
        take(tmp_path, ("", SECOND))


def test_a_slug_is_valid_on_every_file_system() -> None:
    assert slug(["depth=2", "network=custom", "network.layers=[{name: affine}]"]) == (
        "depth-2_network-custom_network.layers-name-affine"
    )
    assert len(slug(["a=" + "b" * 300])) == 80
