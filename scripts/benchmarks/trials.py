"""How a trial ends: what was found, as JSON, and whether all is as it must be."""

import json
import sys
from pathlib import Path


def tell(found: dict, json_path: Path | None) -> None:
    """found: figures, and under "checks" what must be true; exits with 1 where something is not."""
    text = json.dumps(found, indent=2)
    if json_path is not None:
        json_path.write_text(text + "\n", encoding="utf-8")
    print(text)
    sys.exit(0 if all(found["checks"].values()) else 1)
