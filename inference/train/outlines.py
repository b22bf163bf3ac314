"""Outlines of the object classes: closed contours inside the unit circle.

Every function takes a numpy Generator and returns a list of float arrays
[points, 2]. Contours are filled with the even-odd rule, so a second contour
inside the first one is a hole. Proportions are drawn anew for every picture,
within limits that keep a person certain of the class.
"""
import math

import numpy as np


def _arc(start, stop, points, radius=1.0, centre=(0.0, 0.0)):
    angle = np.linspace(start, stop, points)
    return np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)], 1)


def _regular(corners):
    return _arc(0.0, 2 * math.pi, corners + 1)[:-1]


def _unit(contour):
    """Moves a contour's bounding box to the origin and its farthest point to radius 1."""
    contour = np.asarray(contour, float)
    contour = contour - (contour.min(0) + contour.max(0)) / 2
    return contour / np.linalg.norm(contour, axis=1).max()


def arrow(rng):
    shaft, head = rng.uniform(0.16, 0.26), rng.uniform(0.5, 0.68)
    neck = rng.uniform(0.05, 0.35)
    return [_unit([(-1, -shaft), (neck, -shaft), (neck, -head), (1, 0), (neck, head), (neck, shaft), (-1, shaft)])]


def circle(_rng):
    return [_regular(72)]


def crescent(rng):
    bite = rng.uniform(0.78, 0.95)
    shift = (1 - bite) + rng.uniform(0.24, 0.4)
    cross_x = (1 - bite**2 + shift**2) / (2 * shift)
    outer = math.acos(cross_x)
    inner = math.atan2(math.sin(outer), cross_x - shift)
    back = _arc(outer, 2 * math.pi - outer, 60)
    front = _arc(2 * math.pi - inner, inner, 60, bite, (shift, 0))
    return [_unit(np.concatenate([back, front]))]


def cross(rng):
    arm = rng.uniform(0.2, 0.34)
    corner = [(1, -arm), (1, arm), (arm, arm)]
    turns = [np.array([[0, -1], [1, 0]]), np.eye(2)]
    points = []
    rotation = turns[1]
    for _ in range(4):
        points.extend(rotation @ np.array(point) for point in corner)
        rotation = turns[0] @ rotation
    return [_unit(points)]


def drop(rng):
    angle = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    width, sharpness = rng.uniform(0.72, 0.9), rng.uniform(1.5, 2.2)
    return [_unit(np.stack([width * np.sin(angle) * np.sin(angle / 2) ** sharpness, -np.cos(angle)], 1))]


def ellipse(rng):
    return [_regular(72) * (1.0, rng.uniform(0.4, 0.58))]


def gear(rng):
    teeth, root, hole = int(rng.integers(7, 12)), rng.uniform(0.7, 0.79), rng.uniform(0.25, 0.4)
    step = 2 * math.pi / teeth
    points = []
    for tooth in range(teeth):
        for at, radius in ((-0.3, root), (-0.2, 1.0), (0.2, 1.0), (0.3, root)):
            angle = (tooth + at) * step
            points.append((radius * math.cos(angle), radius * math.sin(angle)))
    return [np.array(points), hole * _regular(40)]


def heart(rng):
    t = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [_unit(np.stack([16 * np.sin(t) ** 3 * rng.uniform(0.9, 1.1), -y], 1))]


def lightning(rng):
    points = np.array([(0.1, -1), (-0.55, 0.15), (-0.08, 0.15), (-0.3, 1), (0.55, -0.25), (0.08, -0.25), (0.45, -1)])
    return [_unit(points + rng.uniform(-0.05, 0.05, points.shape))]


def pentagon(_rng):
    return [_regular(5)]


def ring(rng):
    return [_regular(72), rng.uniform(0.5, 0.76) * _regular(72)]


def spiral(rng):
    turns, hand = rng.uniform(2.3, 3.3), rng.choice([-1, 1])
    angle = np.linspace(0, turns * 2 * math.pi, 120)
    pitch = 1 / turns
    middle = angle / (2 * math.pi) * pitch * 0.88
    half = pitch * rng.uniform(0.19, 0.27)
    edges = [np.stack([r * np.cos(angle), hand * r * np.sin(angle)], 1) for r in (middle + half, np.maximum(middle - half, 0))]
    return [_unit(np.concatenate([edges[0], edges[1][::-1]]))]


def square(_rng):
    return [_regular(4)]


def star(rng):
    radius = np.where(np.arange(10) % 2 == 0, 1.0, rng.uniform(0.36, 0.48))
    return [_regular(10) * radius[:, None]]


def triangle(rng):
    angle = np.array([0, 1, 2]) * 2 * math.pi / 3 + rng.uniform(-0.16, 0.16, 3)
    return [np.stack([np.cos(angle), np.sin(angle)], 1)]


OUTLINES = {function.__name__: function for function in (
    arrow, circle, crescent, cross, drop, ellipse, gear, heart,
    lightning, pentagon, ring, spiral, square, star, triangle)}
