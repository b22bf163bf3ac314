#!/usr/bin/python3
"""Trains the ResNet18 behind `builtin://shapes` on generated pictures, and writes its weights.

    train.py --work DIR [--seed 2026] [--stages 96:80000,128:70000,224:30000]

Every picture is generated for one step and never seen again. The picture side
grows from stage to stage; the last stage has the evaluation's own 224. DIR
gets checkpoint.pt (a killed run started again with the same arguments goes on
from there), log.jsonl, shapes.safetensors and shapes.labels.txt. Works with
Debian's torch 1.13 and with torch 2; the latter's bf16 convolutions are about
ten times faster on a CPU that has AVX512-BF16.
"""
import argparse
import contextlib
import json
import math
import os
import time

import numpy as np
import torch
from torch import nn
from torchvision.models import resnet18

import evaluate
import pictures
import shapes
import weights_file

BATCH = 64
PEAK_RATE = 0.1  # SGD with Nesterov momentum 0.9 at batch 64
WARM_UP = 0.06  # share of all steps
DECAY = 5e-4  # on convolution and fc matrices only
LABEL_SMOOTHING = 0.05
CHECKPOINT_STEPS = 100


def parse_stages(text):
    """'96:80000,224:30000' -> [(side, steps)]."""
    return [(int(side), int(count) // BATCH) for side, count in (part.split(":") for part in text.split(","))]


def rate_at(step, steps):
    """Linear warm-up, then cosine to zero."""
    warm = WARM_UP * steps
    if step < warm:
        return PEAK_RATE * (step + 1) / warm
    return PEAK_RATE * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def new_optimizer(model):
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, PEAK_RATE, momentum=0.9, nesterov=True)


def export(model, folder, metadata):
    """Writes shapes.safetensors in half precision and shapes.labels.txt."""
    tensors = {
        name: value.detach().contiguous().to(torch.float16).numpy()
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    if not all(np.isfinite(array).all() for array in tensors.values()):
        raise ValueError("a weight does not fit in half precision")
    weights_file.save(os.path.join(folder, "shapes.safetensors"), tensors, metadata)
    with open(os.path.join(folder, "shapes.labels.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(shapes.CLASSES) + "\n")


class Run:
    """A training run: the model, its optimizer, and the steps done so far."""

    def __init__(self, options):
        self.options = options
        self.stages = parse_stages(options.stages)
        self.steps = sum(steps for _, steps in self.stages)
        torch.manual_seed(options.seed)
        self.model = resnet18(num_classes=len(shapes.CLASSES)).to(memory_format=torch.channels_last)
        self.optimizer = new_optimizer(self.model)
        self.loss = nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
        self.done = 0
        self.busy_seconds = 0.0
        self.checkpoint = os.path.join(options.work, "checkpoint.pt")
        if os.path.exists(self.checkpoint):
            state = torch.load(self.checkpoint, map_location="cpu")
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.done, self.busy_seconds = state["done"], state["busy_seconds"]
        self.checked, self.truth = evaluate.held_out(options.check, pictures.HELD_OUT_SEED)

    def autocast(self):
        if self.options.precision == "bf16":
            return torch.autocast("cpu", dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def train(self):
        before = 0
        for side, steps in self.stages:
            skip = max(0, self.done - before)
            if skip < steps:
                self.stage(side, (before + skip) * BATCH, (steps - skip) * BATCH)
            before += steps
        self.save()

    def stage(self, side, first, count):
        data = pictures.TrainingPictures(self.options.seed, first, count, side)
        # "spawn": a forked child hangs in the thread pools that torch and OpenCV already started here.
        loader = torch.utils.data.DataLoader(
            data, BATCH, num_workers=self.options.processes, prefetch_factor=6, multiprocessing_context="spawn")
        since = time.monotonic()
        right = losses = seen = 0
        for images, classes in loader:
            for group in self.optimizer.param_groups:
                group["lr"] = rate_at(self.done, self.steps)
            with self.autocast():
                logits = self.model(pictures.normalised(images).contiguous(memory_format=torch.channels_last))
            loss = self.loss(logits.float(), classes)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.done += 1
            right += (logits.argmax(1) == classes).sum().item()
            losses += loss.item()
            seen += 1
            if self.done % CHECKPOINT_STEPS == 0:
                now = time.monotonic()
                self.busy_seconds += now - since
                speed = {"ms_per_picture": round((now - since) / seen / BATCH * 1e3, 2)}
                self.save(side=side, loss=round(losses / seen, 4), accuracy=round(right / seen / BATCH, 4), **speed)
                since, right, losses, seen = time.monotonic(), 0, 0.0, 0
        self.busy_seconds += time.monotonic() - since

    def save(self, **figures):
        """Checkpoint, weights, and one line of figures; `held_out` is the accuracy at 224."""
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "done": self.done}
        torch.save({**state, "busy_seconds": self.busy_seconds}, self.checkpoint + ".partial")
        os.replace(self.checkpoint + ".partial", self.checkpoint)
        self.model.eval()
        with self.autocast():
            held_out = (evaluate.predictions(self.model, self.checked) == self.truth).double().mean().item()
        self.model.train()
        export(self.model, self.options.work, {
            "format": "pt", "labels": json.dumps(shapes.CLASSES), "architecture": "resnet18",
            "seed": str(self.options.seed), "stages": self.options.stages, "steps": str(self.done),
            "licence": "Apache-2.0",
        })
        line = {"step": self.done, "of": self.steps, **figures, "held_out": round(held_out, 4), "minutes": round(self.busy_seconds / 60, 1)}
        print(json.dumps(line), flush=True)
        with open(os.path.join(self.options.work, "log.jsonl"), "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")


def main():
    options = argparse.ArgumentParser(description="Trains the ResNet18 behind builtin://shapes.")
    options.add_argument("--work", required=True, help="folder for the checkpoint, the log and the weights")
    options.add_argument("--seed", type=int, default=2026)
    options.add_argument("--stages", default="96:80000,128:70000,224:30000", help="side:pictures,…")
    options.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    options.add_argument("--threads", type=int, default=1, help="torch threads")
    options.add_argument("--processes", type=int, default=1, help="processes that generate pictures")
    options.add_argument("--check", type=int, default=240, help="held-out pictures scored at every checkpoint")
    chosen = options.parse_args()
    if chosen.precision == "auto":
        chosen.precision = "bf16" if int(torch.__version__.split(".")[0]) >= 2 else "fp32"
    torch.set_num_threads(chosen.threads)
    os.makedirs(chosen.work, exist_ok=True)
    print(json.dumps({**vars(chosen), "torch": torch.__version__, "classes": len(shapes.CLASSES)}), flush=True)
    Run(chosen).train()


if __name__ == "__main__":
    main()
