"""One process, or several that share every batch: the only file that knows Lightning Fabric."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from poseterior.errors import InputError, require
from poseterior.keypoints import Keypoints

__all__ = ["Ranks", "launch"]


class Ranks:
    """One process among `count`; without a Fabric the only one, and every method is free.

    Fabric starts the processes, chooses the devices and carries the sums. Gradients are
    averaged in one flat buffer after the backward pass: what DDP computes, for any number of
    optimisers and without a wrapper around the lifter.
    """

    def __init__(self, fabric: Any = None) -> None:
        self.fabric = fabric
        self.index: int = fabric.global_rank if fabric else 0
        self.count: int = fabric.world_size if fabric else 1

    def place(self, module: nn.Module) -> None:
        """Move a module to this process's device and give it the first process's weights."""
        if self.fabric is None:
            return
        module.to(self.fabric.device)
        if self.count > 1:
            for tensor in module.state_dict().values():
                torch.distributed.broadcast(tensor, src=0)

    def part(self, keypoints: Keypoints, pose: Any) -> tuple[Keypoints, Any]:
        """The equal share of a batch for this process; `InputError` if it cannot be shared."""
        if self.count == 1:
            return keypoints, pose
        size, rest = divmod(len(pose), self.count)
        require(
            rest == 0 and size > 0,
            "batch", "size", expected=f"a multiple of {self.count} devices", found=len(pose),
        )  # fmt: skip
        own = slice(self.index * size, (self.index + 1) * size)
        return keypoints[own], pose[own]

    def mean(self, tensor: Tensor) -> Tensor:
        """The mean over the processes, the same on each."""
        return tensor if self.count == 1 else self.fabric.all_reduce(tensor, reduce_op="mean")

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over the processes."""
        if self.count == 1:
            return
        used = [p for p in parameters if p.grad is not None]
        flat = self.mean(torch.cat([p.grad.flatten() for p in used if p.grad is not None]))
        for parameter, mean in zip(used, flat.split([p.numel() for p in used]), strict=True):
            parameter.grad = mean.view_as(parameter)


def launch(devices: int) -> Any:
    """A launched Fabric over that many devices, or None for one.

    Under `torchrun` it joins the processes there; otherwise it starts the program anew for
    each of the others. `InputError` if the extra is not installed.
    """
    if devices == 1:
        return None
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        expected = "the extra: pip install 'poseterior[scale]'"
        raise InputError("FitConfig", "devices", expected=expected, found=error) from error
    fabric = Fabric(accelerator="auto", devices=devices, strategy="ddp")
    fabric.launch()
    return fabric
