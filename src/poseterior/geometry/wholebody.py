"""What COCO-WholeBody adds to COCO's 17 joints: points of feet (6), face (68) and hands (42).

Words `joint<parent` as `skeleton` reads them, in the data set's order (Jin et al., ECCV 2020). The
face's are the 68 of 300-W, which have numbers there; here both sides count from outside inwards,
so that left and right partners have one name. `lid` is of the eyes, `lip` the outer and `mouth`
the inner border of the mouth.
"""

from __future__ import annotations

__all__ = ["WHOLEBODY_WORDS"]

_FEET = (
    "L:big_toe<L:ankle L:small_toe<L:ankle L:heel<L:ankle "
    "R:big_toe<R:ankle R:small_toe<R:ankle R:heel<R:ankle"
)
_FACE = (
    "R:jaw_0<R:jaw_1 R:jaw_1<R:jaw_2 R:jaw_2<R:jaw_3 R:jaw_3<R:jaw_4 R:jaw_4<R:jaw_5 "
    "R:jaw_5<R:jaw_6 R:jaw_6<R:jaw_7 R:jaw_7<chin chin<lower_lip L:jaw_7<chin L:jaw_6<L:jaw_7 "
    "L:jaw_5<L:jaw_6 L:jaw_4<L:jaw_5 L:jaw_3<L:jaw_4 L:jaw_2<L:jaw_3 L:jaw_1<L:jaw_2 "
    "L:jaw_0<L:jaw_1 R:brow_0<R:brow_1 R:brow_1<R:brow_2 R:brow_2<R:brow_3 R:brow_3<R:brow_4 "
    "R:brow_4<nose_bridge_0 L:brow_4<nose_bridge_0 L:brow_3<L:brow_4 L:brow_2<L:brow_3 "
    "L:brow_1<L:brow_2 L:brow_0<L:brow_1 nose_bridge_0<nose_bridge_1 nose_bridge_1<nose_bridge_2 "
    "nose_bridge_2<nose_bridge_3 nose_bridge_3<nose R:nostril_0<R:nostril_1 R:nostril_1<nose_base "
    "nose_base<nose_bridge_3 L:nostril_1<nose_base L:nostril_0<L:nostril_1 R:lid_0<R:lid_1 "
    "R:lid_1<R:lid_2 R:lid_2<R:lid_3 R:lid_3<nose_bridge_0 R:lid_4<R:lid_3 R:lid_5<R:lid_4 "
    "L:lid_3<nose_bridge_0 L:lid_2<L:lid_3 L:lid_1<L:lid_2 L:lid_0<L:lid_1 L:lid_5<L:lid_4 "
    "L:lid_4<L:lid_3 R:lip_0<R:lip_1 R:lip_1<R:lip_2 R:lip_2<upper_lip upper_lip<nose_base "
    "L:lip_2<upper_lip L:lip_1<L:lip_2 L:lip_0<L:lip_1 L:lip_3<L:lip_4 L:lip_4<lower_lip "
    "lower_lip<upper_lip R:lip_4<lower_lip R:lip_3<R:lip_4 R:mouth_0<R:mouth_1 "
    "R:mouth_1<upper_mouth upper_mouth<upper_lip L:mouth_1<upper_mouth L:mouth_0<L:mouth_1 "
    "L:mouth_2<lower_mouth lower_mouth<lower_lip R:mouth_2<lower_mouth"
)
_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")


def _hand(side: str) -> str:
    """The wrist and the five fingers, each from its root to its tip."""
    words = [f"{side}:hand_root<{side}:wrist"]
    for finger in _FINGERS:
        above = ("hand_root", *(f"{finger}{n}" for n in (1, 2, 3)))
        words += [f"{side}:{finger}{n}<{side}:{parent}" for n, parent in enumerate(above, 1)]
    return " ".join(words)


WHOLEBODY_WORDS = " ".join((_FEET, _FACE, _hand("L"), _hand("R")))
