"""Matrices of geometric transforms against what they are said to do with points."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from streamfit.augment import matrices as m

SIZES = np.array([[4, 6], [5, 3]])


def shown(matrices, points):
    """Where in the image the points (x, y) of the result come from."""
    found = matrices @ np.array([*points, 1.0])
    return found[:, :2] / found[:, 2:]


def test_images_move_right_and_down():
    moved = m.translations([2.0, -1.0], [3.0, 0.5])
    assert_allclose(shown(moved, (5, 5)), [[3, 2], [6, 4.5]])


def test_images_are_turned_counter_clockwise_about_the_centre():
    # What was right of the centre is then above it.
    turned = m.about_centre(m.rotations([90.0, 90.0]), SIZES)
    assert_allclose(shown(turned, (3, 1)), [[4, 2], [3, 4]], atol=1e-12)


def test_scales_keep_the_centre():
    enlarged = m.about_centre(m.scales([2.0, 0.5], [4.0, 1.0]), SIZES)
    centres = np.concatenate([SIZES[:, ::-1] / 2, np.ones((2, 1))], axis=1)
    assert_allclose((enlarged @ centres[..., None])[..., 0], centres)
    assert_allclose(shown(enlarged, (0, 0)), [[3 - 3 / 4, 2 - 2 / 2], [0, 2.5 - 2.5 * 2]])


def test_shears_move_along_rows_then_columns():
    forward = np.linalg.inv(m.shears([0.5], [0.25]))
    # (2, 4) moves to (2 + 0.5 * 4, 4), and then down by a quarter of 4.
    assert_allclose(shown(forward, (2, 4)), [[4, 5]])


def test_mirrors_about_the_centre_change_the_edges():
    mirrored = m.about_centre(m.mirrors([True, False], [False, True]), SIZES)
    assert_allclose(shown(mirrored, (0, 1)), [[6, 1], [0, 4]])


def test_the_centre_of_a_result_of_another_size_shows_the_centre_of_the_image():
    moved = m.about_centre(m.identities(2), SIZES, np.array([[2, 2], [8, 8]]))
    assert_allclose(shown(moved[:1], (1, 1)), [[3, 2]])
    assert_allclose(shown(moved[1:], (4, 4)), [[1.5, 2.5]])


def test_about_centre_keeps_perspectives():
    matrix = np.array([[[1.0, 0.1, 2.0], [0.2, 0.9, -1.0], [0.01, 0.02, 1.0]]])
    to, back = m.translations([3.0], [2.0]), m.translations([-3.0], [-2.0])
    assert_allclose(m.about_centre(matrix, SIZES[:1]), back @ matrix @ to)


def test_four_points_lead_to_four_points():
    rng = np.random.default_rng(3)
    square = np.array([[0, 0], [5, 0], [5, 4], [0, 4]], float)
    corners, onto = square + rng.uniform(-1, 1, (2, 4, 2)), square + rng.uniform(-1, 1, (2, 4, 2))
    found = m.quadrilaterals(corners, onto)
    for place in range(4):
        moved = (found @ np.append(corners[:, place], np.ones((2, 1)), axis=1)[..., None])[..., 0]
        assert_allclose(moved[:, :2] / moved[:, 2:], onto[:, place])
