"""What cannot be compared is refused in one plain line, before anything is trained."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from nobody import as_nobody, open_folder

from captioner.cli import main
from captioner.cli.training_options import arguments_of
from captioner.datasets.prepared_files import CAPTIONS_FILE
from captioner.options import NetworkOptions, TrainingOptions


@pytest.fixture(autouse=True)
def trainings(monkeypatch):
    """What ends the trainings that are begun: nothing, as none is to be; their exit codes may be put in."""
    exit_codes = []

    def run(command, **_):
        assert exit_codes, "a training was begun"
        return SimpleNamespace(returncode=exit_codes.pop())

    monkeypatch.setattr("captioner.cli.compare.subprocess.run", run)
    return exit_codes


def refused(code, *arguments):
    """The one line with which `captioner compare` refuses."""
    done = CliRunner().invoke(main, ["compare", *map(str, arguments)])
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line.removeprefix("Error: ")


@pytest.mark.parametrize(
    ("decoders", "said"),
    [
        ("rnn,transformer", "unknown decoder 'transformer'; choose from rnn, lstm, gru"),
        ("", "unknown decoder ''; choose from rnn, lstm, gru"),
        ("rnn,gru,rnn", "--decoders names rnn twice; each is trained once"),
        ("lstm", "--decoders takes two or more of rnn, lstm, gru to compare, not 'lstm' alone"),
    ],
)
def test_decoders_that_cannot_be_compared(drawings_dataset, tmp_path, decoders, said):
    assert refused(2, drawings_dataset.folder, tmp_path / "out", "--decoders", decoders) == said
    assert not (tmp_path / "out").exists()


def test_options_that_are_wrong(drawings_dataset, tmp_path):
    assert refused(2, drawings_dataset.folder, tmp_path, "--dropout", "1") == (
        "dropout must be at least 0 and below 1, not 1.0"
    )


def test_parameters_that_no_width_matches(drawings_dataset, tmp_path):
    sizes = ["--match-parameters", "--units", "1", "--embedding-dim", "2000"]
    assert "no width of the" in refused(2, drawings_dataset.folder, tmp_path / "out", *sizes)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(drawings_dataset):
    with open_folder() as folder:
        shutil.copytree(drawings_dataset.folder, folder / "data", ignore=shutil.ignore_patterns("features"))
        (folder / "data").chmod(0o755)
        with as_nobody():
            assert refused(1, folder / "data", folder) == f"{folder}: cannot be written (Permission denied)"


def test_a_folder_that_is_a_file(drawings_dataset, tmp_path):
    (tmp_path / "file").write_text("")
    assert (
        refused(1, drawings_dataset.folder, tmp_path / "file") == f"{tmp_path / 'file'}: cannot be made (File exists)"
    )


def test_a_page_that_is_of_no_comparison_is_not_overwritten(drawings_dataset, tmp_path):
    (tmp_path / "compare.md").write_text("mine")
    said = refused(1, drawings_dataset.folder, tmp_path)
    assert said == f"{tmp_path / 'compare.md'} would be overwritten; give another folder"


@pytest.mark.parametrize("option", ["--resume", "--no-resume"])
def test_a_folder_of_a_decoder_that_holds_something_else(drawings_dataset, tmp_path, option):
    (tmp_path / "gru").mkdir()
    (tmp_path / "gru" / "log.csv").write_text("mine")
    said = refused(1, drawings_dataset.folder, tmp_path, option)
    assert said == f"{tmp_path / 'gru' / 'log.csv'} would be overwritten; give another folder"


def test_a_dataset_without_a_train_split(drawings_dataset, tmp_path):
    for path in drawings_dataset.folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = (drawings_dataset.folder / CAPTIONS_FILE).read_text().splitlines(keepends=True)
    (tmp_path / CAPTIONS_FILE).write_text("".join(line for line in lines if json.loads(line)["split"] != "train"))
    assert refused(1, tmp_path, tmp_path / "out") == f"{tmp_path}: no train split; it has dev, test"
    assert not (tmp_path / "out").exists()


def test_a_dataset_that_is_not_there(tmp_path):
    assert refused(1, tmp_path / "no", tmp_path / "out") == f"{tmp_path / 'no'}: no such folder"


def test_photos_that_are_missing_or_no_photos(drawings_dataset, tmp_path):
    missing = tmp_path / "no.jpg"
    assert "no.jpg: no such file" in refused(1, drawings_dataset.folder, tmp_path / "out", "--photos", missing)
    missing.write_text("no photo")
    assert str(missing) in refused(1, drawings_dataset.folder, tmp_path / "out", "--photos", missing)
    assert not (tmp_path / "out").exists()


def test_a_training_that_fails_ends_the_comparison(drawings_dataset, tmp_path, trainings):
    trainings.append(1)
    done = CliRunner().invoke(main, ["compare", str(drawings_dataset.folder), str(tmp_path)])
    assert done.exit_code == 1
    begun, error = done.stderr.splitlines()
    assert begun.startswith("captioner train --decoder rnn --attention --units 512 ")
    assert error == f"Error: {tmp_path / 'rnn'}: its training ended with exit code 1; see above"


def test_a_training_that_is_interrupted_interrupts_the_comparison(drawings_dataset, tmp_path, trainings):
    trainings.append(130)
    done = CliRunner().invoke(main, ["compare", str(drawings_dataset.folder), str(tmp_path)])
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-1] == "interrupted"


def test_the_command_that_trains_asks_for_every_option_that_compare_takes():
    network = NetworkOptions("gru", attention=False, units=7, embedding_dim=5, dropout=0.25)
    training = TrainingOptions(
        epochs=3, batch_size=2, learning_rate=1e-5, label_smoothing=0.0, patience=2, seed=9, flipped_share=0.0
    )
    given = arguments_of(network, training)
    values = dict(zip(given[1:-1:2], given[2:-1:2], strict=True))
    assert (given[0], given[-1]) == ("--no-attention", "--no-mirror")
    for options in (network, training):
        for field in dataclasses.fields(options):
            name = f"--{field.name.replace('_', '-')}"
            if name in values:
                assert type(getattr(options, field.name))(values.pop(name)) == getattr(options, field.name)
    assert values == {}
    assert arguments_of(NetworkOptions(), TrainingOptions())[:1] == ["--attention"]
