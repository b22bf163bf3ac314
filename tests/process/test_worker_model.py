"""The worker's answers are torchvision's: the network, the files people save it in, and the evaluation transform."""
import argparse
import collections
import os
import pathlib
import pickle
import subprocess

import numpy as np
import pytest

from tests.process import picture_probe, worker
from tests.process.picture_files import picture
from tests.process.programs import BIN, ROOT

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")
Image = pytest.importorskip("PIL.Image")
from PIL import ImageFile, ImageOps  # noqa: E402

from tests.process.networks import network, save_safetensors, state_dict

SEED = 20260711
# The proof's limits: fp32 differs by rounding only; pictures may flip on a tie.
MAX_DIFFERENCE = 1e-4
MIN_SAME_TOP1 = 0.99
MAX_PROBABILITY_DIFFERENCE = 0.02
PICTURES = 240


def probe(*arguments):
    done = subprocess.run([str(BIN / "inference_probe"), *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def logits(uri, inputs, directory, precision="fp32"):
    inputs.numpy().astype("<f4").tofile(directory / "in")
    probe("logits", uri, precision, directory / "in", directory / "out")
    return np.fromfile(directory / "out", "<f4").reshape(len(inputs), -1)


def difference(ours, theirs):
    """Largest absolute difference relative to the spread of the logits."""
    assert ours.shape == theirs.shape
    return np.abs(ours - theirs).max() / (theirs.max() - theirs.min())


def checkpoint(net):
    return {"epoch": 3, "arch": "resnet18", "args": argparse.Namespace(lr=0.1), "optimizer": {"state": {0: {"step": 1.5}}},
            "state_dict": torch.nn.DataParallel(net).state_dict()}


SAVERS = {
    "pth": lambda net, path: torch.save(state_dict(net), path),
    "pth, the format before 1.6": lambda net, path: torch.save(state_dict(net), path, _use_new_zipfile_serialization=False),
    "pth, pickle protocol 4": lambda net, path: torch.save(state_dict(net), path, pickle_protocol=4),
    "pth, plain dict": lambda net, path: torch.save(dict(state_dict(net)), path),
    "pth, float64": lambda net, path: torch.save(collections.OrderedDict(
        (name, tensor.double() if tensor.is_floating_point() else tensor) for name, tensor in state_dict(net).items()), path),
    "pth, channels last": lambda net, path: torch.save(state_dict(net.to(memory_format=torch.channels_last)), path),
    "pth, a training checkpoint of DataParallel": lambda net, path: torch.save(checkpoint(net), path),
    "pth, one storage for two tensors": lambda net, path: torch.save(shared_storage(net), path),
    "safetensors": lambda net, path: save_safetensors(state_dict(net), path),
    "TorchScript, traced": lambda net, path: torch.jit.save(torch.jit.trace(net, torch.zeros(1, 3, 224, 224)), str(path)),
    "TorchScript, scripted": lambda net, path: torch.jit.save(torch.jit.script(net), str(path)),
}


def shared_storage(net):
    """Two tensors as views into one storage, at an offset."""
    tensors = state_dict(net)
    joined = torch.cat([tensors["bn1.weight"], tensors["bn1.bias"]])
    tensors["bn1.weight"], tensors["bn1.bias"] = joined[:64], joined[64:]
    return tensors


@pytest.mark.parametrize("saver", SAVERS)
def test_logits_are_torchvisions_whatever_file_the_weights_come_in(saver, tmp_path):
    net = network(classes=17)
    inputs = torch.randn(3, 3, 224, 224)
    with torch.no_grad():
        expected = net(inputs).numpy()
    SAVERS[saver](net, tmp_path / "weights")
    assert difference(logits(tmp_path / "weights", inputs, tmp_path), expected) <= MAX_DIFFERENCE


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_files_hold_the_rounded_weights(dtype, tmp_path):
    net = network(classes=5)
    save_safetensors(state_dict(net), tmp_path / "weights", dtype)
    with torch.no_grad():
        net.load_state_dict({name: tensor.to(dtype).float() if tensor.is_floating_point() else tensor
                             for name, tensor in state_dict(net).items()})
        inputs = torch.randn(2, 3, 224, 224)
        expected = net(inputs).numpy()
    assert difference(logits(tmp_path / "weights", inputs, tmp_path), expected) <= MAX_DIFFERENCE


def test_a_thousand_classes_get_imagenets_names(tmp_path):
    torch.save(state_dict(network(classes=1000)), tmp_path / "weights.pth")
    (tmp_path / "a.png").write_bytes(picture("PNG"))
    line, = worker.classify([tmp_path / "a.png"], "--model-uri", tmp_path / "weights.pth").values()
    from torchvision.models._meta import _IMAGENET_CATEGORIES as names
    assert len(line["top"]) == 5
    assert all(p["label"] == names[p["index"]] for p in line["top"])


class Runs:
    """Would run a command if its pickle were loaded as pickles usually are."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


REFUSED = {
    "another network": (lambda path: torch.save(torchvision.models.resnet50(weights=None).state_dict(), path),
                        "'layer1.0.conv1.weight' has shape [64, 64, 1, 1], a ResNet18 has [64, 64, 3, 3]"),
    "a deeper one": (lambda path: torch.save(torchvision.models.resnet34(weights=None).state_dict(), path),
                     "is not part of a ResNet18"),
    "the model itself": (lambda path: torch.save(network(3), path), "save it with torch.save(model.state_dict(), path)"),
    "a list": (lambda path: torch.save([torch.zeros(2)], path), "holds a list, not a state dict"),
    "a truncated file": (lambda path: (torch.save(state_dict(network(3)), path), os.truncate(path, 1_000_000)), "truncated"),
    "text": (lambda path: path.write_text("not weights at all"), "neither safetensors nor"),
    "nothing": (lambda path: path.write_bytes(b""), "empty"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_is_no_resnet18_is_refused_with_the_reason(what, tmp_path):
    save, expected = REFUSED[what]
    save(tmp_path / "weights")
    error = worker.start_error("--model-uri", tmp_path / "weights")
    assert expected in error
    assert str(tmp_path / "weights") in error


def test_a_hostile_pickle_runs_nothing(tmp_path):
    tensors = collections.OrderedDict(state_dict(network(3)))
    tensors["extra"] = Runs(tmp_path / "ran")
    torch.save(tensors, tmp_path / "weights.pth")
    (tmp_path / "a.png").write_bytes(picture("PNG"))
    line, = worker.classify([tmp_path / "a.png"], "--model-uri", tmp_path / "weights.pth").values()
    assert line["top"][0]["label"].startswith("class ")
    assert not (tmp_path / "ran").exists()
    with open(tmp_path / "bare", "wb") as file:
        pickle.dump(Runs(tmp_path / "ran"), file, protocol=2)
    worker.start_error("--model-uri", tmp_path / "bare")
    assert not (tmp_path / "ran").exists()


def test_labels_that_do_not_fit_stop_the_start(tmp_path):
    (tmp_path / "labels").write_text("a\nb\n")
    error = worker.start_error("--labels", tmp_path / "labels")
    assert "names 2 classes, the model has" in error


# --- the evaluation transform ---

def transform():
    t = torchvision.transforms
    return t.Compose([t.Resize(256), t.CenterCrop(224), t.ToTensor(),
                      t.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])


def theirs(path):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return transform()(image).numpy()


def ours(path, directory):
    answer, = picture_probe.decoded([path], directory)
    return answer


def scene(width, height, seed=SEED):
    """Smooth areas, edges and noise: what resampling and JPEG treat differently."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 / max(1, width - 1), y * 255 / max(1, height - 1), (x ^ y) % 256], axis=-1)
    base = base * 0.7 + rng.integers(0, 76, base.shape)
    return Image.fromarray(base.clip(0, 255).astype(np.uint8))


SIZES = [(500, 375), (375, 500), (256, 256), (257, 301), (640, 481), (1, 1), (3, 900), (2048, 31), (224, 224), (1999, 1501)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_size_is_resized_and_cropped_to_the_bit_as_torchvision_does(size, tmp_path):
    scene(*size).save(tmp_path / "a.png")
    assert np.array_equal(ours(tmp_path / "a.png", tmp_path), theirs(tmp_path / "a.png"))


KINDS = {
    "jpeg": ("jpg", lambda image: (image, {"quality": 90})),
    "jpeg, progressive": ("jpg", lambda image: (image, {"quality": 80, "progressive": True})),
    "jpeg, no chroma subsampling": ("jpg", lambda image: (image, {"quality": 95, "subsampling": 0})),
    "jpeg, grey": ("jpg", lambda image: (image.convert("L"), {})),
    "png, grey": ("png", lambda image: (image.convert("L"), {})),
    "png, black and white": ("png", lambda image: (image.convert("1"), {})),
    "png, palette": ("png", lambda image: (image.convert("P", palette=Image.ADAPTIVE, colors=64), {})),
    "png, palette with a transparent colour": ("png", lambda image: (image.convert("P", palette=Image.ADAPTIVE, colors=64), {"transparency": 3})),
    "png, alpha": ("png", lambda image: (with_alpha(image), {})),
    "png, grey with alpha": ("png", lambda image: (with_alpha(image).convert("LA"), {})),
}


def with_alpha(image):
    image = image.copy()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_is_decoded_to_the_bit_as_pillow_does(kind, tmp_path):
    suffix, make = KINDS[kind]
    image, options = make(scene(333, 275))
    image.save(tmp_path / f"a.{suffix}", **options)
    assert np.array_equal(ours(tmp_path / f"a.{suffix}", tmp_path), theirs(tmp_path / f"a.{suffix}"))


def test_cmyk_is_taken_as_pillow_takes_it_but_for_rounding(tmp_path):
    scene(333, 275).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    # Two ways to divide by 255: one step of 8 bits, which is 1 / (255 × 0.224) after normalising.
    assert np.abs(ours(tmp_path / "a.jpg", tmp_path) - theirs(tmp_path / "a.jpg")).max() <= 1.01 / (255 * 0.224)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    scene(320, 270).save(tmp_path / "a.jpg", quality=90, exif=exif)
    assert np.array_equal(ours(tmp_path / "a.jpg", tmp_path), theirs(tmp_path / "a.jpg"))


def test_sixteen_bits_a_sample_are_scaled_to_eight(tmp_path):
    import cv2
    wide = (np.asarray(scene(300, 260).convert("L")).astype(np.uint16) << 8) | 0x7F
    cv2.imwrite(str(tmp_path / "wide.png"), wide)
    Image.fromarray((wide >> 8).astype(np.uint8)).save(tmp_path / "narrow.png")
    assert np.array_equal(ours(tmp_path / "wide.png", tmp_path), theirs(tmp_path / "narrow.png"))


# --- whole pictures with the trained model ---

@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Freshly generated pictures of odd sizes, JPEG and PNG, and their labels."""
    return worker.generated_pictures(tmp_path_factory.mktemp("pictures"), PICTURES, SEED)


def embedded_network():
    """torchvision's network with the embedded model's weights."""
    import weights_file
    tensors, _ = weights_file.load(ROOT / "inference/weights/shapes.safetensors")
    net = torchvision.models.resnet18(weights=None, num_classes=len(tensors["fc.bias"]))
    net.load_state_dict({name: torch.from_numpy(array.astype(np.float32)) for name, array in tensors.items()
                         if not name.endswith("num_batches_tracked")}, strict=False)
    return net.eval()


@pytest.fixture(scope="module")
def reference(pictures):
    """torchvision's own answers: file -> probabilities."""
    net = embedded_network()
    with torch.no_grad():
        return {path: torch.softmax(net(torch.from_numpy(theirs(path))[None]), 1)[0].numpy() for path in pictures}


@pytest.mark.parametrize("precision", ["fp32", "bf16", "auto"])
def test_whole_pictures_are_classified_as_torchvision_classifies_them(precision, pictures, reference):
    if precision == "bf16" and "avx512vl" not in pathlib.Path("/proc/cpuinfo").read_text().split():
        # This CPU computes none: the worker must say so, by name.
        assert "precision 'bf16' needs AVX-512" in worker.start_error("--precision", "bf16")
        return
    found = worker.classify(pictures, "--precision", precision)
    assert len(found) == PICTURES >= 200
    same = sum(found[path]["top"][0]["index"] == reference[path].argmax() for path in pictures)
    apart = max(abs(found[path]["top"][0]["probability"] - reference[path][found[path]["top"][0]["index"]]) for path in pictures)
    right = sum(found[path]["top"][0]["label"] == label for path, label in pictures.items())
    print(f"{precision}: top-1 equal {same}/{PICTURES}, largest difference {apart:.5f}, right {right}/{PICTURES}")
    assert same >= MIN_SAME_TOP1 * PICTURES
    assert apart <= MAX_PROBABILITY_DIFFERENCE
    assert right >= 0.95 * PICTURES


def text(width, height, rng):
    """Lines of letters a dozen pixels high."""
    import cv2
    paper = np.full((height, width, 3), 245, np.uint8)
    for y in range(16, height, 18):
        words = " ".join("".join(rng.choice(list("abcdefghijklm"), 7)) for _ in range(width // 60))
        cv2.putText(paper, words, (0, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (30, 20, 20), 1, cv2.LINE_AA)
    return paper


def lines(width, height, rng):
    """Black and white, a few pixels wide."""
    y, x = np.mgrid[0:height, 0:width]
    slope, period = rng.integers(0, 3), rng.integers(3, 13)
    return np.repeat((((x + slope * y) // period % 2) * 255).astype(np.uint8)[:, :, None], 3, axis=2)


def noise(width, height, rng):
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def drawn(width, height, rng):
    """A picture of the model's classes with grain as fine as its pixels."""
    import shapes
    shape, _ = shapes.picture(int(rng.integers(1 << 30)), 0)
    large = np.asarray(Image.fromarray(shape[:, :, ::-1]).resize((width, height), Image.BICUBIC)).astype(int)
    return (large + rng.normal(0, 20, large.shape)).clip(0, 255).astype(np.uint8)


# What a JPEG decoded at a half (short side from 1,500) or a quarter (from 3,000) could lose.
LARGE = [(draw, size) for draw in (text, lines, noise, drawn) for size in [(2000, 1500), (1510, 2017), (2600, 1700)]] \
    + [(text, (4000, 3000)), (drawn, (3001, 4003))]


# What a normalised sample's unit is, by channel.
GREY_LEVELS = 255 * np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
# By how many grey levels the reduced picture may be apart from the whole one: on average, and at most. docs/security.md and
# inference/preprocess/transform.hpp name them.
MAX_GREY_LEVELS = {text: (2, 10), lines: (2, 10), noise: (2, 10), drawn: (2, 25)}


def test_a_large_jpeg_is_classified_as_its_whole_is_whatever_it_shows_and_however_it_is_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 64 << 20)  # Pillow writes progressive noise only into one block
    net = embedded_network()
    paths = []
    for number, (draw, size) in enumerate(LARGE):
        image = Image.fromarray(draw(*size, np.random.default_rng([SEED, number])))
        exif = Image.Exif()
        exif[0x0112] = number % 8 + 1
        paths.append(str(tmp_path / f"{number:02}-{draw.__name__}.jpg"))
        image.convert(["RGB", "RGB", "L", "RGB", "CMYK"][number % 5]).save(
            paths[-1], quality=90, subsampling=[0, 2][number % 2], progressive=number % 3 == 2, exif=exif)
    found = worker.classify(paths, "--precision", "fp32")
    for path, tensor, (draw, _) in zip(paths, picture_probe.decoded(paths, tmp_path), LARGE):
        pixels = theirs(path)
        levels = np.abs(tensor - pixels) * GREY_LEVELS
        with torch.no_grad():
            whole = torch.softmax(net(torch.from_numpy(pixels)[None]), 1)[0].numpy()
        top = found[path]["top"][0]
        apart = abs(top["probability"] - whole[top["index"]])
        print(f"{path.rsplit('/', 1)[1]}: {apart:.4f} from {whole[top['index']]:.3f}; "
              f"grey levels: {levels.mean():.2f} on average, {levels.max():.2f} at most")
        mean, most = MAX_GREY_LEVELS[draw]
        assert levels.mean() <= mean and levels.max() <= most, path
        assert apart <= MAX_PROBABILITY_DIFFERENCE, path
        # The first of both, unless they are as good as equal.
        assert whole.max() - whole[top["index"]] <= MAX_PROBABILITY_DIFFERENCE, path


def test_the_embedded_labels_are_the_generators_classes(pictures):
    from shapes import CLASSES
    labels = pathlib.Path(ROOT / "inference/weights/shapes.labels.txt").read_text().split("\n")[:-1]
    assert labels == CLASSES
