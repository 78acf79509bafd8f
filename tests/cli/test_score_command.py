"""`captioner score`"""

import json

import pytest
from click.testing import CliRunner
from nobody import as_nobody, open_folder

from captioner.cli import main

CAPTIONS = {
    "dog.jpg": ["A dog runs on the grass .", "The brown dog is running !"],
    "men.jpg": ["Two men sit on a bench .", "Men on a bench in the park"],
    "girl.jpg": ["A girl climbs a red rock .", "A girl is climbing"],
}
PREDICTIONS = {"dog.jpg": "a dog runs on the brown grass", "men.jpg": "two men on a bench", "girl.jpg": "a a a girl"}
SCORE_NAMES = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"]


@pytest.fixture
def token_file(tmp_path):
    """References of three photos that are nowhere."""
    path = tmp_path / "tokens.txt"
    path.write_text(
        "".join(f"{name}#{i}\t{text}\n" for name, texts in CAPTIONS.items() for i, text in enumerate(texts))
    )
    return path


@pytest.fixture
def write(tmp_path):
    """A function `(predictions, name=...) -> path` of JSON Lines."""

    def made(predictions, name="predictions.jsonl"):
        lines = [json.dumps({"image": image, "caption": caption}) + "\n" for image, caption in predictions.items()]
        (tmp_path / name).write_text("".join(lines))
        return tmp_path / name

    return made


def run(*arguments):
    return CliRunner().invoke(main, ["score", *map(str, arguments)])


def test_scores_are_json_with_counts_tokenizer_and_intervals(write, token_file):
    result = run(write(PREDICTIONS), token_file)
    assert (result.exit_code, result.stderr) == (0, "")
    scores = json.loads(result.stdout)
    # The figures of the official scorer.
    expected = [0.9374999999, 0.8492077755, 0.7117584679, 0.6269823073, 0.7768298445, 3.7131928782]
    assert [scores[name] for name in SCORE_NAMES] == pytest.approx(expected, abs=1e-9)
    assert (scores["num_photos"], scores["num_references"], scores["tokenizer"]) == (3, 6, "ptb")
    assert scores["references_per_photo"] == {"min": 2, "mean": 2.0, "max": 2}
    assert (scores["split"], scores["num_missing"], scores["num_unmatched"]) == (None, 0, 0)
    assert list(scores["intervals"]) == SCORE_NAMES
    assert "against" not in scores and "meteor" not in scores and "spice" not in scores


def test_scores_go_to_a_file_too(write, token_file, tmp_path):
    result = run(write(PREDICTIONS), token_file, "--json", tmp_path / "scores.json")
    assert json.loads((tmp_path / "scores.json").read_text()) == json.loads(result.stdout)


def test_the_seed_and_the_number_of_resamples_are_recorded(write, token_file):
    scores = json.loads(run(write(PREDICTIONS), token_file, "--resamples", "100", "--seed", "7").stdout)
    assert (scores["bootstrap"]["resamples"], scores["bootstrap"]["seed"]) == (100, 7)


@pytest.mark.parametrize(
    "content",
    [
        "".join(
            json.dumps({"file_name": f"p/{i}", "text": t, "confidence": 0.5}) + "\n" for i, t in PREDICTIONS.items()
        ),
        json.dumps([{"image_id": image.removesuffix(".jpg"), "caption": text} for image, text in PREDICTIONS.items()]),
    ],
    ids=["records of the caption command", "a list"],
)
def test_predictions_of_any_kind_give_the_same_scores(write, token_file, tmp_path, content):
    (tmp_path / "other").write_text(content)
    given, other = (json.loads(run(path, token_file).stdout) for path in (write(PREDICTIONS), tmp_path / "other"))
    assert given | {"predictions": ""} == other | {"predictions": ""}


def test_another_system_is_tested_against_on_the_same_photos(write, token_file):
    other = write(dict.fromkeys(PREDICTIONS, "x"), "other.jsonl")
    result = run(write(PREDICTIONS), token_file, "--against", other)
    assert result.exit_code == 0
    scores = json.loads(result.stdout)
    against = scores["against"]
    assert against["predictions"] == str(other)
    assert against["bleu_1"] == pytest.approx(0, abs=1e-9)
    for name in SCORE_NAMES:
        found = against["differences"][name]
        assert found["difference"] == pytest.approx(scores[name] - against[name], abs=1e-8)
        assert found["verdict"] == "better beyond chance" and found["p_value"] == pytest.approx(2 / 1001)


def test_a_photo_without_a_prediction_is_refused_unless_that_is_allowed(write, token_file):
    path = write({image: text for image, text in PREDICTIONS.items() if image != "men.jpg"})
    result = run(path, token_file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: {path}: no prediction for 1 of 3 photos: 'men.jpg'; --allow-partial leaves them out\n"
    )
    result = run(path, token_file, "--allow-partial")
    assert result.exit_code == 0
    assert result.stderr == "left out: 1 of 3 photos, without a prediction; 0 of 2 predictions, without a photo\n"
    scores = json.loads(result.stdout)
    assert (scores["num_photos"], scores["num_missing"]) == (2, 1)


def test_a_broken_line_of_the_references_is_named_last_and_exits_with_1(write, token_file):
    with token_file.open("a") as file:
        file.write("rubbish\n")
    result = run(write(PREDICTIONS), token_file)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["num_photos"] == 3
    assert result.stderr.startswith(f"failed: broken line: {token_file}, line 7")


def test_a_split_is_chosen_by_the_predictions_or_by_name(write, token_file):
    for split, names in (("dev", ["dog.jpg", "men.jpg"]), ("test", ["girl.jpg"])):
        (token_file.parent / f"Flickr_8k.{split}Images.txt").write_text("\n".join(names))
    token_file.rename(token_file.with_name("Flickr8k.token.txt"))
    folder, path = token_file.parent, write(PREDICTIONS)
    assert json.loads(run(path, folder).stdout)["split"] == "dev+test"
    scores = json.loads(run(path, folder, "--split", "dev").stdout)
    assert (scores["split"], scores["num_photos"], scores["num_unmatched"]) == ("dev", 2, 0)
    result = run(path, folder, "--split", "train")
    assert (result.exit_code, result.stderr) == (1, f"Error: {folder}: no train split; it has dev, test\n")


def test_what_evaluate_writes_scores_the_same(tiny_model_dir, drawings_dataset, tmp_path):
    path = tmp_path / "predictions.jsonl"
    command = ["evaluate", drawings_dataset.folder, "-m", tiny_model_dir, "--split", "dev", "--predictions-out", path]
    evaluated = json.loads(CliRunner().invoke(main, list(map(str, command))).stdout)
    scored = json.loads(run(path, drawings_dataset.folder).stdout)
    for name in ("model", "beam_size", "from_train"):  # which only the model and its dataset tell
        del evaluated[name]
    assert evaluated.items() <= scored.items()
    assert scored["split"] == "dev"


def test_numbers_name_the_photos_of_coco(tmp_path):
    (tmp_path / "tokens.txt").write_text("COCO_val2014_000000000139.jpg#0\ta room\n000000000285.jpg#0\ta bear\n")
    entries = [{"image_id": 285, "caption": "a bear"}, {"image_id": 139, "caption": "a room"}]
    (tmp_path / "results.json").write_text(json.dumps(entries))
    scores = json.loads(run(tmp_path / "results.json", tmp_path / "tokens.txt").stdout)
    assert scores["bleu_1"] == pytest.approx(1)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[", "[1]", "NaN", '{"image": 7, "caption": "a"}', '{"image": "dog.jpg"}', "\x00", "\ufeff"],
)
@pytest.mark.parametrize("place", ["predictions", "against"])
def test_rubbish_is_one_line_and_exits_with_1(write, token_file, tmp_path, content, place):
    rubbish = tmp_path / "rubbish"
    rubbish.write_text(content, encoding="utf-8")
    good = write(PREDICTIONS)
    result = run(*((rubbish, token_file) if place == "predictions" else (good, token_file, "--against", rubbish)))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {rubbish}") and result.stderr.count("\n") == 1


def test_missing_paths_and_folders_are_one_line(write, token_file, tmp_path):
    for arguments in (
        (tmp_path / "gone", token_file),
        (tmp_path, token_file),
        (write(PREDICTIONS), tmp_path / "gone"),
        (write(PREDICTIONS), token_file, "--json", tmp_path / "no" / "scores.json"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [["--resamples", "7"], ["--seed", "-1"], ["--split", "all"], ["--format", "word"]])
def test_wrong_options_exit_with_2(write, token_file, options):
    assert run(write(PREDICTIONS), token_file, *options).exit_code == 2


@pytest.mark.parametrize("name", ["meteor", "spice"])
def test_java_is_asked_for_and_its_absence_is_one_line(write, token_file, monkeypatch, tmp_path, name):
    monkeypatch.setattr("captioner.metrics.official._package_dir", lambda: tmp_path)
    monkeypatch.setenv("PATH", "")
    result = run(write(PREDICTIONS), token_file, f"--{name}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {name.upper()} needs Java, and no program `java` is on the PATH\n"
    assert run(write(PREDICTIONS), token_file).exit_code == 0


def test_an_official_score_has_all_that_the_others_have(write, token_file, monkeypatch):
    from captioner.metrics import OFFICIAL_SCORES, Part

    monkeypatch.setattr("captioner.metrics.official.check_official", lambda name: None)
    monkeypatch.setattr("captioner.metrics.check_official", lambda name: None)
    monkeypatch.setitem(
        OFFICIAL_SCORES, "meteor", lambda captions, _: Part.of_means("meteor", list(map(len, captions)))
    )
    other = write(dict.fromkeys(PREDICTIONS, "x"), "other.jsonl")
    scores = json.loads(run(write(PREDICTIONS), token_file, "--meteor", "--against", other).stdout)
    assert scores["meteor"] == pytest.approx((7 + 5 + 4) / 3)
    assert scores["intervals"]["meteor"] == pytest.approx([4, 7], abs=1)
    assert scores["against"]["differences"]["meteor"]["verdict"] == "better beyond chance"


@pytest.mark.parametrize("locked", ["predictions.jsonl", "tokens.txt"])
def test_a_file_that_may_not_be_read_is_one_line_and_exit_code_1(locked):
    with open_folder() as folder:
        lines = [json.dumps({"image": image, "caption": caption}) for image, caption in PREDICTIONS.items()]
        (folder / "predictions.jsonl").write_text("\n".join(lines))
        (folder / "tokens.txt").write_text("".join(f"{name}#0\t{texts[0]}\n" for name, texts in CAPTIONS.items()))
        (folder / locked).chmod(0)
        with as_nobody():
            result = run(folder / "predictions.jsonl", folder / "tokens.txt")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {folder / locked}") and result.stderr.count("\n") == 1
    assert "ermission denied" in result.stderr
