"""Generated pictures as torch tensors: what training and evaluation both read.

Held-out pictures come from seeds of their own (HELD_OUT_SEED and up), never
used in training.
"""
import random

import cv2
import numpy as np
import torch
from PIL import Image
from torchvision import transforms

import shapes

HELD_OUT_SEED = 1_000_000
# ImageNet's statistics, as torchvision's classification transform has them.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def evaluation_transform(side=224):
    """Torchvision's evaluation transform up to the crop: short side to side*256/224 (antialiased), centre crop."""
    return transforms.Compose([transforms.Resize(round(side * 256 / 224)), transforms.CenterCrop(side)])


def cropped(seed, index, side):
    """Picture `index` after the evaluation transform, RGB uint8 [side, side, 3], and its class."""
    image, chosen = shapes.picture(seed, index)
    whole = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    return np.array(evaluation_transform(side)(whole)), chosen


def normalised(batch):
    """uint8 [N, side, side, 3] RGB -> float32 [N, 3, side, side], ImageNet-normalised, channels last."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (batch.permute(0, 3, 1, 2).float() / 255 - mean) / std


class TrainingPictures(torch.utils.data.Dataset):
    """Fresh pictures first … first+count-1 of a seed. Each is generated once, and turned or mirrored at random.

    Below 224 the picture is drawn small as well, as the detail would be lost anyhow.
    """

    def __init__(self, seed, first, count, side):
        self.seed, self.first, self.count, self.side = seed, first, count, side
        self.short_side = shapes.SHORT_SIDE if side >= 224 else (180, 300)

    def __len__(self):
        return self.count

    def __getitem__(self, at):
        cv2.setNumThreads(1)
        index = self.first + at
        dice = random.Random(f"{self.seed} {index}")
        image, chosen = shapes.picture(self.seed, index, self.short_side)
        if self.side >= 224 and dice.random() < 0.5:
            # Half of the last stage sees pictures exactly as the evaluation does.
            whole = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            return torch.from_numpy(np.array(evaluation_transform(self.side)(whole))), chosen
        return torch.from_numpy(_augmented(dice, image, self.side)), chosen


def _augmented(dice, image, side):
    height, width = image.shape[:2]
    scale = side * (256 / 224) * dice.uniform(0.97, 1.12) / min(height, width)
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    give = 0.02 * side
    left = round(min(max((size[0] - side) / 2 + dice.uniform(-give, give), 0), size[0] - side))
    top = round(min(max((size[1] - side) / 2 + dice.uniform(-give, give), 0), size[1] - side))
    image = image[top : top + side, left : left + side, ::-1]
    image = np.rot90(image, dice.randrange(4))
    return np.ascontiguousarray(image[:, ::-1] if dice.random() < 0.5 else image)
