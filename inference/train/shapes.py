#!/usr/bin/python3
"""Seeded generator of the labelled pictures that `builtin://shapes` is trained and tested on.

    shapes.py --out DIR --count N --seed S [--format jpeg|png|mixed]

writes DIR/000123-<class>.jpg … and DIR/labels.csv (file,label,index). Needs
numpy and OpenCV only. Picture i of seed S is the same whatever the count; it
is byte-for-byte the same on one build of OpenCV and numpy.

A picture shows one object (outlines.py) or one texture (textures.py), in
clutter, turned, scaled, lit, blurred, noisy and compressed. The subject stays
inside the square that the usual evaluation transform keeps (short side to
256, centre 224), and clutter is always thin lines and small lumps, never a
member of another class.
"""
import argparse
import csv
import math
import os

import cv2
import numpy as np

from outlines import OUTLINES
from textures import TEXTURES

CLASSES = sorted(OUTLINES) + sorted(TEXTURES)

# Sides in pixels: small web pictures to ordinary ones. Larger would only cost time,
# because the evaluation transform shrinks everything to a short side of 256.
SHORT_SIDE = (180, 440)
LONGEST_SIDE = 700
VISIBLE = 224 / 256  # the part of the short side that the centre crop keeps
MIN_CONTRAST = 95.0  # least distance of two neighbouring colours, in 8-bit BGR


def class_of(seed, index):
    """Class of picture `index`: every run of len(CLASSES) pictures holds each class once."""
    block, place = divmod(index, len(CLASSES))
    return int(np.random.default_rng([seed, block, 0xC1A55]).permutation(len(CLASSES))[place])


def picture(seed, index, short_side=SHORT_SIDE):
    """Picture `index` of `seed`: (BGR uint8 [height, width, 3], class index)."""
    chosen = class_of(seed, index)
    return generate(np.random.default_rng([seed, index]), chosen, short_side)[0], chosen


def generate(rng, class_index, short_side=SHORT_SIDE):
    """Draws one picture of a class: (BGR uint8 [height, width, 3], label)."""
    label = CLASSES[class_index]
    height, width = _size(rng, short_side)
    ground, ink = _two_colours(rng)
    image = _surface(rng, height, width, ground)
    if label in OUTLINES:
        _clutter(rng, image, lumps=rng.integers(0, 14), lines=rng.integers(0, 9), largest=0.05)
        image = _draw_object(rng, image, OUTLINES[label], ground, ink)
    else:
        image = _draw_texture(rng, image, TEXTURES[label], ground, ink)
    _clutter(rng, image, lumps=rng.integers(0, 4), lines=rng.integers(0, 4), largest=0.03)
    return _camera(rng, image), label


def _size(rng, short_side):
    short = int(rng.integers(short_side[0], short_side[1] + 1))
    long = min(int(short * rng.uniform(1.0, 1.8)), LONGEST_SIDE)
    return (short, long) if rng.random() < 0.6 else (long, short)


def _two_colours(rng):
    while True:
        pair = rng.uniform(10, 245, (2, 3))
        if rng.random() < 0.3:  # pale and grey scenes
            pair = pair.mean(1, keepdims=True) + (pair - pair.mean(1, keepdims=True)) * rng.random()
        brightness = pair @ (0.114, 0.587, 0.299)
        # Mostly told apart by brightness, as colour alone is lost in compression.
        if np.linalg.norm(pair[0] - pair[1]) > MIN_CONTRAST and abs(brightness[0] - brightness[1]) > 35:
            return pair[0], pair[1]


def _field(rng, height, width, cells, amplitude, channels=1):
    """Smooth random field, float32 [height, width(, channels)], within about ±amplitude."""
    coarse = rng.uniform(-amplitude, amplitude, (cells, cells, channels)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR if cells < 4 else cv2.INTER_CUBIC)


def _surface(rng, height, width, colour):
    """A plain, shaded or mottled surface of one colour, uint8 [height, width, 3]."""
    kind = rng.random()
    if kind < 0.25:
        return np.full((height, width, 3), np.rint(colour), np.uint8)
    cells = 2 if kind < 0.6 else int(rng.integers(4, 14))
    # Mottling stays well under MIN_CONTRAST so that it cannot pass for a pattern of its own.
    field = _field(rng, height, width, cells, 28.0 if cells == 2 else 18.0, 3)
    return cv2.add(field, (*map(float, colour), 0.0), dtype=cv2.CV_8U)


def _polygon(image, contours, colour, scale=16):
    """Fills contours (even-odd, anti-aliased, 1/16 pixel)."""
    cv2.fillPoly(image, [np.rint(c * scale).astype(np.int32) for c in contours], colour, cv2.LINE_AA, 4)


def _clutter(rng, image, lumps, lines, largest):
    """Thin crooked lines and small irregular lumps; `largest` is a share of the short side."""
    height, width = image.shape[:2]
    short = min(height, width)
    for _ in range(int(lumps)):
        corners = int(rng.integers(5, 10))
        angle = np.sort(rng.uniform(0, 2 * math.pi, corners))
        radius = short * rng.uniform(0.3, 1.0, corners) * rng.uniform(0.01, largest)
        lump = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None] + rng.uniform(0, 1, 2) * (width, height)
        _polygon(image, [lump], rng.uniform(0, 255, 3).tolist())
    for _ in range(int(lines)):
        walk = rng.uniform(0, 1, 2) * (width, height) + np.cumsum(rng.normal(0, 0.16 * short, (4, 2)), 0)
        thickness = int(max(1, rng.uniform(0.003, 0.011) * short))
        cv2.polylines(image, [np.rint(walk * 16).astype(np.int32)], False, rng.uniform(0, 255, 3).tolist(), thickness, cv2.LINE_AA, 4)


def _placed(rng, contours, height, width):
    """Turns, tilts and scales unit contours into the visible square; (contours, radius in pixels)."""
    side = VISIBLE * min(height, width)
    radius = side * rng.uniform(0.25, 0.485)
    room = max(0.0, 0.495 * side - radius)
    centre = np.array([width, height]) / 2 + rng.uniform(-room, room, 2)
    turn, lean = rng.uniform(0, 2 * math.pi), rng.uniform(0, math.pi)
    squeeze, tilt = rng.uniform(0.88, 1.0), rng.uniform(-0.1, 0.1, 2)

    def rotation(angle):
        return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])

    matrix = rotation(lean) @ np.diag([1.0, squeeze]) @ rotation(turn - lean)
    placed = []
    for contour in contours:
        points = contour @ matrix.T
        # Perspective, renormalised so that no point leaves the unit circle.
        placed.append(points / (1.0 + points @ tilt + np.linalg.norm(tilt))[:, None] * radius + centre)
    return placed, radius


def _draw_object(rng, image, outline, ground, ink):
    height, width = image.shape[:2]
    contours, radius = _placed(rng, outline(rng), height, width)
    if rng.random() < 0.35:
        image = _shadow(rng, image, contours, radius)
    mask = np.zeros((height, width), np.uint8)
    _polygon(mask, contours, 255)
    if rng.random() < 0.2:  # a thin edge of a darker or lighter tone of the same ink
        tone = np.clip(ink * rng.choice([0.55, 1.4]), 0, 255)
        if np.linalg.norm(tone - ground) > MIN_CONTRAST:
            thickness = int(max(1, rng.uniform(0.02, 0.05) * radius))
            points = [np.rint(c * 16).astype(np.int32) for c in contours]
            cv2.polylines(image, points, True, tone.tolist(), thickness, cv2.LINE_AA, 4)
    return _blend(image, _surface(rng, height, width, ink), mask.astype(np.float32) * (1 / 255))


def _shadow(rng, image, contours, radius):
    mask = np.zeros(image.shape[:2], np.uint8)
    shift = rng.uniform(-0.12, 0.12, 2) * radius
    _polygon(mask, [c + shift for c in contours], 255)
    size = int(radius * 0.12) | 1
    mask = cv2.blur(mask, (size, size))
    weight = mask.astype(np.float32) * (-rng.uniform(0.15, 0.45) / 255) + 1.0
    return cv2.multiply(image, cv2.merge([weight] * 3), dtype=cv2.CV_8U)


def _draw_texture(rng, image, texture, ground, ink):
    height, width = image.shape[:2]
    side = VISIBLE * min(height, width)
    x = (np.arange(width, dtype=np.float32) - width / 2 + rng.uniform(-0.2, 0.2) * side)[None, :] / side
    y = (np.arange(height, dtype=np.float32) - height / 2 + rng.uniform(-0.2, 0.2) * side)[:, None] / side
    turn, tilt = rng.uniform(0, 2 * math.pi), rng.uniform(-0.15, 0.15, 2)
    depth = np.maximum(1.0 + tilt[0] * x + tilt[1] * y, 0.5).astype(np.float32)
    u = ((math.cos(turn) * x - math.sin(turn) * y) / depth).astype(np.float32)
    v = ((math.sin(turn) * x + math.cos(turn) * y) / depth).astype(np.float32)
    share = texture(rng, u, v, 1.0 / side).astype(np.float32)
    if rng.random() < 0.2:  # a patch of cloth on a table: the pattern ends before the edge of the picture
        share *= _patch(rng, height, width, side)
    return _blend(image, _surface(rng, height, width, ink), share)


def _patch(rng, height, width, side):
    mask = np.zeros((height, width), np.uint8)
    angle = np.linspace(0, 2 * math.pi, 12, endpoint=False) + rng.uniform(-0.2, 0.2, 12)
    radius = side * rng.uniform(0.42, 0.62, 12)
    _polygon(mask, [np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None] + (width / 2, height / 2)], 255)
    return mask.astype(np.float32) * (1 / 255)


def _blend(below, above, share):
    """below + (above - below) * share, per pixel; uint8 images, float32 share."""
    return cv2.blendLinear(above, below, share, 1.0 - share)


def _camera(rng, image):
    """What lens, light, sensor and file do to the scene."""
    height, width = image.shape[:2]
    short = min(height, width)
    lens = rng.random()
    if lens < 0.45:
        image = cv2.GaussianBlur(image, (0, 0), max(0.3, rng.uniform(0.0, 0.009) * short))
    elif lens < 0.55:
        image = _motion_blur(rng, image, short)
    image = _light(rng, image)
    if rng.random() < 0.5:
        grain = rng.standard_normal((height, width, 1 if rng.random() < 0.5 else 3), np.float32) * rng.uniform(2, 22)
        image = cv2.add(image, grain if grain.shape[2] == 3 else cv2.merge([grain] * 3), dtype=cv2.CV_8U)
    if rng.random() < 0.6:
        quality = int(rng.integers(20, 96))
        image = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    return image


def _motion_blur(rng, image, short):
    length = max(3, int(short * rng.uniform(0.01, 0.03)) | 1)
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, math.pi)
    reach = np.array([math.cos(angle), math.sin(angle)]) * (length // 2)
    middle = length // 2
    ends = [tuple(int(v) for v in np.rint(middle + sign * reach)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _light(rng, image):
    height, width = image.shape[:2]
    exposure, gamma = rng.uniform(0.75, 1.15), rng.uniform(0.75, 1.35)
    cast = rng.uniform(0.84, 1.16, 3)
    level = np.linspace(0, 1, 256)[:, None] ** gamma * (exposure * cast) * 255
    image = cv2.LUT(image, np.clip(level, 0, 255).astype(np.uint8)[None])
    if rng.random() < 0.6:
        shade = _field(rng, height, width, int(rng.integers(2, 4)), 0.32) + 0.95
        image = cv2.multiply(image, cv2.merge([shade] * 3), dtype=cv2.CV_8U)
    return image


def write_set(out, count, seed, file_format):
    """Writes `count` pictures and labels.csv into the folder `out`."""
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "labels.csv"), "w", newline="", encoding="utf-8") as table:
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(["file", "label", "index"])
        for index in range(count):
            image, chosen = picture(seed, index)
            rng = np.random.default_rng([seed, index, 0xF11E])
            png = file_format == "png" or (file_format == "mixed" and rng.random() < 0.5)
            name = f"{index:06d}-{CLASSES[chosen]}.{'png' if png else 'jpg'}"
            options = [] if png else [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))]
            if not cv2.imwrite(os.path.join(out, name), image, options):
                raise OSError(f"cannot write {os.path.join(out, name)}")
            rows.writerow([name, CLASSES[chosen], chosen])


def main():
    arguments = argparse.ArgumentParser(description="Writes labelled pictures of shapes and textures.")
    arguments.add_argument("--out", required=True, help="folder to write to")
    arguments.add_argument("--count", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--format", choices=("jpeg", "png", "mixed"), default="jpeg")
    chosen = arguments.parse_args()
    cv2.setNumThreads(1)
    write_set(chosen.out, chosen.count, chosen.seed, chosen.format)
    print(f"wrote {chosen.count} pictures of {len(CLASSES)} classes to {chosen.out}, seed {chosen.seed}")


if __name__ == "__main__":
    main()
