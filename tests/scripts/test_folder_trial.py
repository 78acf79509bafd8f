"""The trial of a large folder, in small: all of it holds for a hundred photos and two kills as well."""

import importlib
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_a_folder_that_is_killed_at_random_ends_as_one_that_is_not(tiny_model_dir, tmp_path):
    sys.path.insert(0, str(SCRIPTS))
    try:
        script = importlib.import_module("folder_trial")
    finally:
        sys.path.remove(str(SCRIPTS))
    found = script.trial(tmp_path, num_photos=120, num_kills=2, model=str(tiny_model_dir))
    assert found["checks"] == dict.fromkeys(found["checks"], True)
    assert found["broken"] == 7 and len(found["records_at_each_kill"]) == 2
