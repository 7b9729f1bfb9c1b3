"""Spread of vertices against a naive computation and closed form; its colours against CIELAB."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from meshes.stick_body import stick_body
from poseterior.errors import InputError
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import H36M_17
from poseterior.meshes import BodyParameters
from poseterior.meshes.mesh_posterior import BodySet, LatentBodies
from poseterior.meshes.vertex_spread import bodies_spread, spread_colours, vertex_spread

BODY = stick_body()


def posterior(people: int = 5, bend: float = 0.3) -> LatentBodies:
    """Latents are the rotations, the shape and the place."""

    def decode(latents: Tensor) -> BodyParameters:
        turns, betas, transl = latents.split([72, 3, 3], -1)
        rotations = from_axis_angle(bend * turns.unflatten(-1, (24, 3)))
        return BodyParameters.of(rotations, betas, 2 * transl)

    return LatentBodies(decode, torch.zeros(people, 78), BODY, H36M_17)


def naive(bodies: BodyParameters) -> np.ndarray:
    """All meshes at a time, in double precision, by NumPy's standard deviation."""
    bodies = bodies.to(torch.float64)
    body = stick_body().double()
    points = (body.vertices(bodies) - body.joints(bodies)[..., :1, :]).numpy()
    return np.sqrt((points.std(0) ** 2).sum(-1))


@pytest.mark.parametrize("chunk", [1, 3, 7, 64, 10_000])
def test_it_is_the_naive_one_however_it_is_cut(chunk: int) -> None:
    made = posterior()
    found = vertex_spread(made, 40, chunk, torch.Generator().manual_seed(0))
    bodies = made.sample_parameters((40,), torch.Generator().manual_seed(0))
    assert found.shape == (5, 96)
    np.testing.assert_allclose(found.numpy(), naive(bodies), rtol=1e-4, atol=1e-6)


def test_no_more_meshes_than_asked_for_are_there_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made, seen = posterior(people=10), []
    own = BODY.vertices

    def counted(parameters: BodyParameters) -> Tensor:
        seen.append(parameters.batch_shape.numel())
        return own(parameters)

    monkeypatch.setattr(BODY, "vertices", counted)
    for chunk in (4, 25):
        seen.clear()
        vertex_spread(made, 12, chunk)
        assert max(seen) <= chunk
        assert sum(seen) == 120


def test_it_is_that_of_two_bodies_in_closed_form() -> None:
    """Two hypotheses of equal weight, d apart: each is d / 2 from their mean."""
    still = BodyParameters.of(from_axis_angle(torch.zeros(2, 1, 24, 3)), torch.zeros(2, 1, 3))
    elbow = BODY.tree.index("left_elbow") - 1
    bent = still.body_pose.clone()
    bent[1, :, elbow] = from_axis_angle(torch.tensor([0.0, 1.0, 0.0]))
    bodies = BodyParameters(
        still.global_orient, bent, still.betas, torch.tensor([[[0.0, 0, 0]], [[3.0, 1, 2]]])
    )
    found = vertex_spread(
        BodySet(bodies, BODY, H36M_17), 4000, 64, torch.Generator().manual_seed(0)
    )
    points = BODY.vertices(bodies) - BODY.joints(bodies)[..., :1, :]
    torch.testing.assert_close(found[0], (points[0, 0] - points[1, 0]).norm(dim=-1) / 2,
                               rtol=2e-3, atol=1e-5)  # fmt: skip
    hand = slice(4 * BODY.tree.index("left_hand"), None)
    assert found[0, hand][:2].min() > 0.1
    assert found[0, : 4 * BODY.tree.index("spine1")].max() < 1e-5


def test_one_hypothesis_and_nobody() -> None:
    assert (vertex_spread(posterior(), 1) == 0).all()
    assert vertex_spread(posterior(people=0), 3).shape == (0, 96)
    for options in ({"hypotheses": 0}, {"chunk": 0}):
        with pytest.raises(InputError, match="expected 1 or more"):
            vertex_spread(posterior(), **options)


def lab(colours: Tensor) -> np.ndarray:
    """CIELAB of sRGB under D65, by its definition."""
    rgb = colours.double().numpy()
    light = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
         [0.0193339, 0.1191920, 0.9503041]]
    )  # fmt: skip
    xyz = light @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], -1)


def test_colours_are_even_to_the_eye() -> None:
    colours, limits = spread_colours(torch.linspace(0, 0.2, 41))
    assert limits == (0.0, pytest.approx(0.2))
    lightness = lab(colours)[:, 0]
    steps = np.diff(lightness)
    assert (steps > 0).all()
    assert steps.max() / steps.min() < 2.5
    assert lightness[-1] - lightness[0] > 70


def test_limits_are_kept_and_told() -> None:
    spread = torch.tensor([0.0, 0.05, 0.1, 0.3])
    colours, limits = spread_colours(spread, (0.05, 0.1))
    assert limits == (0.05, 0.1)
    assert torch.equal(colours[0], colours[1])
    assert torch.equal(colours[2], colours[3])
    assert colours.shape == (4, 3)
    same, _ = spread_colours(torch.zeros(2, 7))
    assert same.shape == (2, 7, 3)
    assert (same == same[0, 0]).all()
    assert spread_colours(torch.zeros(0, 7))[0].shape == (0, 7, 3)
    with pytest.raises(InputError, match="low < high"):
        spread_colours(spread, (0.1, 0.1))
    for bad in (-1.0, torch.nan):
        with pytest.raises(InputError, match="finite metres"):
            spread_colours(torch.tensor([bad]))


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_weight_counts_as_so_many_bodies(chunk: int) -> None:
    bodies = posterior(3).sample_parameters((6,), torch.Generator().manual_seed(0))
    counts = torch.tensor([0, 3, 1, 0, 2, 1])
    weights = counts[:, None].expand(6, 3) / 7
    repeated = bodies[torch.arange(6).repeat_interleave(counts)]
    found = bodies_spread(BODY, bodies, weights, chunk)
    np.testing.assert_allclose(found.numpy(), naive(repeated), rtol=1e-4, atol=1e-6)
