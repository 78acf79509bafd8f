"""The trial of the server, in small: few clients lose no photo either."""

import importlib
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_no_client_is_left_without_an_answer():
    sys.path.insert(0, str(SCRIPTS))
    try:
        script = importlib.import_module("serve_trial")
    finally:
        sys.path.remove(str(SCRIPTS))
    found = script.trial("flickr8k", num_photos=12, num_clients=4, seconds=2)
    assert set(found["under_load"]["statuses"]) == {200} and found["under_load"]["statuses"][200] > 0
    assert set(found["when_full"]) <= {200, 503} and found["when_full"][200] > 0
    assert found["checks"]["what was accepted before the end is answered"]
    assert found["checks"]["the end is a regular one"]
