"""Precision int8: as right as fp32 on fresh pictures, measured at load, and measured once."""
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import requests

from bench.waiting import wait_until
from tests.process import worker
from tests.process.programs import BIN, Dispatcher

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")
from tests.process.networks import network

SEED = 20270118
# The long form takes a thousand: EI_INT8_PICTURES=1000.
PICTURES = int(os.environ.get("EI_INT8_PICTURES", "48"))
MIN_SAME_TOP1 = 0.99
MAX_ACCURACY_LOSS = 0.005
CPU_FLAGS = pathlib.Path("/proc/cpuinfo").read_text().split()
VNNI = "avx512_vnni" in CPU_FLAGS or "avx_vnni" in CPU_FLAGS


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Freshly generated pictures: file -> label."""
    return worker.generated_pictures(tmp_path_factory.mktemp("pictures"), PICTURES, SEED)


@pytest.fixture(scope="module")
def exact(pictures):
    return classify(pictures, "--precision", "fp32")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def classify(files, *flags, isa=None):
    """As worker.classify; `isa` is the best instruction set that oneDNN may use."""
    environment = {**os.environ, **({"ONEDNN_MAX_CPU_ISA": isa} if isa else {})}
    # The first start calibrates: a few seconds, and many times that on a machine that does other things too.
    done = worker.run(*flags, "--classify", *files, env=environment, timeout=300)
    assert done.stdout, done.stderr
    return {line["file"]: line for line in map(json.loads, done.stdout.splitlines())}


def top(line):
    return line["top"][0]


def test_int8_answers_as_fp32_does_on_fresh_pictures(pictures, exact, cache):
    found = classify(pictures, "--precision", "int8", "--cache-dir", cache)
    same = sum(top(found[path])["index"] == top(exact[path])["index"] for path in pictures)
    right = {name: sum(top(lines[path])["label"] == label for path, label in pictures.items())
             for name, lines in (("fp32", exact), ("int8", found))}
    apart = max(abs(top(found[path])["probability"] - top(exact[path])["probability"]) for path in pictures)
    print(f"top-1 equal {same}/{PICTURES}, right {right}, largest difference {apart:.4f}")
    assert same >= MIN_SAME_TOP1 * PICTURES
    assert right["fp32"] - right["int8"] <= MAX_ACCURACY_LOSS * PICTURES


@pytest.mark.parametrize("isa", ["AVX2", "AVX512_CORE"])
def test_int8_is_as_right_where_the_cpu_adds_products_in_16_bits(isa, pictures, exact, cache):
    some = list(pictures)[:12]
    found = classify(some, "--precision", "int8", "--cache-dir", cache, isa=isa)
    assert [top(found[path])["index"] for path in some] == [top(exact[path])["index"] for path in some]
    for path in some:
        assert abs(top(found[path])["probability"] - top(exact[path])["probability"]) <= 0.1


def test_a_head_of_a_thousand_classes_keeps_its_answers(tmp_path):
    """Weights as after training: true statistics in the normalisations, and each class's row points at its pictures."""
    net = network(classes=1000)
    torch.manual_seed(SEED)
    seen = torch.nn.functional.interpolate(torch.randn(48, 3, 14, 14), size=224, mode="bicubic")
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None
        net.train()(seen[:16])
        net.eval()
        body = torch.nn.Sequential(*list(net.children())[:-1], torch.nn.Flatten())
        features = torch.cat([body(part) for part in seen.split(8)])
        centre = features.mean(0)
        rows = torch.nn.functional.normalize(features - centre)
        others = torch.nn.functional.normalize(torch.randn(1000 - len(seen), features.shape[1]))
        net.fc.weight.copy_(torch.cat([rows, others]) * 12)
        net.fc.bias.copy_(-net.fc.weight @ centre)
        fresh = seen + 0.1 * torch.randn_like(seen)
        expected = torch.cat([net(part) for part in fresh.split(8)]).numpy()
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    fresh.numpy().astype("<f4").tofile(tmp_path / "in")
    done = subprocess.run([str(BIN / "inference_probe"), "logits", str(tmp_path / "weights.pth"), "int8",
                           str(tmp_path / "in"), str(tmp_path / "out")], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = np.fromfile(tmp_path / "out", "<f4").reshape(expected.shape)
    same = (found.argmax(1) == expected.argmax(1)).mean()
    print(f"1,000 classes: top-1 equal {same:.3f}, right {(expected.argmax(1) == np.arange(len(seen))).mean():.3f}")
    assert same >= 0.95


def started(directory, *flags):
    """One start: what the worker says of its model, its metrics, and the worker for its log."""
    running = worker.Worker(directory, *flags, ready=False)
    try:
        running.wait_ready(120)  # the first one calibrates
        return requests.get(running.url + "/", timeout=10).json(), running.metrics(), running
    finally:
        running.kill()


def test_agreement_is_measured_once_kept_and_told(tmp_path):
    about, metrics, ended = started(tmp_path, "--precision", "int8")
    assert about["precision"] == "int8"
    agreement, = ended.log("int8_agreement")
    assert agreement["pictures"] >= 16
    assert agreement["top1"] >= MIN_SAME_TOP1
    assert metrics.get("ml_app_int8_agreement") == agreement["top1"]
    assert metrics.get("ml_app_int8_largest_difference") == pytest.approx(agreement["largest_difference"])
    kept, = (tmp_path / "cache").glob("int8-*.json")
    text = kept.read_text()

    # What the file says is believed: the second start measures nothing.
    kept.write_text(json.dumps({**json.loads(text), "pictures": 7}))
    _, _, ended = started(tmp_path, "--precision", "int8")
    assert ended.log("int8_agreement")[-1]["pictures"] == 7

    # Auto takes int8 where it is allowed to and pays.
    about, _, _ = started(tmp_path, "--min-agreement", "0.9")
    assert (about["precision"] == "int8") == VNNI
    about, _, _ = started(tmp_path)
    assert about["precision"] != "int8"

    # Too little agreement: the next precision, and the log says why.
    kept.write_text(json.dumps({**json.loads(text), "top1": 0.75}))
    about, _, ended = started(tmp_path, "--min-agreement", "0.9")
    assert about["precision"] != "int8"
    if VNNI:
        assert "int8 gives the class of fp32 for 0.75 of" in ended.log("model_doubt")[-1]["detail"]

    # A damaged file is measured anew, and replaced.
    kept.write_text(text[:40])
    about, _, ended = started(tmp_path, "--precision", "int8")
    assert about["precision"] == "int8"
    assert kept.read_text() == text
    assert ended.log("calibration_damaged")


def test_min_agreement_goes_with_auto_alone():
    done = worker.run("--precision", "int8", "--min-agreement", "0.9")
    assert done.returncode == 2
    assert "--min-agreement: is given with --precision int8; allowed only with auto" in done.stderr
    done = worker.run("--min-agreement", "1.5")
    assert done.returncode == 2
    assert "1.5" in done.stderr and "0.5" in done.stderr


def test_torchscript_is_refused_in_int8(tmp_path):
    torch.jit.save(torch.jit.script(network(3)), str(tmp_path / "model.pt"))
    assert "precision int8 takes a state dict; TorchScript runs in fp32" in worker.start_error(
        "--precision", "int8", "--model-uri", tmp_path / "model.pt")


def test_a_dispatcher_is_told_what_its_workers_compute_in(cache, tmp_path):
    shutil.copytree(cache, tmp_path / "worker/cache")  # what the tests above calibrated, if they ran
    dispatcher = Dispatcher(tmp_path / "dispatcher")
    try:
        running = worker.Worker(tmp_path / "worker", "--precision", "int8", dispatchers=[dispatcher], ready=False)
        try:
            running.wait_ready(120)
            wait_until(lambda: dispatcher.metrics().get("dispatcher_workers_by_precision", precision="int8") == 1, 20)
            agreement = running.log("int8_agreement")[0]["top1"]
            assert dispatcher.metrics().get("dispatcher_int8_agreement") == agreement
        finally:
            running.kill()
    finally:
        dispatcher.kill()
