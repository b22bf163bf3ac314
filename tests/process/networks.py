"""ResNet18s and the files they are saved in, for tests. Needs torch: import it after pytest.importorskip."""
import json
import struct

import torch
import torchvision

SEED = 20260711


def network(classes, seed=SEED):
    """A ResNet18 whose normalisations do something, as after training."""
    torch.manual_seed(seed)
    net = torchvision.models.resnet18(weights=None, num_classes=classes)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, 0, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.2)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    return net.eval()


def save_safetensors(tensors, path, dtype=torch.float32):
    names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        if name.endswith("num_batches_tracked"):
            continue
        tensor = tensor.to(dtype).contiguous()
        raw = tensor.view(torch.int16).numpy().tobytes() if dtype != torch.float32 else tensor.numpy().tobytes()
        header[name] = {"dtype": names[dtype], "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def state_dict(net):
    return net.state_dict()
