"""Names of points: inside the frame, over nothing, near their own point."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from poseterior.report.study_labels import place, spaced

FRAME = (0.0, 0.0, 400.0, 400.0)


def _apart(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@pytest.mark.parametrize("seed", range(6))
def test_names_of_a_usual_chart_cover_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    points = [tuple(point) for point in random.uniform(20, 380, (13, 2))]
    boxes = place(points, [(80.0, 15.0)] * 13, FRAME)
    assert all(itertools.starmap(_apart, itertools.combinations(boxes, 2)))
    assert all(b[0] >= 0 and b[1] >= 0 and b[2] <= 400 and b[3] <= 400 for b in boxes)
    for (x, y), box in itertools.product(points, boxes):
        assert not (box[0] < x < box[2] and box[1] < y < box[3])


def test_a_lone_point_has_its_name_at_its_right_or_left_of_the_edge() -> None:
    (inside,) = place([(200.0, 200.0)], [(80.0, 15.0)], FRAME)
    (edge,) = place([(390.0, 200.0)], [(80.0, 15.0)], FRAME)
    assert 200 < inside[0] < 215
    assert 375 < edge[2] < 390


def test_a_name_avoids_bars() -> None:
    bar = (205.0, 190.0, 300.0, 210.0)
    (box,) = place([(200.0, 200.0)], [(80.0, 15.0)], FRAME, [bar])
    assert _apart(box, bar)


def test_spaced_keeps_order_distance_and_the_mean() -> None:
    wanted = [5.0, 5.5, 40.0, 5.2, 41.0]
    found = spaced(wanted, 10.0)
    assert np.argsort(found).tolist() == np.argsort(wanted).tolist()
    assert np.diff(sorted(found)).min() >= 10 - 1e-9
    assert np.mean(found) == pytest.approx(np.mean(wanted))
    assert spaced([1.0, 30.0], 10.0) == [1.0, 30.0]
