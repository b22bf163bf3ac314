#!/usr/bin/python3
"""Accuracy of a ResNet18 weights file on freshly generated pictures.

    evaluate.py --weights ../weights/shapes.safetensors --count 2400 [--seed S] [--json FILE]

Pictures pass torchvision's evaluation transform (PIL, antialiased); the model
computes in float32, whatever the file's precision.
"""
import argparse
import json
import multiprocessing

import numpy as np
import torch
from torchvision.models import resnet18

import pictures
import shapes
import weights_file


def load_model(path):
    """Torchvision's ResNet18 in float32 with a file's weights, ready for inference, and the file's labels."""
    tensors, metadata = weights_file.load(path)
    state = {name: torch.from_numpy(array.astype(np.float32)) for name, array in tensors.items()}
    model = resnet18(num_classes=len(state["fc.bias"]))
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(f"{path}: missing {missing}, unexpected {unexpected}")
    return model.eval(), json.loads(metadata["labels"])


def _cropped(task):
    return pictures.cropped(*task)


def held_out(count, seed, side=224, processes=1):
    """`count` cropped held-out pictures: (uint8 [count, side, side, 3], class indices [count])."""
    tasks = [(seed, index, side) for index in range(count)]
    if processes > 1:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            pairs = pool.map(_cropped, tasks, chunksize=16)
    else:
        pairs = map(_cropped, tasks)
    images, classes = zip(*pairs)
    return torch.from_numpy(np.stack(images)), torch.tensor(classes)


@torch.no_grad()
def predictions(model, images, batch=32):
    """Class indices [N] that the model gives uint8 pictures [N, side, side, 3]."""
    return torch.cat([model(pictures.normalised(part)).argmax(1) for part in images.split(batch)])


def report(answers, classes):
    """Accuracy, accuracy per class and the most frequent confusions, as a JSON-ready dict."""
    names = shapes.CLASSES
    right = answers == classes
    wrong = {}
    for answer, truth in zip(answers[~right].tolist(), classes[~right].tolist()):
        pair = f"{names[truth]} taken for {names[answer]}"
        wrong[pair] = wrong.get(pair, 0) + 1
    return {
        "pictures": len(classes),
        "accuracy": round(right.double().mean().item(), 5),
        "per_class": {n: round(right[classes == i].double().mean().item(), 4) for i, n in enumerate(names) if (classes == i).any()},
        "confusions": dict(sorted(wrong.items(), key=lambda item: (-item[1], item[0]))),
    }


def main():
    options = argparse.ArgumentParser(description="Accuracy of a weights file on freshly generated pictures.")
    options.add_argument("--weights", required=True)
    options.add_argument("--count", type=int, default=2400)
    options.add_argument("--seed", type=int, default=pictures.HELD_OUT_SEED + 1)
    options.add_argument("--processes", type=int, default=1, help="processes that generate pictures")
    options.add_argument("--json", help="write the report to this file too")
    chosen = options.parse_args()
    model, labels = load_model(chosen.weights)
    if labels != shapes.CLASSES:
        raise ValueError(f"{chosen.weights} was trained on other classes than this generator has: {labels}")
    images, classes = held_out(chosen.count, chosen.seed, processes=chosen.processes)
    result = {"seed": chosen.seed, **report(predictions(model, images), classes)}
    text = json.dumps(result, indent=1)
    print(text)
    if chosen.json:
        with open(chosen.json, "w", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
