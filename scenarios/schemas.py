"""JSON Schema of the documents that scenarios read and write, from the code.

``python -m scenarios.schemas docs/schemas`` writes them; a test compares.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from scenarios.scenario import Scenario
from scenarios.study.sweep import Sweep
from scenarios.summary import Summary

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DOCUMENTS: dict[str, type[BaseModel]] = {
    "takt.scenario.v1": Scenario,
    "takt.summary.v1": Summary,
    "takt.sweep.v1": Sweep,
}


def schemas() -> dict[str, str]:
    """Return the text of each schema by file name."""
    return {
        f"{kind}.json": json.dumps(
            {"$schema": _DIALECT, "$id": f"urn:{kind}", **model.model_json_schema()},
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
        for kind, model in _DOCUMENTS.items()
    }


if __name__ == "__main__":
    for name, text in schemas().items():
        (Path(sys.argv[1]) / name).write_text(text, encoding="utf-8")
