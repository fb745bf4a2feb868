"""What the pictures themselves show: measures, perceptual hashes, and the one pass that reads every picture once."""

from sam2_assets.pixels.measures import Measures, measure_picture, wrapped_share
from sam2_assets.pixels.perceptual import HASH_BITS, as_integers, hamming, perceptual_hash
from sam2_assets.pixels.survey import PICTURES_FILE, Pictures, Progress, Survey, now_and_then, survey

__all__ = [
    "HASH_BITS",
    "PICTURES_FILE",
    "Measures",
    "Pictures",
    "Progress",
    "Survey",
    "as_integers",
    "hamming",
    "measure_picture",
    "now_and_then",
    "perceptual_hash",
    "survey",
    "wrapped_share",
]
