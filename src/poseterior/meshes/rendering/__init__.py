"""Pictures of bodies with exact keypoints: what learned keypoint confidence is trained on."""
