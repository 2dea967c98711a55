"""The escrow's process as the market starts it: it ends when its standard input does."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from market.adapters.escrow_server import serving_escrow


async def main(folder: Path, market_key: str) -> None:
    """Serve until whoever started this process is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with serving_escrow(folder, market_key=market_key):
        await reader.read()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(description="Keep the keys of a market's sealed rounds.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--market-key", default="")
    chosen = parser.parse_args()
    asyncio.run(main(chosen.folder, chosen.market_key))
