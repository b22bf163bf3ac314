"""Weights that are broken, and TorchScript models made for other programs: served right, or refused with the reason."""
import io

import numpy as np
import pytest
import requests

from tests.process import worker
from tests.process.picture_files import picture

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from tests.process.networks import network, save_safetensors, state_dict

PICTURE = picture("PNG")


def scripted(module, path, example=None, training=False):
    module.train(training)
    with torch.no_grad():
        made = torch.jit.script(module) if example is None else torch.jit.trace(module, example, check_trace=False, strict=False)
    torch.jit.save(made, str(path))


def top(path, directory, *flags):
    """The first answer of `--classify` for one picture."""
    (directory / "a.png").write_bytes(PICTURE)
    line, = worker.classify([directory / "a.png"], "--model-uri", path, *flags).values()
    return line["top"]


# --- values ---

def broken(tensor, *values, dtype=torch.float32):
    """A state dict whose `tensor` has these values at its end."""
    tensors = {name: value.to(dtype) if value.is_floating_point() else value for name, value in state_dict(network(3)).items()}
    tensors[tensor] = tensors[tensor].clone()
    tensors[tensor].view(-1)[-len(values):] = torch.tensor(values, dtype=torch.float64).to(dtype)
    return tensors


nan, inf = float("nan"), float("inf")
BAD_VALUES = {
    "NaN in a convolution": (lambda: broken("conv1.weight", nan, 1, nan),
                             "tensor 'conv1.weight' holds nan at [63, 2, 6, 4], the first of 2 bad ones among its 9408"),
    "infinity in a bias": (lambda: broken("fc.bias", -inf), "tensor 'fc.bias' holds -inf at [2], the first of 1 bad"),
    "NaN in a mean": (lambda: broken("layer4.1.bn2.running_mean", nan), "tensor 'layer4.1.bn2.running_mean' holds nan at [511]"),
    "a negative variance": (lambda: broken("layer1.0.bn1.running_var", -0.5, -1e-9),
                            "tensor 'layer1.0.bn1.running_var' holds -0.5 at [62], the first of 2 bad"),
    "infinity in a variance": (lambda: broken("bn1.running_var", inf), "tensor 'bn1.running_var' holds inf at [63]"),
    "float16 that overflowed": (lambda: broken("layer2.0.conv2.weight", 1e6, dtype=torch.float16), "tensor 'layer2.0.conv2.weight' holds inf"),
    "NaN in bfloat16": (lambda: broken("layer2.0.conv2.weight", nan, dtype=torch.bfloat16), "tensor 'layer2.0.conv2.weight' holds nan"),
    "float64 that float32 cannot hold": (lambda: broken("fc.weight", 1e200, dtype=torch.float64), "tensor 'fc.weight' holds 1e+200 at [2, 511]"),
    "a scale that overflows over a tiny variance": (lambda: {**broken("bn1.weight", 1e37), "bn1.running_var": torch.zeros(64)},
                                                    "tensor 'conv1.weight' with the normalisation 'bn1' folded in"),
    "activations that overflow": (lambda: broken("fc.weight", *[3e38] * 512), "scores for a picture of finite values are not finite"),
}


@pytest.mark.parametrize("what", BAD_VALUES)
def test_weights_that_cannot_be_computed_with_are_refused_by_name_and_index(what, tmp_path):
    make, expected = BAD_VALUES[what]
    torch.save(make(), tmp_path / "weights.pth")
    assert expected in worker.start_error("--model-uri", tmp_path / "weights.pth", "--precision", "fp32")


def test_safetensors_and_torchscript_are_checked_too(tmp_path):
    save_safetensors(broken("layer1.0.bn1.running_var", -1), tmp_path / "weights.safetensors")
    assert "tensor 'layer1.0.bn1.running_var' holds -1 at [63]" in worker.start_error("--model-uri", tmp_path / "weights.safetensors")
    net = network(3)
    net.layer1[0].bn1.running_var[7] = -1
    scripted(net, tmp_path / "scripted.pt")
    assert "tensor 'layer1.0.bn1.running_var' holds -1 at [7]" in worker.start_error("--model-uri", tmp_path / "scripted.pt")
    net = network(3)
    net.fc.weight.data[1, 5] = nan
    torch.jit.save(torch.jit.freeze(torch.jit.script(net.eval())), str(tmp_path / "frozen.pt"))
    error = worker.start_error("--model-uri", tmp_path / "frozen.pt")
    assert "holds nan at [1, 5]" in error or "holds nan at [5, 1]" in error


class BreaksOnDark(nn.Module):
    """Finite for every probe but not for a picture whose pixels all lie in a narrow band."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        rows = self.net(x)
        if bool(x.max() < 1.5) and bool(x.max() > 1.0):
            rows = rows * float("nan")
        return rows


def predict(program, data):
    return requests.post(program.url + "/predict", data=data, headers={"Content-Type": "image/png"}, timeout=20)


def grey(value):
    from PIL import Image
    out = io.BytesIO()
    Image.new("RGB", (224, 224), (value,) * 3).save(out, "PNG")
    return out.getvalue()


def test_a_score_that_is_not_finite_is_the_workers_fault_counted_and_makes_it_unready(tmp_path, start_dispatcher, start_worker):
    scripted(BreaksOnDark(network(3)), tmp_path / "model.pt")
    dispatcher = start_dispatcher()
    program = start_worker("--model-uri", tmp_path / "model.pt", dispatchers=[dispatcher])
    assert predict(program, grey(255)).status_code == 200
    assert program.metrics().get("ml_app_nonfinite_total") == 0
    bad = predict(program, grey(180))
    assert bad.status_code == 500
    assert "weights are broken" in bad.json()["detail"]
    assert program.metrics().get("ml_app_nonfinite_total") == 1
    assert program.metrics().get("ml_app_ready") == 0
    ready = requests.get(program.url + "/readyz", timeout=20)
    assert ready.status_code == 503
    assert "the scores of 1 finite pictures were not finite" in ready.json()["detail"]
    assert requests.get(program.url + "/healthz", timeout=20).status_code == 200
    assert len(program.log("model_broken")) == 1
    # Its other answers are right: it goes on with them, and the dispatcher's clients get a 500 for this one.
    assert predict(dispatcher, grey(180)).status_code == 500
    assert predict(dispatcher, grey(255)).status_code == 200


# --- outputs ---

class Ends(nn.Module):
    def __init__(self, net, end):
        super().__init__()
        self.net, self.end = net, end

    def forward(self, x):
        return self.end(self.net(x))


def confident(classes=10):
    net = network(classes)
    net.fc.weight.data *= 10
    return net


ENDS = {
    "scores": (nn.Identity(), "scores"),
    "a softmax": (nn.Softmax(dim=1), "probabilities"),
    "a log_softmax": (nn.LogSoftmax(dim=1), "log_probabilities"),
}


@pytest.mark.parametrize("kind", ["traced", "scripted", "frozen"])
@pytest.mark.parametrize("end", ENDS)
def test_probabilities_are_made_once_wherever_the_model_ends(end, kind, tmp_path, start_worker):
    layer, output = ENDS[end]
    net = confident()
    torch.save(net.state_dict(), tmp_path / "plain.pth")
    expected = top(tmp_path / "plain.pth", tmp_path, "--precision", "fp32")
    module = Ends(net, layer).eval()
    made = torch.jit.trace(module, torch.zeros(1, 3, 224, 224)) if kind == "traced" else torch.jit.script(module)
    torch.jit.save(torch.jit.freeze(made) if kind == "frozen" else made, str(tmp_path / "model.pt"))
    found = top(tmp_path / "model.pt", tmp_path)
    assert [p["index"] for p in found] == [p["index"] for p in expected]
    assert np.allclose([p["probability"] for p in found], [p["probability"] for p in expected], atol=1e-3)
    assert expected[0]["probability"] > 0.5  # a second softmax would give about 0.1
    program = start_worker("--model-uri", tmp_path / "model.pt")
    assert program.log("model_ready")[0]["output"] == output
    assert requests.get(program.url, timeout=20).json()["output"] == output
    assert program.metrics().sum("ml_app_model_info", output=output, precision="fp32") == 1


def test_scores_that_happen_to_be_positive_stay_scores(tmp_path, start_worker):
    scripted(Ends(confident(), nn.ReLU()), tmp_path / "relu.pt")
    program = start_worker("--model-uri", tmp_path / "relu.pt")
    assert program.log("model_ready")[0]["output"] == "scores"
    assert not program.log("model_doubt")


def test_a_sigmoid_for_each_class_is_warned_of(tmp_path, start_worker):
    scripted(Ends(network(10), nn.Sigmoid()), tmp_path / "sigmoid.pt")
    program = start_worker("--model-uri", tmp_path / "sigmoid.pt")
    assert "behind a sigmoid" in program.log("model_doubt")[0]["detail"]


# --- what else foreign models assume ---

class Returns(nn.Module):
    """A network whose rows are handed on by `how`."""

    def __init__(self, net, how, before=lambda x: x):
        super().__init__()
        self.net, self.how, self.before = net, how, before

    def forward(self, x):
        return self.how(self.net(self.before(x)))


TAKEN = {
    "a tuple of one": lambda rows: (rows,),
    "scores and an auxiliary classifier's": lambda rows: (rows, -rows),
    "scores and features": lambda rows: (rows, torch.zeros(1, 512, 7, 7)),
    "a list": lambda rows: [rows],
    "a nested tuple": lambda rows: ((rows,), torch.zeros(1, 64, 2, 2)),
    "a dictionary with logits": lambda rows: {"hidden": torch.zeros(1, 10), "logits": rows},
    "a dictionary with out": lambda rows: {"out": rows, "aux": -rows},
    "a dictionary of one": lambda rows: {"result": rows},
    "[N, classes, 1, 1]": lambda rows: rows[:, :, None, None],
    "[classes]": lambda rows: rows[0],
    "float64": lambda rows: rows.double(),
    "float16": lambda rows: rows.half(),
}


@pytest.mark.parametrize("what", TAKEN)
def test_what_is_unambiguous_in_a_models_output_is_taken(what, tmp_path):
    net = confident()
    torch.save(net.state_dict(), tmp_path / "plain.pth")
    expected = top(tmp_path / "plain.pth", tmp_path, "--precision", "fp32")
    scripted(Returns(net, TAKEN[what]), tmp_path / "model.pt", torch.zeros(1, 3, 224, 224))
    found = top(tmp_path / "model.pt", tmp_path)
    assert [p["index"] for p in found[:2]] == [p["index"] for p in expected[:2]]
    assert np.allclose([p["probability"] for p in found], [p["probability"] for p in expected], atol=2e-3)


def test_models_in_half_and_double_precision_are_computed_in_float32(tmp_path):
    net = confident()
    torch.save(net.state_dict(), tmp_path / "plain.pth")
    expected = top(tmp_path / "plain.pth", tmp_path, "--precision", "fp32")
    for number, dtype in enumerate((torch.float16, torch.float64)):
        torch.jit.save(torch.jit.script(confident().to(dtype)), str(tmp_path / f"{number}.pt"))
        found = top(tmp_path / f"{number}.pt", tmp_path)
        assert found[0]["index"] == expected[0]["index"]
        assert abs(found[0]["probability"] - expected[0]["probability"]) < 0.02


def test_a_model_saved_in_training_mode_is_put_into_evaluation_mode(tmp_path):
    net = confident()
    torch.save(net.state_dict(), tmp_path / "plain.pth")
    expected = top(tmp_path / "plain.pth", tmp_path, "--precision", "fp32")
    scripted(nn.Sequential(net, nn.Dropout(0.5)), tmp_path / "model.pt", training=True)
    assert abs(top(tmp_path / "model.pt", tmp_path)[0]["probability"] - expected[0]["probability"]) < 1e-3


class Fixed(nn.Module):
    """Takes one size of picture alone, as a linear layer without pooling does."""

    def __init__(self, side, channels=3, batch=None, last=False):
        super().__init__()
        self.batch, self.last = batch, last
        self.conv = nn.Conv2d(channels, 2, 16, 16)
        self.fc = nn.Linear(2 * (side // 16) ** 2, 5)

    def forward(self, x):
        if self.last:
            x = x.permute(0, 3, 1, 2)
        x = self.conv(x)
        return self.fc(x.reshape(self.batch or x.shape[0], -1))


class SelfNormalising(nn.Module):
    def __init__(self, net, mean):
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))

    def forward(self, x):
        return self.net(x - self.mean)


class TwoInputs(nn.Module):
    def forward(self, x, mask):
        return x.mean((2, 3)) + mask


class Listed(nn.Module):
    def forward(self, x: list[torch.Tensor]):
        return x[0].mean((2, 3))


class AlwaysDrops(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return functional.dropout(self.net(x), 0.5)


def shape(*sizes):
    return torch.zeros(*sizes)


REFUSED = {
    "channels last": (lambda p: scripted(Fixed(224, last=True), p, shape(1, 224, 224, 3)), "takes pictures with the channels last, Float [1, 224, 224, 3]"),
    "299 pixels": (lambda p: scripted(Fixed(299), p, shape(1, 3, 299, 299)), "takes pictures of 299 pixels, Float [1, 3, 299, 299]"),
    "grey": (lambda p: scripted(Fixed(224, channels=1), p, shape(1, 1, 224, 224)), "takes grey pictures, Float [1, 1, 224, 224]"),
    "a batch of eight": (lambda p: scripted(Fixed(224, batch=8), p, shape(8, 3, 224, 224)), "takes batches of exactly 8, Float [8, 3, 224, 224]"),
    "an own normalisation": (lambda p: scripted(SelfNormalising(network(3), [0.485, 0.456, 0.406]), p), "normalises its pictures itself ('mean' is ImageNet's mean)"),
    "an own normalisation of bytes in BGR": (lambda p: scripted(SelfNormalising(network(3), [103.53, 116.28, 123.675]), p, shape(1, 3, 224, 224)), "normalises its pictures itself"),
    "traced in training mode": (lambda p: scripted(network(3), p, shape(2, 3, 224, 224), training=True), "exported in training mode (aten::batch_norm"),
    "dropout that never ends": (lambda p: scripted(AlwaysDrops(network(3)), p), "exported in training mode (aten::dropout"),
    "two inputs": (lambda p: scripted(TwoInputs(), p), "takes forward(x: Tensor, mask: Tensor); needed is forward(x)"),
    "a list of pictures": (lambda p: scripted(Listed(), p), "takes forward(x: Tensor[])"),
    "features beside scores": (lambda p: scripted(Returns(network(3), lambda rows: (torch.zeros(1, 512), rows)), p, shape(1, 3, 224, 224)),
                               "returns several values: '0' Float [1, 512], '1' Float [1, 3]; it is not clear which of them are the scores"),
    "a dictionary of strangers": (lambda p: scripted(Returns(network(3), lambda rows: {"a": rows, "b": -rows}), p, shape(1, 3, 224, 224)),
                                  "returns several values: 'a' Float [1, 3], 'b' Float [1, 3]; it is not clear which of them are the scores"),
    "a class's index": (lambda p: scripted(Returns(network(3), lambda rows: rows.argmax(1)), p, shape(1, 3, 224, 224)), "returns a tensor Long [1] for one picture"),
    "topk": (lambda p: scripted(Returns(network(9), lambda rows: torch.topk(rows, 5)), p, shape(1, 3, 224, 224)), "as of topk()"),
    "segmentation": (lambda p: scripted(Returns(nn.Conv2d(3, 21, 1), lambda rows: rows), p, shape(1, 3, 224, 224)), "returns a tensor Float [1, 21, 224, 224] for one picture"),
    "NaN for every picture": (lambda p: scripted(Returns(network(3), lambda rows: rows / 0 * 0), p, shape(1, 3, 224, 224)), "answer to a picture of finite values holds nan at [0, 0]"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_model_for_another_program_is_refused_with_what_was_found_and_what_is_needed(what, tmp_path):
    save, expected = REFUSED[what]
    save(tmp_path / "model.pt")
    error = worker.start_error("--model-uri", tmp_path / "model.pt")
    assert expected in error, error
    assert str(tmp_path / "model.pt") in error


def test_a_wrong_number_of_labels_names_both_numbers(tmp_path):
    scripted(network(3), tmp_path / "model.pt")
    (tmp_path / "labels").write_text("a\nb\n")
    error = worker.start_error("--model-uri", tmp_path / "model.pt", "--labels", tmp_path / "labels")
    assert "names 2 classes, the model has 3" in error
