"""The picture generator and the committed weights of builtin://shapes."""
import csv
import hashlib
import os
import subprocess

import cv2
import numpy as np
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TRAIN = os.path.join(ROOT, "inference", "train")
WEIGHTS = os.path.join(ROOT, "inference", "weights", "shapes.safetensors")
LABELS = os.path.join(ROOT, "inference", "weights", "shapes.labels.txt")
import shapes  # noqa: E402
import weights_file  # noqa: E402


def write_set(folder, count, seed, file_format="jpeg"):
    script = os.path.join(TRAIN, "shapes.py")
    command = ["/usr/bin/python3", script, "--out", str(folder), "--count", str(count), "--seed", str(seed), "--format", file_format]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def digests(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(os.listdir(folder))}


@pytest.fixture(scope="module", name="one_set")
def fixture_one_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    printed = write_set(folder, 60, 7, "mixed")
    with open(folder / "labels.csv", newline="", encoding="utf-8") as table:
        return folder, list(csv.DictReader(table)), printed


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(tmp_path, one_set):
    folder, _, _ = one_set
    write_set(tmp_path / "again", 60, 7, "mixed")
    write_set(tmp_path / "other", 60, 8, "mixed")
    assert digests(tmp_path / "again") == digests(folder)
    assert not set(digests(tmp_path / "other").values()) & set(digests(folder).values())


def test_a_picture_does_not_depend_on_how_many_are_written(tmp_path, one_set):
    folder, _, _ = one_set
    write_set(tmp_path, 5, 7, "mixed")
    shorter = digests(tmp_path)
    shorter.pop("labels.csv")
    assert shorter.items() <= digests(folder).items() and len(shorter) == 5


def test_the_table_of_labels_names_every_file_and_its_class(one_set):
    folder, rows, printed = one_set
    assert sorted(row["file"] for row in rows) == sorted(set(os.listdir(folder)) - {"labels.csv"})
    for number, row in enumerate(rows):
        assert row["file"].startswith(f"{number:06d}-{row['label']}.")
        assert shapes.CLASSES[int(row["index"])] == row["label"]
    assert {row["file"].rsplit(".")[-1] for row in rows} == {"jpg", "png"}
    assert "seed 7" in printed


def test_every_class_appears_once_in_every_run_of_pictures_as_long_as_the_classes(one_set):
    _, rows, _ = one_set
    classes = len(shapes.CLASSES)
    assert classes >= 20
    for start in (0, classes):
        assert {row["label"] for row in rows[start : start + classes]} == set(shapes.CLASSES)


def test_sizes_are_odd_and_varied_and_within_their_limits(one_set):
    folder, rows, _ = one_set
    sizes = [cv2.imread(str(folder / row["file"])).shape[:2] for row in rows]
    assert len(set(sizes)) == len(sizes)
    assert any(side % 2 for size in sizes for side in size)
    assert any(height > width for height, width in sizes) and any(height < width for height, width in sizes)
    for size in sizes:
        assert shapes.SHORT_SIDE[0] <= min(size) <= shapes.SHORT_SIDE[1]
        assert max(size) <= shapes.LONGEST_SIDE


def test_every_object_stays_where_the_centre_crop_keeps_it():
    rng = np.random.default_rng(5)
    for name, outline in shapes.OUTLINES.items():
        for _ in range(200):
            height, width = shapes._size(rng, shapes.SHORT_SIDE)
            contours, _ = shapes._placed(rng, outline(rng), height, width)
            reach = np.abs(np.concatenate(contours) - (width / 2, height / 2)).max()
            assert reach <= shapes.VISIBLE * min(height, width) / 2, name


def test_the_committed_labels_are_the_generators_classes():
    with open(LABELS, encoding="utf-8") as file:
        assert file.read().split("\n") == shapes.CLASSES + [""]


def test_the_committed_weights_have_torchvisions_names_and_shapes_in_half_precision():
    from torchvision import models

    tensors, metadata = weights_file.load(WEIGHTS)
    wanted = {
        name: tuple(value.shape)
        for name, value in models.resnet18(num_classes=len(shapes.CLASSES)).state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert {name: array.shape for name, array in tensors.items()} == wanted
    assert {array.dtype for array in tensors.values()} == {np.dtype("<f2")}
    assert all(np.isfinite(array).all() for array in tensors.values())
    assert os.path.getsize(WEIGHTS) <= 25e6
    assert metadata["architecture"] == "resnet18" and metadata["seed"].isdigit()


def test_the_committed_weights_name_at_least_95_percent_of_fresh_pictures():
    import evaluate

    count, seed = 8 * len(shapes.CLASSES) + 24, 1_000_300  # held out: training draws from seed 2026 alone
    model, labels = evaluate.load_model(WEIGHTS)
    assert labels == shapes.CLASSES
    images, classes = evaluate.held_out(count, seed)
    result = evaluate.report(evaluate.predictions(model, images), classes)
    assert result["accuracy"] >= 0.95, result
