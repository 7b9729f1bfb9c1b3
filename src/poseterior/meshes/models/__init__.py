"""Body models: Anny, and SMPL of the user's own file, both as `SkinnedBody`."""
