"""VDI/VDE 2193 frames to Takt's messages and back, for participants that speak the I4.0 language.

Rebuilt from open sources, not from the paid text; ``docs/vdi2193.md`` says what was rebuilt and what Takt
defines on top. Everything but `bridge` is pure.
"""

from market.adapters.vdi2193.bridge import Bridge, FramePort
from market.adapters.vdi2193.conversation import Conversation
from market.adapters.vdi2193.dialect import Dialect2193, Parties
from market.adapters.vdi2193.errors import FrameError, NotCarriedError, NotUnderstoodError
from market.adapters.vdi2193.frame import Frame, frame_to_json, read_frame

__all__ = [
    "Bridge",
    "Conversation",
    "Dialect2193",
    "Frame",
    "FrameError",
    "FramePort",
    "NotCarriedError",
    "NotUnderstoodError",
    "Parties",
    "frame_to_json",
    "read_frame",
]
