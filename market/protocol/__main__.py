"""Write the published protocol: ``make protocol``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from market.protocol.files import write

if __name__ == "__main__":
    asyncio.run(write(Path("docs")))
