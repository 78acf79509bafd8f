"""A fuzzer over the API's description finds nothing that the server breaks at, or that is not described."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from served import serving

NAME = "schemathesis"
# What is no photo is a valid request all the same: it is answered by a record of its error, and 422.
ALL_BUT = "positive_data_acceptance"


def test_a_fuzzer_finds_nothing_that_is_not_described(tmp_path):
    program = shutil.which(NAME, path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("Schemathesis is not installed")
    with serving("--max-upload-mb", 1) as served:
        command = [program, "run", f"{served.address}/openapi.json", "--max-examples", "100", "--seed", "0"]
        command += ["--request-timeout", "3600"]  # however busy the machine is
        done = subprocess.run([*command, "--exclude-checks", ALL_BUT], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
        assert "4 selected / 4 total" in done.stdout
        assert served.is_alive()
        served.process.terminate()
        assert (served.process.wait(), served.process.stderr.read()) == (0, "")
