"""Bodies of observations: what the file holds, whatever the chunk; what is exported of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from meshes.stick_body import stick_body
from poseterior.batch.mesh_frames import BodyFrames, body_frames, frames_in
from poseterior.batch.mesh_lift import lift_bodies
from poseterior.batch.mesh_meshes import write_glbs, write_objs
from poseterior.batch.mesh_people import observed_rows, people_of
from poseterior.batch.provenance import weights_fingerprint
from poseterior.data.demo_clip import demo_observations
from poseterior.data.keypoint_source import MemorySource
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.lifters.coupling_flow import CouplingFlow, CouplingFlowConfig
from poseterior.meshes.mesh_files import read_bodies
from poseterior.meshes.models.anny_body import anny_body
from poseterior.meshes.regressors.hmr import RegressorSizes
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.multi_bodies import MultiBodies, MultiBodiesConfig
from poseterior.meshes.regressors.prohmr import ProHMR, ProHMRConfig
from poseterior.seeding import generator_from

SIZES = RegressorSizes(width=8, blocks=1, hidden=8)
H = 6


@pytest.fixture(scope="module")
def flow() -> MeshLifter:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return ProHMR(ProHMRConfig(steps=2, hidden=8, critic=8, sizes=SIZES)).eval()


@pytest.fixture(scope="module")
def heads() -> MeshLifter:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return MultiBodies(MultiBodiesConfig(heads=4, sizes=SIZES)).eval()


def source(rows: int = 70, hidden: tuple[int, ...] = (3, 69)) -> MemorySource:
    """Frames of the demo; of the hidden ones three joints are seen."""
    with demo_observations() as demo:
        keypoints = next(demo.chunks(rows)).keypoints
    assert keypoints.valid is not None
    for row in hidden:
        keypoints.valid[row, 3:] = False
    return MemorySource(keypoints, labels={"frame": np.arange(rows) + 10})


def test_bodies_are_those_of_the_lifter_in_the_rows_that_can_be_lifted(
    flow: MeshLifter, tmp_path: Path
) -> None:
    given, seen = source(), []
    done = lift_bodies(
        given, flow, tmp_path / "m.npz", H, seed=5, progress=lambda *n: seen.append(n)
    )
    assert (done.poses, done.invalid) == (70, 2)
    assert seen == [(64, 70), (70, 70)]
    found = read_bodies(tmp_path / "m.npz", flow.body)
    assert found.valid.nonzero()[:, 0].tolist() == [n for n in range(70) if n not in (3, 69)]
    assert found.labels["frame"].tolist() == list(range(10, 80))
    index = [n for n in range(64, 69)]
    drawn = flow(given.keypoints[index]).sample_parameters((H,), generator_from(5, 1))
    torch.testing.assert_close(
        flow.body.vertices(found.parameters[:, 64:69]), flow.body.vertices(drawn),
        atol=1e-5, rtol=0,
    )  # fmt: skip
    torch.testing.assert_close(found.weights[:, 64:69], torch.full((H, 5), 1 / H))
    assert not found.weights[:, [3, 69]].any()


def test_the_file_does_not_depend_on_the_chunk(flow: MeshLifter, tmp_path: Path) -> None:
    given, files = source(), []
    for chunk in (1, 64, 500):
        lift_bodies(given, flow, tmp_path / "m.npz", H, chunk=chunk)
        files.append((tmp_path / "m.npz").read_bytes())
    assert files[0] == files[1] == files[2]
    lift_bodies(given, flow, tmp_path / "m.npz", H, seed=1)
    assert (tmp_path / "m.npz").read_bytes() != files[0]


def test_a_set_of_bodies_is_stored_as_it_is(heads: MeshLifter, tmp_path: Path) -> None:
    given = source(5, hidden=(0,))
    lift_bodies(given, heads, tmp_path / "m.npz", 50)
    found = read_bodies(tmp_path / "m.npz", heads.body)
    assert found.parameters.batch_shape == (4, 5)
    expected = heads(given.keypoints[1:]).parameters
    torch.testing.assert_close(found.parameters.transl[:, 1:], expected.transl)
    lift_bodies(given, heads, tmp_path / "m.npz", 3)
    assert read_bodies(tmp_path / "m.npz").parameters.batch_shape == (3, 5)


def test_what_made_the_file(flow: MeshLifter, tmp_path: Path) -> None:
    given = source(4, hidden=())
    lift_bodies(given, flow, tmp_path / "m.npz", H, seed=7)
    with np.load(tmp_path / "m.npz", allow_pickle=False) as file:
        made = json.loads(str(file["provenance"]))
    assert made["made_by"] == "poseterior mesh"
    assert (made["lifter"], made["body"], made["seed"]) == ("prohmr", "anny_light", 7)
    assert made["weights"] == weights_fingerprint(flow)
    assert made["data"] == given.fingerprint()


def test_what_cannot_be_lifted_is_refused(flow: MeshLifter, tmp_path: Path) -> None:
    out = tmp_path / "m.npz"
    poses_only = CouplingFlow(CouplingFlowConfig())
    with pytest.raises(InputError, match=r"coupling_flow: expected one over bodies.*poses only"):
        lift_bodies(source(4, ()), poses_only, out)
    with pytest.raises(InputError, match=r"at least 4 valid joints.*found none in 2 rows"):
        lift_bodies(source(2, (0, 1)), flow, out)
    with pytest.raises(InputError, match=r"stick: 24 joints: expected those of anny_light"):
        lift_bodies(source(4, ()), flow, out, body=stick_body())
    assert list(tmp_path.iterdir()) == []


def test_another_topology_is_named_in_the_file(flow: MeshLifter, tmp_path: Path) -> None:
    fine = anny_body()
    fine.name = "anny"
    lift_bodies(source(2, ()), flow, tmp_path / "m.npz", 2, body=fine)
    assert read_bodies(tmp_path / "m.npz", fine).valid.all()
    with pytest.raises(InputError, match=r"body: expected anny_light.*found anny"):
        read_bodies(tmp_path / "m.npz", flow.body)


def test_frames_are_numbers_and_ranges() -> None:
    assert frames_in("4,0:9:3") == [range(4, 5), range(0, 9, 3)]
    for wrong in ("", "a", "-1", "5:2", "1:2:0", "1:2:3:4", "1,,2", "3:"):
        with pytest.raises(InputError, match=r"--frames: expected numbers such as"):
            frames_in(wrong)
    there = BodyFrames("m.npz", np.arange(100, 106), np.array([3, 3, 4, 9, 9, 20]))
    assert there.asked([range(4, 10)]).tolist() == [102, 103, 104]
    assert there.first().tolist() == list(range(100, 106))
    many = BodyFrames("m.npz", np.arange(24), np.repeat(np.arange(12), 2))
    assert many.first().tolist() == [0, 1]
    with pytest.raises(InputError, match=r"frames of m.npz, which has 3 to 20, found none"):
        there.asked([range(5, 8)])


def test_frames_of_a_file_are_its_labels(flow: MeshLifter, tmp_path: Path) -> None:
    path, given = tmp_path / "m.npz", source(5, hidden=(1,))
    lift_bodies(given, flow, path, H)
    assert body_frames(path, flow.body).frames.tolist() == [10, 12, 13, 14]
    given.labels = {"frame": np.array(["a.jpg", "a.jpg", "b.jpg", "c.jpg", "c.jpg"])}
    lift_bodies(given, flow, path, H)
    there = body_frames(path, flow.body)
    assert (there.rows.tolist(), there.frames.tolist()) == ([0, 2, 3, 4], [0, 1, 2, 2])


def test_people_have_representatives_among_their_hypotheses(
    flow: MeshLifter, tmp_path: Path
) -> None:
    path, given = tmp_path / "m.npz", source(5, hidden=())
    lift_bodies(given, flow, path, H)
    person, other = people_of(path, flow.body, H36M_17, [1, 4], 3)
    assert (person.row, person.name) == (1, "frame 11")
    assert float(person.shares.sum()) == pytest.approx(1)
    assert person.shares.tolist() == sorted(person.shares.tolist(), reverse=True)
    assert person.effective_number == pytest.approx(H)
    for body in person.representatives.transl:
        assert (person.bodies.transl == body).all(1).any()
    (alone,) = people_of(path, flow.body, H36M_17, [4], 3)
    torch.testing.assert_close(alone.representatives.transl, other.representatives.transl)
    joints = flow.body.landmarks_of(person.bodies, H36M_17).double().numpy()
    joints -= joints[:, :1]
    naive = np.sqrt((joints.std(0) ** 2).sum(-1))
    assert person.joint_spread.numpy() == pytest.approx(naive, rel=1e-4, abs=1e-6)
    (seen,) = observed_rows(given, [1], H36M_17)
    torch.testing.assert_close(seen.pixels, given.keypoints.pixels[1:2])


def test_meshes_are_written_for_others_to_read(flow: MeshLifter, tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    lift_bodies(source(3, hidden=()), flow, path, H)
    people = people_of(path, flow.body, H36M_17, [0, 2], 2)
    names = [name for person in people for name in person.mesh_names]
    assert names[0].startswith("frame_10_row_0_r1_w0.")
    assert write_glbs(tmp_path / "all.glb", people, flow.body) == [tmp_path / "all.glb"]
    scene = trimesh.load(tmp_path / "all.glb", process=False)
    assert sorted(scene.geometry) == sorted(names)
    vertices = flow.body.vertices(people[1].representatives)[0].numpy() * [1, -1, -1]
    np.testing.assert_allclose(scene.geometry[people[1].mesh_names[0]].vertices, vertices,
                               atol=1e-5)  # fmt: skip
    each = write_glbs(tmp_path / "glb", people, flow.body)
    assert [file.name for file in each] == ["frame_10_row_0.glb", "frame_12_row_2.glb"]
    objs = write_objs(tmp_path / "deep" / "obj", people, flow.body)
    assert [file.stem for file in objs] == names
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all.glb", "deep", "glb", "m.npz"]


def test_a_single_body_has_a_mesh_too(flow: MeshLifter, tmp_path: Path) -> None:
    lift_bodies(source(1, hidden=()), flow, tmp_path / "m.npz", 1)
    people = people_of(tmp_path / "m.npz", flow.body, H36M_17, [0], 5)
    assert people[0].shares.tolist() == [1.0]
    (file,) = write_objs(tmp_path / "obj", people, flow.body)
    assert file.name == "frame_10_row_0_r1_w1.00.obj"


def test_a_folder_gets_all_meshes_or_none(
    flow: MeshLifter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.npz"
    lift_bodies(source(3, hidden=()), flow, path, H)
    people = people_of(path, flow.body, H36M_17, [0], 3)
    import poseterior.batch.mesh_meshes as module

    done, own = [], module.write_obj

    def full(at: Path, *rest: object) -> None:
        if done:
            raise OSError(28, "No space left on device")
        done.append(at)
        own(at, *rest)

    monkeypatch.setattr(module, "write_obj", full)
    with pytest.raises(InputError, match="No space left"):
        write_objs(tmp_path / "obj", people, flow.body)
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]
