"""Two runs never train in one folder at the same time."""

import os
from types import SimpleNamespace

import pytest

from captioner.errors import CaptionerError
from captioner.locks import claimed
from captioner.training import train
from captioner.training.standing import LOCK


@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_in_which_another_process_trains_is_refused_and_left_as_it_is(resume, tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"of the other")
    run = SimpleNamespace(output_dir=tmp_path)
    with claimed(tmp_path / LOCK, "it"):
        with pytest.raises(CaptionerError, match=f"^{tmp_path}: process {os.getpid()} on .* is writing it$"):
            train(run, resume, None)
        assert sorted(os.listdir(tmp_path)) == [LOCK, "checkpoint.npz"]
