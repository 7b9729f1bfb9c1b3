"""Two renderers and a loop over triangles see the same; what is said where one is missing."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from meshes.rendering.rendered_scenes import CAMERA, body, opened, posed
from poseterior.errors import InputError
from poseterior.meshes.rendering.casters import open_caster
from poseterior.meshes.rendering.hits import Window

WINDOW = Window(20.3, 10.7, 1.37, 120, 150)
FACES = body().faces.numpy()
PEOPLE = np.stack([posed()[0], posed(at=(0.35, 0.1, 3.4))[0]])


def nearest(x, y):
    """Depth and body by Moeller and Trumbore's test of one ray with every triangle."""
    ray = np.array(
        [(x - CAMERA.centre[0]) / CAMERA.focal, (y - CAMERA.centre[1]) / CAMERA.focal, 1]
    )
    best = (np.inf, -1)
    for number, vertices in enumerate(PEOPLE.astype(np.float64)):
        a, b, c = (vertices[FACES[:, k]] for k in range(3))
        p = np.cross(ray, c - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = 1 / ((b - a) * p).sum(1)
            u = -(a * p).sum(1) * scale
            q = np.cross(-a, b - a)
            v, depth = (q @ ray) * scale, ((c - a) * q).sum(1) * scale
        depth = depth[(u >= 0) & (v >= 0) & (u + v <= 1)]
        best = min(best, (depth.min(initial=np.inf), number))
    return best


@pytest.mark.parametrize("renderer", ["gl", "warp"])
def test_depth_and_body_are_those_of_a_loop_over_triangles(renderer):
    hits = opened(renderer).caster.cast(PEOPLE, CAMERA, WINDOW)
    depth, bodies = hits.depth_map(WINDOW), hits.body_map(WINDOW)
    xs, ys = WINDOW.axes()
    rng = np.random.default_rng(0)
    inside = rng.choice(len(hits.rows), 40, replace=False)
    rows = np.r_[hits.rows[inside], rng.integers(0, WINDOW.height, 20)]
    columns = np.r_[hits.columns[inside], rng.integers(0, WINDOW.width, 20)]
    expected = [nearest(xs[c], ys[r]) for r, c in zip(rows, columns, strict=True)]
    wrong = [
        (r, c, e) for r, c, e in zip(rows, columns, expected, strict=True)
        if (e[1] if np.isfinite(e[0]) else -1) != bodies[r, c]
        or (np.isfinite(e[0]) and abs(depth[r, c] - e[0]) > 1e-3)
    ]  # fmt: skip
    assert len(wrong) <= 1, wrong  # a ray along an edge may go either way


def test_opengl_and_rays_agree_on_silhouettes_depths_and_weights():
    one, other = (opened(name).caster.cast(PEOPLE, CAMERA, WINDOW) for name in ("gl", "warp"))
    a, b = one.body_map(WINDOW), other.body_map(WINDOW)
    assert set(np.unique(a)) == {-1, 0, 1}
    assert (a != b).mean() < 1e-3
    both = (a == b) & (a >= 0)
    apart = np.abs(one.depth_map(WINDOW)[both] - other.depth_map(WINDOW)[both])
    assert np.quantile(apart, 0.99) < 1e-4
    assert one.weights.sum(1) == pytest.approx(1, abs=1e-5)
    assert one.weights.min() > -0.01  # of triangles seen from their edge


@pytest.mark.parametrize("renderer", ["gl", "warp"])
def test_two_renderers_do_not_meet(renderer):
    one = opened(renderer).caster
    alone = one.cast(PEOPLE, CAMERA, WINDOW)
    other = open_caster(FACES[::-1].copy(), renderer)
    for _ in range(2):
        beside = one.cast(PEOPLE, CAMERA, WINDOW)
        assert np.array_equal(alone.face, beside.face)
        assert np.array_equal(alone.weights, beside.weights)
        turned = other.cast(PEOPLE, CAMERA, WINDOW)
        assert np.array_equal(len(FACES) - 1 - turned.face, alone.face)
    other.close()
    assert np.array_equal(alone.depth, one.cast(PEOPLE, CAMERA, WINDOW).depth)


def test_finer_windows_cover_the_same_region():
    fine = WINDOW.finer(3)
    (xs, ys), (x, y) = fine.axes(), WINDOW.axes()
    assert xs.reshape(-1, 3).mean(1) == pytest.approx(x, abs=1e-3)
    assert ys.reshape(-1, 3).mean(1) == pytest.approx(y, abs=1e-3)


def test_a_missing_extra_names_its_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "moderngl", None)
    with pytest.raises(InputError, match=r"pip install 'poseterior\[render\]'"):
        open_caster(FACES, "gl")


def test_without_opengl_rays_are_cast(monkeypatch):
    moderngl = pytest.importorskip("moderngl")
    opened("warp")

    def refuse(**options):
        raise Exception("no display")

    monkeypatch.setattr(moderngl, "create_context", refuse)
    with pytest.raises(InputError, match="no display"):
        open_caster(FACES, "gl")
    assert open_caster(FACES).name == "warp"


def test_with_neither_opengl_is_asked_for(monkeypatch):
    import poseterior.meshes.rendering.warp_caster as rays

    rays._compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "moderngl", None)
    monkeypatch.setitem(sys.modules, "warp", None)
    with pytest.raises(InputError, match=r"poseterior\[render\]"):
        open_caster(FACES)
