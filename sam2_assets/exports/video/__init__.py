"""The source video: whether it is the one, which of its frames are the export's, and their clean pixels.

``stream`` opens and decodes within bounds, ``survey`` walks over all frames once, ``clock`` is FFmpeg's rounding,
``comparison`` measures agreement, ``search`` finds the seek, ``match`` decides, ``source`` is what agreed.
"""

from sam2_assets.exports.video.match import match_video
from sam2_assets.exports.video.source import SourceVideo, read_frames
from sam2_assets.exports.video.stream import size_and_length

__all__ = ["SourceVideo", "match_video", "read_frames", "size_and_length"]
