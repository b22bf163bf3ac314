"""Texture classes: two-tone patterns computed for every pixel.

Every function takes (rng, x, y) with x and y float32 [height, width] in units
of the visible square's side (already rotated, shifted and tilted) and the
size of one pixel in those units, and returns the share of the second colour,
float32 [height, width] in 0..1.
"""
import math

import numpy as np


def _step(distance, pixel):
    """Anti-aliased edge: 0 where distance is below zero, 1 above, a ramp one pixel wide between."""
    return np.clip(distance / pixel + 0.5, 0.0, 1.0)


def _wrap(value):
    """Distance to the nearest whole number, 0..0.5."""
    return np.abs(value - np.rint(value))


def _bars(phase, duty, period, pixel):
    """Bars of `duty` (share of the period) along the direction in which `phase` grows by 1 a period."""
    return _step((duty / 2 - _wrap(phase)) * period, pixel)


def bricks(rng, x, y, pixel):
    height = rng.uniform(0.1, 0.17)
    width = height * rng.uniform(2.0, 2.6)
    mortar = height * rng.uniform(0.07, 0.12)
    row = np.floor(y / height)
    across = _wrap(x / width + 0.5 * np.mod(row, 2)) * width
    along = _wrap(y / height) * height
    return _step(np.minimum(across, along) - mortar, pixel)


def checkerboard(rng, x, y, pixel):
    period = rng.uniform(0.16, 0.4)
    product = np.sin(x * (2 * math.pi / period)) * np.sin(y * (2 * math.pi / period))
    return np.clip(product * (period / (4 * pixel)) + 0.5, 0.0, 1.0)


def grid(rng, x, y, pixel):
    period = rng.uniform(0.11, 0.24)
    line = period * rng.uniform(0.06, 0.12)
    return _step(np.minimum(_wrap(x / period), _wrap(y / period)) * period - line, pixel)


def honeycomb(rng, x, y, pixel):
    size = rng.uniform(0.13, 0.23)
    line = size * rng.uniform(0.05, 0.09)
    tall = math.sqrt(3.0)
    x, y = x / size, y / size

    def edge_distance(shift_x, shift_y):
        u = x + shift_x
        v = (y + shift_y) / tall
        u, v = np.abs(u - np.rint(u)), np.abs(v - np.rint(v)) * tall
        return 0.5 - np.maximum(u, u * 0.5 + v * (tall / 2))

    return _step(np.maximum(edge_distance(0.0, 0.0), edge_distance(0.5, tall / 2)) * size - line, pixel)


def polka_dots(rng, x, y, pixel):
    period = rng.uniform(0.13, 0.26)
    radius = period * rng.uniform(0.22, 0.34)
    if rng.random() < 0.5:
        x = x + 0.5 * period * np.mod(np.floor(y / period + 0.5), 2)
    return _step(radius - np.hypot(_wrap(x / period), _wrap(y / period)) * period, pixel)


def stripes(rng, x, _y, pixel):
    period = rng.uniform(0.08, 0.26)
    return _bars(x / period, rng.uniform(0.35, 0.65), period, pixel)


def target(rng, x, y, pixel):
    period = rng.uniform(0.1, 0.2)
    return _bars(np.hypot(x, y) / period + rng.random(), rng.uniform(0.4, 0.6), period, pixel)


def waves(rng, x, y, pixel):
    period, length = rng.uniform(0.11, 0.2), rng.uniform(0.28, 0.5)
    height = length * rng.uniform(0.13, 0.22)
    bend = height * np.sin(x * (2 * math.pi / length))
    return _bars((y + bend) / period, rng.uniform(0.4, 0.6), period, pixel)


def zigzag(rng, x, y, pixel):
    period, length = rng.uniform(0.11, 0.2), rng.uniform(0.2, 0.4)
    height = length * rng.uniform(0.42, 0.7)
    bend = 2 * height * _wrap(x / length)
    return _bars((y + bend) / period, rng.uniform(0.42, 0.58), period, pixel)


TEXTURES = {function.__name__.replace("_", "-"): function for function in (
    bricks, checkerboard, grid, honeycomb, polka_dots, stripes, target, waves, zigzag)}
