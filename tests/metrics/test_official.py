"""METEOR and SPICE: what they need, and that the figures are those of pycocoevalcap."""

import json
import shutil
import stat
from importlib.util import find_spec

import numpy as np
import pytest

from captioner.errors import CaptionerError
from captioner.metrics import OFFICIAL_SCORES, check_official, resampled_scores, tally_captions
from captioner.options import BootstrapOptions

REFERENCES = [
    ["a dog runs on the grass", "the brown dog is running", "a dog outside"],
    ["two men sit on a bench", "men on a bench in the park"],
    ["a girl climbs a red rock"],
    ["a café"],
]
CAPTIONS = ["a dog is sprinting on green grass", "two males on a bench", "a girl climbs a red rock", ""]


def tokens_of(captions, references=REFERENCES):
    return [text.split() for text in captions], [[text.split() for text in photo] for photo in references]


@pytest.fixture
def package_dir(tmp_path, monkeypatch):
    """A pycocoevalcap of nothing but the folders of its programs."""
    for name in ("meteor", "spice/lib"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr("captioner.metrics.official._package_dir", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def fake_java(tmp_path, monkeypatch):
    """A function `(script) -> None`: `java` is from now on that shell script."""

    def made(script):
        path = tmp_path / "bin" / "java"
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(path.parent), prepend=":")

    return made


@pytest.mark.skipif(shutil.which("java") is None, reason="METEOR needs Java")
def test_meteor_is_that_of_the_official_scorer():
    if find_spec("pycocoevalcap") is None:
        pytest.skip("METEOR needs pycocoevalcap")
    part = OFFICIAL_SCORES["meteor"](*tokens_of(CAPTIONS))
    each = part.combine(part.statistics)[:, 0]
    assert each == pytest.approx([0.3518551638080181, 0.33797844063716315, 1.0, 0.0], abs=1e-12)
    assert part.combine(part.statistics.sum(axis=0)) == pytest.approx([0.39820330415540284], abs=1e-12)


def test_meteor_of_counts_without_a_match_is_0(package_dir, fake_java):
    fake_java("cat > /dev/null; echo 0 2 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n")
    part = OFFICIAL_SCORES["meteor"]([[]], [[["a", "dog"]]])
    assert part.combine(part.statistics.sum(axis=0)).tolist() == [0]


def test_half_a_character_reaches_meteor_as_a_question_mark(package_dir, fake_java):
    counts = " ".join(["0"] * 23)
    fake_java(f"cat > {package_dir}/asked; echo {counts}\n")
    OFFICIAL_SCORES["meteor"]([["a", "\ud800"]], [[["a", "dog"], ["café"]]])
    assert (package_dir / "asked").read_text(encoding="utf-8") == "SCORE ||| a dog ||| café ||| a ?\n"


def test_spice_is_the_mean_over_photos_and_can_be_resampled(package_dir, fake_java):
    scores = [{"image_id": number, "scores": {"All": {"f": f}}} for number, f in ((1, 0.2), (0, 0.4))]
    (package_dir / "scores.json").write_text(json.dumps(scores))
    for name in ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar"):
        (package_dir / "spice" / "lib" / name).touch()
    fake_java(f'cp "$5" {package_dir}/asked.json; cp {package_dir}/scores.json "$7"\n')
    tally = tally_captions({"a": "A dog.", "b": "men"}, {"a": ["One dog!"], "b": ["Two men"]}, official=("spice",))
    assert tally.scores()["spice"] == pytest.approx(0.3)
    assert json.loads((package_dir / "asked.json").read_text())[0] == {
        "image_id": 0,
        "test": "a dog",
        "refs": ["one dog"],
    }
    samples = resampled_scores(tally, BootstrapOptions(100))["spice"]
    assert set(np.round(samples, 6)) == {0.2, 0.3, 0.4}


@pytest.mark.parametrize("name", OFFICIAL_SCORES)
def test_a_missing_package_is_named_with_the_way_to_it(name, monkeypatch):
    monkeypatch.setattr("captioner.metrics.official._package_dir", lambda: None)
    with pytest.raises(CaptionerError) as caught:
        check_official(name)
    assert str(caught.value) == f"{name.upper()} needs the package pycocoevalcap: pip install 'captioner[coco]'"


@pytest.mark.parametrize("name", OFFICIAL_SCORES)
def test_missing_java_is_named(name, package_dir, monkeypatch):
    monkeypatch.setenv("PATH", str(package_dir))
    with pytest.raises(CaptionerError) as caught:
        check_official(name)
    assert str(caught.value) == f"{name.upper()} needs Java, and no program `java` is on the PATH"


def test_the_files_that_spice_lacks_are_named(package_dir, fake_java):
    fake_java("exit 0\n")
    (package_dir / "spice" / "lib" / "stanford-corenlp-3.6.0.jar").touch()
    with pytest.raises(CaptionerError, match=r"SPICE needs stanford-corenlp-3\.6\.0-models\.jar in .*lib; `python -m"):
        check_official("spice")
    check_official("meteor")


def test_a_program_that_fails_is_one_line_with_its_last_words(package_dir, fake_java):
    fake_java("echo first >&2; echo 'out of memory' >&2; exit 3\n")
    with pytest.raises(CaptionerError, match=r"METEOR failed with exit code 3: out of memory$"):
        OFFICIAL_SCORES["meteor"](*tokens_of(CAPTIONS))


def test_a_java_that_cannot_be_started_is_one_line(package_dir, fake_java, monkeypatch):
    fake_java("")
    monkeypatch.setenv("PATH", str(package_dir / "bin"))
    (package_dir / "bin" / "java").write_bytes(b"\x7fELF rubbish")
    with pytest.raises(CaptionerError, match=r"METEOR cannot start Java \(Exec format error\)$"):
        OFFICIAL_SCORES["meteor"](*tokens_of(CAPTIONS))


@pytest.mark.parametrize("said", ["", "Error: rubbish", "1.0 2.0"])
def test_a_program_that_gives_no_counts_is_an_error(package_dir, fake_java, said):
    fake_java(f"cat > /dev/null; echo '{said}'\n")
    with pytest.raises(CaptionerError, match="METEOR gave no counts but: "):
        OFFICIAL_SCORES["meteor"](*tokens_of(CAPTIONS))
