"""`captioner evaluate`"""

import json

import pytest
from click.testing import CliRunner

from captioner.cli import main


@pytest.fixture
def run(tiny_model_dir, drawings_dataset):
    def invoke(*arguments, data_dir=drawings_dataset.folder):
        command = ["evaluate", str(data_dir), "--model", str(tiny_model_dir), *map(str, arguments)]
        return CliRunner().invoke(main, command)

    return invoke


def test_scores_are_json_with_counts_and_tokenizer(run, drawings_dataset):
    result = run("--split", "dev")
    assert result.exit_code == 0
    scores = json.loads(result.stdout)
    assert {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"} <= set(scores)
    assert 0 <= scores["bleu_4"] <= scores["bleu_1"] <= 1
    assert scores["num_photos"] == len(drawings_dataset.split("dev"))
    assert scores["tokenizer"] == "ptb"
    assert scores["split"] == "dev"


def test_every_score_has_an_interval_over_photos(run):
    scores = json.loads(run("--split", "dev", "--resamples", "200", "--seed", "5").stdout)
    assert list(scores["intervals"]) == ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"]
    for name, (low, high) in scores["intervals"].items():
        assert low <= scores[name] <= high
    assert (scores["bootstrap"]["resamples"], scores["bootstrap"]["seed"]) == (200, 5)
    assert scores["references_per_photo"]["min"] >= 1
    assert scores["num_distinct_captions"] >= 1
    assert scores["mean_words"] >= 1
    assert all(0 <= scores[name] <= 1 for name in ("broken_endings", "repeated_phrases", "from_train"))


def test_an_official_score_without_java_is_one_line_before_anything_is_captioned(run, monkeypatch, tmp_path):
    monkeypatch.setattr("captioner.metrics.official._package_dir", lambda: tmp_path)
    monkeypatch.setenv("PATH", "")
    result = run("--split", "dev", "--meteor", "--predictions-out", tmp_path / "predictions.jsonl")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: METEOR needs Java, and no program `java` is on the PATH\n"
    assert not (tmp_path / "predictions.jsonl").exists()


def test_predictions_and_scores_go_to_files(run, drawings_dataset, tmp_path):
    predictions, scores = tmp_path / "predictions.jsonl", tmp_path / "scores.json"
    result = run("--split", "dev", "--predictions-out", predictions, "--json", scores)
    lines = [json.loads(line) for line in predictions.read_text().splitlines()]
    assert [line["image"] for line in lines] == [example.image for example in drawings_dataset.split("dev")]
    assert all(line["caption"] for line in lines)
    assert json.loads(scores.read_text()) == json.loads(result.stdout)


def test_a_missed_floor_exits_with_1(run):
    assert run("--split", "dev", "--fail-under", "bleu_1=0.0").exit_code == 0
    result = run("--split", "dev", "--fail-under", "bleu_1=1.01")
    assert result.exit_code == 1
    assert "failed: bleu_1 is" in result.stderr


@pytest.mark.parametrize("floor", ["bleu_9=0.1", "bleu_4", "bleu_4=high", "meteor=0.1"])
def test_a_floor_that_makes_no_sense_exits_with_2(run, floor):
    result = run("--split", "dev", "--fail-under", floor)
    assert result.exit_code == 2
    assert "METRIC=VALUE" in result.stderr


def test_a_missing_dataset_is_one_line(run, tmp_path):
    result = run(data_dir=tmp_path / "nosuch")
    assert result.exit_code == 1
    assert result.stderr == f"Error: {tmp_path / 'nosuch'}: no such folder\n"


def test_a_folder_that_is_no_prepared_dataset_says_how_to_make_one(run, tmp_path):
    result = run(data_dir=tmp_path)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {tmp_path}: no dataset.json in it; make one with `captioner prepare`\n"
