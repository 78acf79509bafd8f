"""`captioner evaluate`"""

import base64
import json
import re
import shutil

import pytest
from click.testing import CliRunner

from captioner.cli import main
from captioner.datasets import NamedSource, prepare, read_annotations
from captioner.datasets.drawings import write_drawings
from captioner.encoders import shipped_graph
from captioner.inference import Decoder, Encoder
from captioner.options import PrepareOptions


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


def content_of(path):
    """What the page of `--html` shows, and the base64 of its JPEGs and attention."""
    page = path.read_text()
    content = re.search(r'<script type="application/json" id="content">(.*?)</script>', page).group(1)
    return json.loads(content), re.findall(r'id="picture-\d+">(\S*) (\S*)</script>', page)


def test_a_page_shows_every_photo_and_changes_no_score(run, drawings_dataset, tmp_path):
    result = run(
        "--split", "dev", "--html", tmp_path / "report.html", "--predictions-out", tmp_path / "predictions.jsonl"
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == run("--split", "dev").stdout
    content, pictures = content_of(tmp_path / "report.html")
    assert content["result"] == json.loads(result.stdout)
    examples = drawings_dataset.split("dev")
    predictions = [json.loads(line)["caption"] for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert ["".join(photo["words"]) for photo in content["photos"]] == predictions
    assert [photo["references"] for photo in content["photos"]] == [list(example.captions) for example in examples]
    num_regions = content["grid"] ** 2
    for photo, (jpeg, attention) in zip(content["photos"], pictures, strict=True):
        assert base64.b64decode(jpeg).startswith(b"\xff\xd8")
        assert len(base64.b64decode(attention)) == len(photo["words"]) * num_regions
    mean = sum(photo["scores"][content["sentence_scores"].index("rouge_l")] for photo in content["photos"]) / 6
    assert mean == pytest.approx(content["result"]["rouge_l"], abs=1e-4)


def test_the_page_of_a_model_without_attention_has_none(run, monkeypatch, tmp_path):
    step = Decoder.step

    def without_attention(self, **inputs):
        return {name: array for name, array in step(self, **inputs).items() if name != "attention"}

    monkeypatch.setattr(Decoder, "step", without_attention)
    assert run("--split", "dev", "--html", tmp_path / "report.html").exit_code == 0
    content, pictures = content_of(tmp_path / "report.html")
    assert content["grid"] is None
    assert all(jpeg and not attention for jpeg, attention in pictures)


def test_a_page_is_made_without_the_photos_where_their_features_are_known(run, drawings_dataset, tmp_path):
    folder = shutil.copytree(drawings_dataset.folder, tmp_path / "data")
    info = json.loads((folder / "dataset.json").read_text())
    info["sources"]["photos"]["images_dir"] = str(tmp_path / "gone")
    (folder / "dataset.json").write_text(json.dumps(info))
    assert run("--split", "dev", "--html", tmp_path / "report.html", data_dir=folder).exit_code == 0
    _, pictures = content_of(tmp_path / "report.html")
    assert all(attention and not jpeg for jpeg, attention in pictures)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no/report.html", "{folder}/no: cannot be written (No such file or directory)"),
        ("", "{folder}: a folder, not a file"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_before_anything_is_captioned(run, monkeypatch, tmp_path, name, said):
    monkeypatch.setattr("captioner.cli.evaluate.load_captioner", lambda model: pytest.fail("a model was loaded"))
    result = run("--html", tmp_path / name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {said.format(folder=tmp_path)}\n"


# several sources


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Two sets of drawings with the same names, mixed: "few" with 3 for dev, "more" with 4 and none for test."""
    folder = tmp_path_factory.mktemp("mixed")
    sources = []
    for seed, (name, counts) in enumerate({"few": (2, 3, 1), "more": (2, 4, 0)}.items()):
        source = write_drawings(folder / name, *counts, seed=seed)
        sources.append(NamedSource(name, source, *read_annotations(source)))
    encoder = Encoder(*shipped_graph("efficientnet-lite2-320", "int8"))
    options = PrepareOptions(allow_split_leaks=True)
    return prepare(sources, folder / "data", options, lambda photos: encoder, threads=2)


def test_only_the_photos_of_a_source_are_scored_where_it_is_named(run, mixed, tmp_path):
    of = {}
    for name in ("few", "more"):
        path = tmp_path / f"{name}.jsonl"
        result = run("--split", "dev", "--source", name, "--predictions-out", path, data_dir=mixed.folder)
        assert result.exit_code == 0
        scores = json.loads(result.stdout)
        assert (scores["source"], scores["num_photos"]) == (name, len(mixed.split("dev", name)))
        of[name] = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["image"] for line in of[name]] == [example.image for example in mixed.split("dev", name)]
        assert all(line["image"].startswith(f"{name}/dev/") for line in of[name])
    result = run("--split", "dev", "--predictions-out", tmp_path / "all.jsonl", data_dir=mixed.folder)
    scores = json.loads(result.stdout)
    assert "source" not in scores and scores["num_photos"] == 7
    together = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert sorted(map(str, together)) == sorted(map(str, of["few"] + of["more"]))


def test_predictions_of_a_source_are_scored_by_captioner_score_as_well(run, mixed, tmp_path):
    path = tmp_path / "predictions.jsonl"
    scores = json.loads(run("--split", "dev", "--predictions-out", path, data_dir=mixed.folder).stdout)
    result = CliRunner().invoke(main, ["score", str(path), str(mixed.folder), "--split", "dev"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["bleu_1"] == scores["bleu_1"]


def test_a_page_of_a_source_shows_its_photos(run, mixed, tmp_path):
    arguments = "--split", "dev", "--source", "more", "--html", tmp_path / "report.html"
    assert run(*arguments, data_dir=mixed.folder).exit_code == 0
    content, pictures = content_of(tmp_path / "report.html")
    assert content["result"]["source"] == "more"
    expected = [list(example.captions) for example in mixed.split("dev", "more")]
    assert [photo["references"] for photo in content["photos"]] == expected
    assert all(jpeg for jpeg, _ in pictures)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "none"], "no source 'none'; it has few, more"),
        (["--source", "more", "--split", "test"], "more has no test split"),
    ],
)
def test_a_source_that_is_not_there_is_one_line_before_a_model_is_loaded(run, mixed, monkeypatch, arguments, message):
    monkeypatch.setattr("captioner.cli.evaluate.load_captioner", lambda model: pytest.fail("a model was loaded"))
    result = run(*arguments, data_dir=mixed.folder)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {mixed.folder}: {message}\n"


def test_a_source_of_a_dataset_that_is_not_mixed_is_one_line(run, drawings_dataset):
    result = run("--split", "dev", "--source", "photos")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {drawings_dataset.folder}: not mixed, so it has no source 'photos'\n"


def test_a_dataset_that_an_earlier_version_prepared_is_one_line_that_says_to_prepare_it_again(run, mixed, tmp_path):
    folder = shutil.copytree(mixed.folder, tmp_path / "data")
    info = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(info | {"format": 1}))
    result = run(data_dir=folder)
    assert (result.exit_code, result.stdout) == (1, "")
    expected = f"{folder}: not of a version that this captioner reads; run `captioner prepare` again"
    assert result.stderr == f"Error: {expected}\n"
