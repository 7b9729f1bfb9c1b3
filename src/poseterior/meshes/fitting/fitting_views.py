"""One body fitted to what several calibrated cameras saw at one instant (paper 002, Figure 5)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.keypoints import Keypoints
from poseterior.meshes.fitting.fitting import (
    FitSettings,
    FittedBodies,
    Start,
    fitted,
    require_same_body,
)
from poseterior.meshes.fitting.fitting_energy import FitEnergy
from poseterior.meshes.fitting.fitting_evidence import evidence_of
from poseterior.meshes.fitting.fitting_prior import BodyPrior, GivenPrior
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["fit_views"]

_NAME = "fit_views"
Camera = tuple[Tensor, Tensor]


def fit_views(
    body: SkinnedBody,
    views: Sequence[Keypoints],
    cameras: Sequence[Camera | None],
    prior: BodyPrior,
    weights: str = "covariance",
    start: Start = None,
    *,
    instants: Sequence[Sequence[object]] | None = None,
    reference: int = 0,
    settings: FitSettings | None = None,
    generator: torch.Generator | None = None,
) -> FittedBodies:
    """One pose, shape and place in the world of each person, seen by V cameras at once.

    The prior is that given one view, the reference; all views are evidence. A flow given each
    view would have its prior counted V times.

    Args:
        body: as of `fit_body`.
        views: keypoints (B,) of the same people in the same order, with intrinsics; a person
            that a view does not have has no valid keypoints there.
        cameras: of each view the rotation (3, 3) or (B, 3, 3) and translation (3,) or (B, 3)
            that take the world to its axes, x_camera = R x_world + t.
        prior: as of `fit_body`.
        weights: as of `fit_body`.
        start: as of `fit_body`; bodies are in world axes.
        instants: of each view what its B rows were seen at, such as numbers of frames or
            labels; they are only compared.
        reference: the view that the prior is given.
        settings: as of `fit_body`.
        generator: as of `fit_body`.

    Returns:
        Bodies in world axes; `evidence` and `residual_px` tell the views apart.

    Raises:
        InputError: as of `fit_body`; views without intrinsics or cameras, of different instants,
            skeletons or batch sizes; a rotation that is none.
    """
    settings = settings or FitSettings()
    require_same_body(body, prior)
    views = [view.to(body.heads) for view in views]
    known = _checked(views, cameras, instants, reference)
    evidence = [
        evidence_of(view, weights, f"view {number}").seen_from(*camera)
        for number, (view, camera) in enumerate(zip(views, known, strict=True))
    ]
    given = _InWorld(body, prior.given(views[reference]), *known[reference])
    energy = FitEnergy(body, views[0].skeleton, given, evidence, settings.scale)
    return fitted(energy, start, settings, generator)


class _InWorld:
    """A prior over bodies in a camera's axes as one over bodies in the world's."""

    def __init__(
        self, body: SkinnedBody, prior: GivenPrior, rotation: Tensor, translation: Tensor
    ) -> None:
        self.body, self.prior, self.like = body, prior, prior.like
        self.rotation, self.translation = rotation, translation

    def decode(self, latents: Tensor) -> BodyParameters:
        turned = self.rotation.mT
        return _moved(self.body, self.prior.decode(latents), turned, -self._of(self.translation))

    def more(self, bodies: BodyParameters) -> Tensor:
        return self.prior.more(bodies)

    def encode(self, bodies: BodyParameters) -> Tensor:
        return self.prior.encode(_moved(self.body, bodies, self.rotation, self.translation))

    def starts(self) -> Tensor:
        return self.prior.starts()

    def _of(self, vector: Tensor) -> Tensor:
        """R' of vectors (B, 3)."""
        return (vector[:, None] @ self.rotation)[:, 0]


def _moved(
    body: SkinnedBody, bodies: BodyParameters, rotation: Tensor, translation: Tensor
) -> BodyParameters:
    """Bodies (N, B) by R x + t."""
    rest = body.root_at_rest(bodies.betas)
    root = ((rest + bodies.transl)[..., None, :] @ rotation.mT)[..., 0, :] + translation
    orient = rotation @ bodies.global_orient
    return BodyParameters(orient, bodies.body_pose, bodies.betas, root - rest)


def _checked(
    views: Sequence[Keypoints],
    cameras: Sequence[Camera | None],
    instants: Sequence[Sequence[object]] | None,
    reference: int,
) -> list[Camera]:
    """Cameras (B, 3, 3) and (B, 3) of views that are of one instant, skeleton and batch."""
    require(len(views) > 0, _NAME, "views", expected="at least one", found="none")
    inside = 0 <= reference < len(views)
    expected = f"0 to {len(views) - 1}"
    require(inside, _NAME, "reference", expected=expected, found=reference)
    for name, given in (("cameras", cameras), ("instants", instants)):
        if given is not None:
            same = len(given) == len(views)
            require(same, _NAME, name, expected=f"{len(views)}, one a view", found=len(given))
    found = []
    for number, view in enumerate(views):
        _check_view(view, views[0], f"view {number}")
        if instants is not None:
            _check_instants(instants[number], instants[0], view, f"view {number}")
        found.append(_camera(cameras[number], view, f"view {number}"))
    return found


def _check_view(view: Keypoints, first: Keypoints, name: str) -> None:
    pairs = (
        ("skeleton", first.skeleton.name, view.skeleton.name),
        ("batch", tuple(first.batch_shape), tuple(view.batch_shape)),
    )
    for field, expected, found in pairs:
        require(found == expected, name, field, expected=f"{expected}, as view 0", found=found)
    calibrated = view.intrinsics is not None
    require(calibrated, name, "intrinsics", expected="a calibrated camera's", found="none")


def _check_instants(
    own: Sequence[object], first: Sequence[object], view: Keypoints, name: str
) -> None:
    people = len(view.pixels)
    require(len(own) == people, name, "instants", expected=f"{people}, one a row", found=len(own))
    rows = zip(list(first), list(own), strict=True)
    for row, (expected, found) in enumerate(rows):
        require(
            bool(expected == found),
            name, f"instant of row {row}", expected=f"{expected}, as view 0", found=found,
        )  # fmt: skip


def _camera(camera: Camera | None, view: Keypoints, name: str) -> Camera:
    require(camera is not None, name, "camera", expected="rotation and translation", found="none")
    assert camera is not None
    people = len(view.pixels)
    rotation, translation = (part.to(view.pixels) for part in camera)
    for field, value, event in (("rotation", rotation, (3, 3)), ("translation", translation, (3,))):
        fits = tuple(value.shape) in (event, (people, *event))
        require(
            fits, name, field, expected=f"shape {event} or {(people, *event)}",
            found=tuple(value.shape),
        )  # fmt: skip
    off = (rotation @ rotation.mT - torch.eye(3).to(rotation)).abs().max()
    turns = bool(off < 1e-3) and bool((torch.linalg.det(rotation) > 0).all())
    require(turns, name, "rotation", expected="a rotation", found=f"off by {float(off):.2g}")
    finite = bool(translation.isfinite().all())
    require(finite, name, "translation", expected="finite numbers", found="NaN or infinity")
    return rotation.expand(people, 3, 3), translation.expand(people, 3)
