"""The built-in sample: animated scenes drawn by us, written exactly as the SAM2 demo exports a video.

For trying everything out without data of one's own, and for tests that need a whole export with a known truth. What
is in a video: ``choreography``; what things look like: ``classes``, ``creatures``, ``machines``, ``backgrounds``; the
files: ``document``, ``overlay``, ``film``.
"""

from sam2_assets.sample.generate import SampleVideo, write_sample

__all__ = ["SampleVideo", "write_sample"]
