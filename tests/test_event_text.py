"""Events as text are those that Python makes, and nothing else is an event."""

from __future__ import annotations

import pytest
import torch

from poseterior.errors import InputError
from poseterior.event_text import FORMS, parse_event
from poseterior.events import Event
from poseterior.geometry.skeleton import H36M_17
from poseterior.quantities import angle, azimuth, distance, elevation, height, within

DOWN = (0.0, 1.0, 0.5)
KNEE, WRISTS = angle("left_knee_flexion"), distance("left_wrist", "right_wrist")
NEAR = within("right_wrist", (0.1, -0.2, 0.4), 0.5)
SAME: dict[str, Event] = {
    "left_knee_flexion > 60": KNEE > 60,
    " left_knee_flexion>60 deg ": KNEE > 60,
    "left_knee_flexion <= 6.05e1deg": KNEE <= 60.5,
    "distance(left_wrist, right_wrist) < .5 m": WRISTS < 0.5,
    "distance(nose,0.1,-2e-1,+0.3) >= 0.4": distance("nose", (0.1, -0.2, 0.3)) >= 0.4,
    "within(right_wrist, 0.1, -0.2, 0.4, 0.5)": NEAR,
    "height(left_wrist, head_top) > 0": height("left_wrist", "head_top", DOWN) > 0,
    "height(nose, 0, 0.1, 0) < -0.05": height("nose", (0, 0.1, 0), DOWN) < -0.05,
    "elevation(left_hip, left_knee) > 10": elevation("left_hip", "left_knee", DOWN) > 10,
    "azimuth(pelvis, nose) < 90": azimuth("pelvis", "nose", DOWN) < 90,
    "~left_knee_flexion > 60": ~(KNEE > 60),
    # & binds more tightly than |, ~ most of all.
    "left_knee_flexion > 60 | left_knee_flexion > 30 & ~within(right_wrist, .1, -.2, .4, .5)":
        (KNEE > 60) | ((KNEE > 30) & ~NEAR),
    "(left_knee_flexion > 60 | left_knee_flexion > 30) & ~~((height(nose, pelvis) < 1))":
        ((KNEE > 60) | (KNEE > 30)) & (height("nose", "pelvis", DOWN) < 1),
}  # fmt: skip


def poses() -> torch.Tensor:
    return 0.3 * torch.randn((2000, 17, 3), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("text", SAME)
def test_text_and_python_say_the_same(text: str) -> None:
    event, pose = parse_event(text, DOWN), poses()
    found = event(pose, H36M_17)
    assert 0 < found.sum() < found.numel()
    assert torch.equal(found, SAME[text](pose, H36M_17))
    assert event.text == text.strip()
    assert event.joints(H36M_17) == SAME[text].joints(H36M_17)


@pytest.mark.parametrize("text", [text for text in SAME if "deg" not in text])
def test_what_python_calls_an_event_can_be_read_again(text: str) -> None:
    event, pose = SAME[text], poses()
    assert torch.equal(parse_event(event.text, DOWN)(pose, H36M_17), event(pose, H36M_17))


def test_every_form_is_tried() -> None:
    assert {text.partition("(")[0].strip() for text in SAME} >= {
        form.partition("(")[0] for form in FORMS
    }


BAD = {
    "": ("expected a quantity", "found the end"),
    "60 < left_knee_flexion": ("character 1", "expected a quantity", "found 60"),
    "left_kne_flexion > 60": ("did you mean left_knee_flexion?", "found left_kne_flexion"),
    "distence(nose, pelvis) > 1": ("did you mean distance?",),
    "left_knee_flexion": ("expected <, <=, > or >=", "found the end"),
    "left_knee_flexion = 60": ("character 19", "expected <, <=, > or >=", "found ="),
    "left_knee_flexion >": ("expected a number", "found the end"),
    "left_knee_flexion > nan": ("expected a number", "found nan"),
    "left_knee_flexion > 1e999": ("expected a finite number", "found 1e999"),
    "left_knee_flexion > 60 m": ("unit", "expected deg", "found m"),
    "distance(nose, pelvis) < 20 cm": ("unit", "expected m", "found cm"),
    "30 < left_knee_flexion < 60": ("found 30",),
    "left_knee_flexion > 30 < 60": ("character 24", "expected &, | or the end", "found <"),
    "(left_knee_flexion > 60": ("expected )", "found the end"),
    "left_knee_flexion > 60)": ("expected &, | or the end", "found )"),
    "left_knee_flexion > 60 and trunk_flexion > 3": ("unit", "found and"),
    "within(nose, 1, 2, 3)": ("within(joint, x, y, z, radius)", "found within(nose, 1, 2, 3)"),
    "within(nose, 1, 2, 3, -1)": ("radius", "expected metres above 0", "found -1"),
    "within(nose, 1, 2, 1e999, 1)": ("character 20", "expected a finite number", "found 1e999"),
    "distance(nose)": ("distance(joint, joint) or distance(joint, x, y, z)",),
    "distance(nose, )": ("name of a joint, or a number", "found )"),
    "distance nose": ("expected (", "found nose"),
    "__import__('os')": ("expected one of", "found __import__"),
    "left_knee_flexion > 60; 1": ("found ;",),
    "(" * 3000: ("at most 100", "found 3000"),
    "|".join(["trunk_flexion > 1"] * 3000): ("at most 100", "found 2999"),
}


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:40])
def test_bad_text_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_event(text)
    message = str(refused.value)
    assert [word for word in BAD[text] if word not in message] == [], message
    assert message.startswith("event")
    assert text in message


def test_names_of_joints_are_checked_against_the_skeleton() -> None:
    event = parse_event("trunk_flexion > 3 | distance(left_wirst, nose) < 1")
    with pytest.raises(InputError, match=r'event "trunk_flexion > 3 \| .*did you mean left_wrist'):
        event.joints(H36M_17)
