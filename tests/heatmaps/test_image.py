"""Fits in px of the image, and what is left of a covariance without the detector's blur."""

from __future__ import annotations

import math

import pytest
import torch

from oracles.gaussian_heatmaps import gaussians
from poseterior.errors import InputError
from poseterior.heatmaps import GaussianFit, box_affine, fit_gaussians, to_image, without_blur
from poseterior.heatmaps.ellipse import axes, determinant, inverse


def a_fit() -> GaussianFit:
    one = torch.ones(3, dtype=torch.float64)
    mean = torch.tensor([[20.3, 30.1], [11.0, 44.4], [30.9, 12.2]]).double()
    sigmas = torch.tensor([[2.0, 3.0], [1.5, 2.5], [2.0, 2.0]]).double()
    return fit_gaussians(gaussians(mean, sigmas, 0.4 * one, one, 64, 48))


def test_the_edges_of_the_heatmap_lie_on_those_of_the_box() -> None:
    affine = box_affine(torch.tensor([10.0, 20.0, 106.0, 148.0]), 64, 48)
    corners = torch.tensor([[-0.5, -0.5], [47.5, 63.5]])
    image = corners @ affine[:, :2].mT + affine[:, 2]
    # Pixel i reaches from i - 1/2 to i + 1/2 where positions are of centres.
    torch.testing.assert_close(image, torch.tensor([[9.5, 19.5], [105.5, 147.5]]))


def test_a_box_of_the_heatmaps_own_size_moves_nothing() -> None:
    affine = box_affine(torch.tensor([0.0, 0.0, 48.0, 64.0]), 64, 48)
    torch.testing.assert_close(affine, torch.eye(2, 3))
    fit = a_fit()
    torch.testing.assert_close(to_image(fit, affine).covariance, fit.covariance)


def test_samples_moved_have_the_covariance_moved() -> None:
    fit = a_fit()
    affine = torch.tensor([[3.0, 0.7, 100.0], [-0.4, 5.0, -7.0]]).double()
    moved = to_image(fit, affine)
    generator = torch.Generator().manual_seed(0)
    draw = torch.randn(200_000, 2, generator=generator, dtype=torch.float64)
    for row in range(3):
        samples = fit.mean[row] + draw @ torch.linalg.cholesky(fit.covariance[row]).mT
        image = samples @ affine[:, :2].mT + affine[:, 2]
        torch.testing.assert_close(moved.mean[row], image.mean(0), atol=0.2, rtol=0)
        torch.testing.assert_close(moved.covariance[row], image.T.cov(), rtol=0.02, atol=1)
    gap = (fit.second_mean - fit.mean) @ affine[:, :2].mT
    torch.testing.assert_close(moved.second_mean - moved.mean, gap)
    assert torch.equal(moved.amplitude, fit.amplitude)


def test_a_crop_for_each_person() -> None:
    fits = GaussianFit(*(torch.stack([getattr(a_fit(), name)] * 2) for name in vars(a_fit())))
    boxes = torch.tensor([[0.0, 0.0, 96.0, 128.0], [-50.0, 10.0, 46.0, 138.0]])
    moved = to_image(fits, box_affine(boxes, 64, 48)[:, None])
    torch.testing.assert_close(moved.covariance[0], 4 * fits.covariance[0])
    torch.testing.assert_close(
        moved.mean[1] - moved.mean[0], torch.tensor([-50.0, 10.0]).expand(3, 2).double()
    )


@pytest.mark.parametrize(
    "box",
    [
        [0.0, 0.0, 0.0, 10.0],
        [0.0, 10.0, 5.0, 5.0],
        [0.0, 0.0, math.nan, 5.0],
        [0.0, 0.0, math.inf, 5.0],
    ],
)
def test_boxes_without_area(box: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="box_affine: box: expected finite x1 < x2, y1 < y2"):
        box_affine(torch.tensor(box), 64, 48)


def test_an_affine_of_another_shape() -> None:
    with pytest.raises(InputError, match=r"affine: expected shape \(..., 2, 3\), found \(3, 3\)"):
        to_image(a_fit(), torch.eye(3))


def test_axes_by_eigenvalues() -> None:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(500, 2, 2, generator=generator, dtype=torch.float64)
    covariance = root @ root.mT
    sigma_x, sigma_y, angle = axes(covariance)
    found = torch.stack([sigma_x, sigma_y], -1).square().sort().values
    torch.testing.assert_close(found, torch.linalg.eigvalsh(covariance))
    direction = torch.stack([angle.cos(), angle.sin()], -1)[..., None]
    image = (covariance @ direction)[..., 0]
    torch.testing.assert_close(image, sigma_x.square()[:, None] * direction[..., 0])
    assert (angle.abs() <= math.pi / 4 + 1e-12).all()


def test_blur_is_taken_off_what_it_was_added_to() -> None:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(300, 2, 2, generator=generator, dtype=torch.float64)
    error = root @ root.mT + 0.1 * torch.eye(2)
    torch.testing.assert_close(without_blur(error + 4 * torch.eye(2)), error)


def test_no_less_than_the_least_along_any_axis() -> None:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(300, 2, 2, generator=generator, dtype=torch.float64)
    left = without_blur(root @ root.mT, 2.0, 0.5)
    values, vectors = torch.linalg.eigh(root @ root.mT)
    clamped = (values - 4).clamp_min(0.25)
    torch.testing.assert_close(left, vectors @ torch.diag_embed(clamped) @ vectors.mT)
    assert without_blur(torch.zeros(2, 2)).diagonal().tolist() == pytest.approx([0.09, 0.09])


def test_determinant_and_inverse_by_lapack() -> None:
    matrices = torch.randn(3, 100, 2, 2, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(determinant(matrices), torch.linalg.det(matrices))
    torch.testing.assert_close(inverse(matrices), torch.linalg.inv(matrices))
