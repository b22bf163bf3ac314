"""Weights under other names, with other heads, and in other containers than torchvision's own."""
import collections
import io
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from tests.process import worker

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from tests.process.networks import network, save_safetensors, state_dict
from tests.process.test_worker_model import MAX_DIFFERENCE, difference, logits

CLASSES = 7


@pytest.fixture(scope="module")
def net():
    return network(CLASSES)


@pytest.fixture(scope="module")
def inputs():
    torch.manual_seed(1)
    return torch.randn(1, 3, 224, 224)


def expected(net, inputs):
    with torch.no_grad():
        return net(inputs).numpy()


def body(net):
    return {name: tensor for name, tensor in net.state_dict().items() if not name.startswith("fc.")}


def prefixed(tensors, prefix):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def renamed_head(net, weight, bias):
    return {**body(net), weight: net.fc.weight.data, bias: net.fc.bias.data}


def transformers(net, prefix="resnet."):
    """The names of transformers' ResNetForImageClassification (microsoft/resnet-18)."""
    out = {}
    for name, tensor in net.state_dict().items():
        parts = name.split(".")
        if parts[0] in ("conv1", "bn1"):
            new = ["embedder", "embedder", "convolution" if parts[0] == "conv1" else "normalization", parts[-1]]
        elif parts[0] == "fc":
            out["classifier.1." + parts[1]] = tensor
            continue
        else:
            new = ["encoder", "stages", str(int(parts[0][-1]) - 1), "layers", parts[1]]
            if parts[2] == "downsample":
                new += ["shortcut", "convolution" if parts[3] == "0" else "normalization", parts[-1]]
            else:
                new += ["layer", str(int(parts[2][-1]) - 1), "convolution" if parts[2].startswith("conv") else "normalization", parts[-1]]
        out[prefix + ".".join(new)] = tensor
    return out


def sequential(net, prefix="", head=None):
    """The names of nn.Sequential(*list(resnet18.children())[:-1]) and a head beside it."""
    places = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    out = {}
    for name, tensor in body(net).items():
        first, rest = name.split(".", 1)
        out[f"{prefix}{places[first]}.{rest}"] = tensor
    head = head or prefix + "10."
    return {**out, head + "weight": net.fc.weight.data, head + "bias": net.fc.bias.data}


NAMES = {
    "a dropout before the head": lambda net: renamed_head(net, "fc.1.weight", "fc.1.bias"),
    "a head by another name": lambda net: renamed_head(net, "classifier.weight", "classifier.bias"),
    "a head beside the backbone": lambda net: {**prefixed(body(net), "backbone."), "head.fc.weight": net.fc.weight.data, "head.fc.bias": net.fc.bias.data},
    "a head as a convolution": lambda net: {**body(net), "fc.weight": net.fc.weight.data[:, :, None, None], "fc.bias": net.fc.bias.data},
    "transformers": transformers,
    "transformers, wrapped": lambda net: prefixed(transformers(net), "module."),
    "Sequential of the children": sequential,
    "Sequential as the features": lambda net: sequential(net, "features.", "fc."),
    "module.": lambda net: prefixed(net.state_dict(), "module."),
    "several prefixes": lambda net: prefixed(net.state_dict(), "_orig_mod.module.model.net."),
    "AveragedModel": lambda net: {"n_averaged": torch.tensor(3), **prefixed(net.state_dict(), "module.")},
    "thop's marks": lambda net: {**net.state_dict(), "total_ops": torch.zeros(1), "layer1.total_params": torch.zeros(1)},
    "a loss's weights beside it": lambda net: {**prefixed(net.state_dict(), "model."), "criterion.weight": torch.ones(CLASSES)},
    "any single key": lambda net: {"weights_of_epoch_9": net.state_dict(), "epoch": 9},
    "a nested key": lambda net: {"checkpoint": {"ema": {"net": net.state_dict()}}, "args": {"lr": 0.1}},
    "an EMA and its optimiser": lambda net: {"ema": net.state_dict(), "optimizer": torch.optim.SGD(net.parameters(), 0.1, momentum=0.9).state_dict()},
    "Lightning": lambda net: {"epoch": 1, "pytorch-lightning_version": "2.0", "state_dict": prefixed(net.state_dict(), "model."),
                              "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3)}}}], "loops": {"fit_loop": {"state_dict": {}}},
                              "hyper_parameters": {"lr": 0.1}},
    "timm's with an EMA": lambda net: {"epoch": 1, "state_dict": net.state_dict(), "state_dict_ema": {name: tensor * 0 for name, tensor in net.state_dict().items()}},
    "a tensor beside the network": lambda net: {"best_loss": torch.tensor(0.5), "net": net.state_dict()},
    "a default dictionary": lambda net: collections.defaultdict(list, net.state_dict()),
    "parameters": lambda net: {**dict(net.named_parameters()), **dict(net.named_buffers())},
}


@pytest.mark.parametrize("what", NAMES)
def test_the_same_network_under_other_names_gives_torchvisions_scores(what, net, inputs, tmp_path):
    torch.save(NAMES[what](net), tmp_path / "weights.pth")
    assert difference(logits(tmp_path / "weights.pth", inputs, tmp_path), expected(net, inputs)) <= MAX_DIFFERENCE


def test_transformers_safetensors_are_read(net, inputs, tmp_path):
    save_safetensors(transformers(net), tmp_path / "model.safetensors")
    assert difference(logits(tmp_path / "model.safetensors", inputs, tmp_path), expected(net, inputs)) <= MAX_DIFFERENCE


def test_a_head_without_bias_adds_nothing(net, inputs, tmp_path):
    tensors = state_dict(net)
    bias = tensors.pop("fc.bias")
    torch.save(tensors, tmp_path / "weights.pth")
    assert difference(logits(tmp_path / "weights.pth", inputs, tmp_path), expected(net, inputs) - bias.numpy()) <= MAX_DIFFERENCE


def linear(*shape):
    return torch.zeros(*shape)


REFUSED = {
    "two linear layers": (lambda net: {**body(net), "fc.0.weight": linear(256, 512), "fc.0.bias": linear(256), "fc.3.weight": linear(7, 256), "fc.3.bias": linear(7)},
                          ["several layers", "'fc.0.weight' [256, 512]", "'fc.3.weight' [7, 256]", "looked for one linear layer [classes, 512]"]),
    "a normalisation before the head": (lambda net: {**renamed_head(net, "fc.1.weight", "fc.1.bias"), "fc.0.weight": linear(512), "fc.0.bias": linear(512)},
                                        ["'fc.0.bias' [512] is not part of a ResNet18, whose last layer is 'fc.1.weight'"]),
    "no head": (body, ["'fc.weight' is missing", "found beside the network: nothing", "looked for one linear layer"]),
    "a head of another width": (lambda net: {**body(net), "fc.weight": linear(7, 1024), "fc.bias": linear(7)}, ["'fc.weight' has shape [7, 1024], a ResNet18 has [classes, 512]"]),
    "a student and a teacher": (lambda net: {"student": net.state_dict(), "teacher": net.state_dict(), "epoch": 3}, ["several dictionaries of tensors, under 'student', 'teacher'"]),
    "two encoders": (lambda net: {**prefixed(net.state_dict(), "encoder_q."), **prefixed(net.state_dict(), "encoder_k.")}, ["several networks, under 'encoder_k.' and 'encoder_q.'"]),
    "another network": (lambda net: {"features.conv0.weight": linear(64, 3, 7, 7), "classifier.bias": linear(7)},
                        ["not the weights of a ResNet18: looked for 'conv1.weight'", "found 'classifier.bias' [7], 'features.conv0.weight' [64, 3, 7, 7]"]),
    "the model under a key": (lambda net: {"model": network(3), "epoch": 3}, ["holds no tensors, but 'model' (an object of torchvision.models.resnet.ResNet)"]),
    "NaN under transformers' names": (lambda net: transformers_with_nan(net), ["'layer1.0.conv1.weight' (in the file: 'resnet.encoder.stages.0.layers.0.layer.0.convolution.weight') holds nan"]),
}


def transformers_with_nan(net):
    tensors = transformers(net)
    name = "resnet.encoder.stages.0.layers.0.layer.0.convolution.weight"
    tensors[name] = torch.full_like(tensors[name], float("nan"))
    return tensors


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_ambiguous_is_refused_with_what_was_found_and_looked_for(what, net, tmp_path):
    make, words = REFUSED[what]
    torch.save(make(net), tmp_path / "weights.pth")
    error = worker.start_error("--model-uri", tmp_path / "weights.pth")
    for word in words:
        assert word in error, error


# --- containers ---

def rezipped(net, path, compression=zipfile.ZIP_DEFLATED, folder=None, reverse=True, streamed=False, extra=()):
    """What unpacking a .pth and packing it again with another program gives."""
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    with zipfile.ZipFile(buffer) as old:
        members = {name.split("/", 1)[1]: old.read(name) for name in old.namelist()}
    out = io.BytesIO()

    class Stream(io.RawIOBase):
        """Cannot seek: sizes follow in data descriptors."""
        def writable(self):
            return True

        def write(self, data):
            return out.write(data)

    with zipfile.ZipFile(Stream() if streamed else out, "w", compression) as new:
        for name in extra:
            new.writestr(name, b"")
        for name in sorted(members, reverse=reverse):
            new.writestr(("archive/" if folder is None else folder) + name, members[name])
    path.write_bytes(out.getvalue())


def tar(net, path):
    """What torch.save wrote before PyTorch 0.2 (torch.serialization's legacy_load reads it)."""
    kinds = {torch.float32: (torch.FloatStorage, "f"), torch.int64: (torch.LongStorage, "q")}
    tensors = state_dict(net)
    storages, entries = io.BytesIO(), io.BytesIO()
    pickle.dump(len(tensors), storages, protocol=2)
    pickle.dump(len(tensors), entries, protocol=2)
    keys = {}
    for number, (name, tensor) in enumerate(tensors.items()):
        key, storage = 1000 + number, 5000 + number
        keys[id(tensor)] = key
        kind, _ = kinds[tensor.dtype]
        pickle.dump((storage, "cpu", kind), storages, protocol=2)
        data = tensor.contiguous().numpy()
        storages.write(struct.pack("<q", data.size) + data.tobytes())
        pickle.dump((key, storage, torch.FloatTensor if tensor.dtype == torch.float32 else torch.LongTensor), entries, protocol=2)
        entries.write(struct.pack("<ii", tensor.dim(), 0))
        entries.write(struct.pack(f"<{tensor.dim()}q", *tensor.shape) + struct.pack(f"<{tensor.dim()}q", *tensor.contiguous().stride()))
        entries.write(struct.pack("<q", 0))
    pickle.dump([], storages, protocol=2)

    class Pickler(pickle._Pickler):
        def persistent_id(self, thing):
            return str(keys[id(thing)]) if torch.is_tensor(thing) else None

    main = io.BytesIO()
    Pickler(main, protocol=2).dump(collections.OrderedDict(tensors))
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in (("sys_info", pickle.dumps({"little_endian": True}, 2)), ("pickle", main.getvalue()),
                              ("tensors", entries.getvalue()), ("storages", storages.getvalue())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


CONTAINERS = {
    "packed again, compressed": rezipped,
    "packed again, stored": lambda net, path: rezipped(net, path, zipfile.ZIP_STORED, "resnet18-5c106cde/"),
    "packed again without a folder": lambda net, path: rezipped(net, path, folder=""),
    "packed again as a stream": lambda net, path: rezipped(net, path, streamed=True),
    "packed again in another folder, with folders' own entries and macOS's": lambda net, path: rezipped(
        net, path, folder="a b/c/", extra=("a b/", "a b/c/", "a b/c/data/", "__MACOSX/a b/c/data.pkl")),
    "tar": tar,
}


@pytest.mark.parametrize("what", CONTAINERS)
def test_every_container_of_torch_save_gives_the_same_scores(what, net, inputs, tmp_path):
    CONTAINERS[what](net, tmp_path / "weights.pth")
    if what == "tar" or "stored" in what:  # PyTorch agrees that this is its format
        theirs = torch.load(tmp_path / "weights.pth")
        assert all(torch.equal(theirs[name], tensor) for name, tensor in net.state_dict().items())
    assert difference(logits(tmp_path / "weights.pth", inputs, tmp_path), expected(net, inputs)) <= MAX_DIFFERENCE


def zip_of(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)


FOREIGN = {
    "a zip of weights": (lambda path: zip_of(path, resnet18__pth=b"x"), "a ZIP archive with resnet18.pth in it; unpack it"),
    "a Keras model": (lambda path: zip_of(path, model__weights__h5=b"x"), "a Keras model (.keras)"),
    "NumPy arrays": (lambda path: np.savez(open(path, "wb"), a=np.zeros(3)), "holds NumPy arrays (.npz)"),
    "any zip": (lambda path: zip_of(path, readme__txt=b"x"), "it has no data.pkl, but readme.txt"),
    "a pickle of another library": (lambda path: path.write_bytes(b"\x80\x02csklearn.svm._classes\nSVC\n)\x81."), "a pickle of sklearn.svm._classes.SVC, a model of another library"),
    "gzip": (lambda path: path.write_bytes(__import__("gzip").compress(b"x" * 100)), "compressed by gzip; unpack it"),
    "an HTML page": (lambda path: path.write_text("<!DOCTYPE html><html><body>Sign in</body></html>"), "an HTML page, perhaps of a login"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_file_is_named_with_what_to_do(what, tmp_path):
    make, words = FOREIGN[what]
    make(tmp_path / "weights")
    error = worker.start_error("--model-uri", tmp_path / "weights")
    assert words in error, error
    assert "truncated" not in error


def test_a_bomb_is_refused_before_it_is_unpacked(net, tmp_path):
    """A compressed member that announces 4 GB, and one that gives more than it announces."""
    import resource

    def bomb(announced):
        with zipfile.ZipFile(tmp_path / "weights.pth", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", b"\0" * 50_000_000)
        data = bytearray((tmp_path / "weights.pth").read_bytes())
        at = data.index(b"PK\x01\x02")
        data[at + 24:at + 28] = struct.pack("<I", announced)
        (tmp_path / "weights.pth").write_bytes(data)

    def limited():
        resource.setrlimit(resource.RLIMIT_DATA, (600 << 20, 600 << 20))

    for announced, words in ((0xfffffff0, "unpacks to more than 512 MiB"), (1000, "gives other bytes than the 1000")):
        bomb(announced)
        error = worker.start_error("--model-uri", tmp_path / "weights.pth", preexec_fn=limited)
        assert words in error, error


# --- labels ---

def test_label_files_of_other_forms_are_read_and_a_wrong_number_names_both(net, tmp_path):
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    from tests.process.picture_files import picture
    (tmp_path / "a.png").write_bytes(picture("PNG"))
    names = [f"name {n}" for n in "abcdefg"]
    forms = {"json": "{" + ", ".join(f'"{i}": ["n0000000{i}", "{name}"]' for i, name in enumerate(names)) + "}",
             "csv": "index,label\n" + "".join(f"{i},{name}\n" for i, name in reversed(list(enumerate(names)))),
             "py": "{" + ",\n ".join(f"{i}: '{name}'" for i, name in enumerate(names)) + "}"}
    for kind, text in forms.items():
        (tmp_path / kind).write_text(text)
        line, = worker.classify([tmp_path / "a.png"], "--model-uri", tmp_path / "weights.pth", "--labels", tmp_path / kind).values()
        assert all(p["label"] == names[p["index"]] for p in line["top"])
    (tmp_path / "short.json").write_text('["a", "b"]')
    error = worker.start_error("--model-uri", tmp_path / "weights.pth", "--labels", tmp_path / "short.json")
    assert "names 2 classes, the model has 7" in error
