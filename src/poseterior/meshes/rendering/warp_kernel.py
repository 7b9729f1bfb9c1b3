# mypy: ignore-errors
# A file of its own, imported only where warp is installed. No `annotations` from the future:
# warp reads the types themselves.
"""The kernel of `warp_caster`."""

import warp as wp

__all__ = ["first_hits"]


@wp.kernel
def first_hits(
    mesh: wp.uint64,
    start: wp.vec2,
    step: float,
    width: int,
    near: float,
    far: float,
    face: wp.array(dtype=int),
    found: wp.array(dtype=wp.vec3),
):
    """The face behind each pixel, or -1; two barycentric weights and the depth."""
    pixel = wp.tid()
    x = start[0] + step * float(pixel % width)
    y = start[1] + step * float(pixel // width)
    ray = wp.vec3(x, y, 1.0)
    long = wp.length(ray)
    query = wp.mesh_query_ray(mesh, near * ray, ray / long, far * long)
    face[pixel] = -1
    if query.result:
        face[pixel] = query.face
        found[pixel] = wp.vec3(query.u, query.v, near + query.t / long)
