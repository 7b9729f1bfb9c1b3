"""`poseterior render`: people in pictures, with exact keypoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from poseterior.cli.options import Count, Folder, Root, check_range

if TYPE_CHECKING:
    from poseterior.meshes.rendering.poses import Poses

__all__ = ["Render"]

_MOST_SEED = 2**32 - 1
_MOST_PEOPLE = 10_000_000


@dataclass(frozen=True)
class Render:
    """Render people with exact keypoints: crops and annotations in COCO's format."""

    out: Path
    """The new folder."""
    train: Count = 20000
    """People to train on."""
    val: Count = 1000
    """People of the validation split: other subjects, bodies and surroundings."""
    test: Count = 3000
    """People of the test split."""
    seed: Count = 0
    """Seed of all draws."""
    root: Root = None
    cache: Folder = None
    """Keep the poses fitted to the motion capture here (a minute or two of work)."""
    body: Literal["anny_light", "anny"] = "anny_light"
    """1,229 vertices, or 13,718 (extra `mesh`)."""
    renderer: Literal["auto", "gl", "warp"] = "auto"
    """OpenGL (extra `render`), or rays (extra `mesh`) where there is none."""
    frames: Count = 0
    """Whole images of each split to write too, as PNG."""
    workers: Count = 1
    """Processes; the result is the same."""

    def run(self) -> None:
        """Render, with a bar, and print what became of it."""
        check_range(0, _MOST_PEOPLE, train=self.train, val=self.val, test=self.test)
        check_range(0, _MOST_PEOPLE, frames=self.frames)
        check_range(0, _MOST_SEED, seed=self.seed)
        check_range(1, 1024, workers=self.workers)
        from poseterior.errors import require

        counts = {"train": self.train, "val": self.val, "test": self.test}
        some = sum(counts.values()) > 0
        require(some, "--train, --val, --test", "", expected="one person or more", found=0)

        from poseterior.cli.console import progress
        from poseterior.meshes.rendering.people_folder import check_new, render_people
        from poseterior.meshes.rendering.people_workers import Recipe

        check_new(self.out)  # now, before the poses are fitted
        poses = self._poses()
        rotations = {split: each.numpy() for split, each in poses.rotations.items()}
        recipe = Recipe(self.body, self.renderer, rotations, self.seed)
        with progress() as display:
            tasks = {split: display.add_task(split, total=n) for split, n in counts.items()}
            told = render_people(
                self.out, recipe, counts, self.frames, self.workers, {"motion": poses.source},
                lambda split, done, total: display.update(tasks[split], completed=done),
            )  # fmt: skip
        _show(self.out, told)

    def _poses(self) -> Poses:
        """Of the motion capture if it is named here or by the environment, else of the demo."""
        import os

        from poseterior.cli.console import show_notes
        from poseterior.meshes.bodies import open_body
        from poseterior.meshes.rendering.poses import poses_for

        root: Any = self.root if self.root is not None else os.environ.get("POSETERIOR_CMU")
        if not root:
            note = "no motion capture (--root DIR): all people walk and wave as in the demo's clip"
            show_notes({"poses": note})
        # Both bodies are turned by the same joints.
        return poses_for(open_body("anny_light"), root or None, self.cache)


def _show(out: Path, told: dict[str, Any]) -> None:
    for split, found in told["figures"].items():
        low, middle, high = found["area_quartiles_px2"]
        absent, hidden, visible = found["v_shares"]
        print(
            f"{out}: {split}: {found['people']} people, area quartiles {low:.0f}, {middle:.0f} and "
            f"{high:.0f} px², {found['truncated_share']:.0%} truncated; keypoints: {visible:.0%} "
            f"visible, {hidden:.0%} hidden, {absent:.0%} without a label"
        )
