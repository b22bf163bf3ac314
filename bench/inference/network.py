#!/usr/bin/python3
"""Writes the one network that every contestant runs: weights.pth, model.onnx, pictures.npy and two JPEGs.

    network.py FOLDER

A ResNet18 of a thousand classes with seeded weights, whose normalisations hold the true statistics of its activations,
as after training. Speed depends on the shapes alone; the pictures are what the int8 of the others is calibrated on.
"""
import pathlib
import sys

import cv2
import numpy as np
import torch
import torchvision

SEED = 20270118
CALIBRATION_PICTURES = 32
# A picture from the web, and one from a telephone (12 megapixels).
JPEGS = {"500x375": (500, 375), "12MP": (4000, 3000)}


def scene(width, height, rng):
    """Smooth areas, edges and a little noise, which compress about as photographs do."""
    small = rng.random((height // 64 + 2, width // 64 + 2, 3), np.float32)
    picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC) * 255
    for _ in range(40):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(picture, centre, int(rng.integers(4, height // 8)), rng.integers(0, 255, 3).tolist(), -1)
    return (picture + rng.normal(0, 4, picture.shape)).clip(0, 255).astype(np.uint8)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    pictures = torch.nn.functional.interpolate(torch.randn(CALIBRATION_PICTURES, 3, 28, 28), size=224, mode="bicubic")
    net = torchvision.models.resnet18(weights=None, num_classes=1000)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            torch.nn.init.uniform_(module.weight, 0.5, 1.2)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    with torch.no_grad():
        net.train()(pictures[:8])
    net.eval()
    torch.save(net.state_dict(), folder / "weights.pth")
    np.save(folder / "pictures.npy", pictures.numpy())
    torch.onnx.export(net, pictures[:1], str(folder / "model.onnx"), input_names=["input"], opset_version=13)
    rng = np.random.default_rng(SEED)
    for name, (width, height) in JPEGS.items():
        cv2.imwrite(str(folder / f"{name}.jpg"), scene(width, height, rng), [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    main()
