"""Fine-tuning the encoder: what changes and what does not, how it goes on after any end, what it leaves behind."""

import dataclasses
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import small_encoder
from click.testing import CliRunner
from ends import assert_same_encoder, assert_same_end, record_of, spelled_out
from small_runs import NETWORK, TUNING, Judged, arrays_of, prepare_small, run_of, train_quietly

from captioner.cli import main
from captioner.datasets import Dataset
from captioner.decoding import beam_search
from captioner.encoders import ENCODERS, build_encoder
from captioner.errors import DatasetError, ModelError
from captioner.evaluation import caption_examples
from captioner.images import read_image
from captioner.inference import Captioner
from captioner.model import Packing, build_network, load_weights
from captioner.model_folder import (
    CONFIG,
    DECODER_WEIGHTS,
    ENCODER_GRAPH,
    ENCODER_WEIGHTS,
    FILES,
    MODEL_CARD,
    EncoderInfo,
    ModelFolder,
)
from captioner.options import DecodingOptions
from captioner.training import Listener, phases, train
from captioner.training.judge import DevJudge
from captioner.training.loop import CURVES, LOG
from captioner.training.run import CHECKPOINT
from captioner.training.seeing import Eyes, SeeingNetwork, look_at_photos
from captioner.training.teacher_forcing import ONE_DEVICE
from captioner.training.views import flipped_name


@pytest.fixture(scope="module", autouse=True)
def with_small_encoder():
    small_encoder.register()
    yield
    ENCODERS.pop(small_encoder.NAME)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Drawings with a dev split, prepared with the small encoder in float; nobody may change them."""
    return prepare_small(tmp_path_factory.mktemp("small"), "float")


@pytest.fixture(scope="module")
def without_dev(prepared):
    """The same drawings, the dev split left out: the last epoch is kept, whatever it says."""
    return dataclasses.replace(prepared, examples=tuple(e for e in prepared.examples if e.split != "dev"))


def info_of(dataset):
    return EncoderInfo(**dataset.info["encoder"])


@pytest.fixture(scope="module")
def tuned(without_dev, tmp_path_factory):
    """The folder of a run that nothing interrupts, decoder and then encoder; nobody may change it."""
    return train_quietly(run_of(without_dev, tmp_path_factory.mktemp("tuned") / "run"))[0]


@pytest.fixture(scope="module")
def plain(without_dev, tmp_path_factory):
    """The folder of the same run without fine-tuning."""
    return train_quietly(run_of(without_dev, tmp_path_factory.mktemp("plain") / "run", tuning=None))[0]


def tuned_encoder(folder):
    """The encoder of a model folder, in Keras."""
    encoder = build_encoder(small_encoder.NAME, weights=None)
    load_weights(encoder, folder.path / ENCODER_WEIGHTS)
    return encoder


def assert_same_tuned_end(folder, expected):
    """The same weights bit for bit, the same losses, the same files."""
    assert_same_end(folder, expected)
    assert_same_encoder(folder, expected)


# what learns


def test_blocks_behind_the_cut_learn_and_those_before_it_and_every_normalisation_stay(tuned):
    before, after = build_encoder(small_encoder.NAME), tuned_encoder(tuned)
    behind_cut = False
    for old, new in zip(before.layers, after.layers, strict=True):
        learns = behind_cut and not isinstance(old, keras.layers.BatchNormalization)
        for was, now in zip(old.get_weights(), new.get_weights(), strict=True):
            if learns:
                assert np.abs(now - was).max() > 1e-3
            elif isinstance(old, keras.layers.Conv2D):
                np.testing.assert_array_equal(now, was.astype(np.float16))
            else:
                np.testing.assert_array_equal(now, was)
        behind_cut = behind_cut or old.name == small_encoder.SPEC.cut
    assert behind_cut


@pytest.fixture(scope="module")
def phase(without_dev, tuned, tmp_path_factory):
    """A phase of fine-tuning; only the first test of it takes a step."""
    run = run_of(without_dev, tmp_path_factory.mktemp("phase"), warmup_steps=0)
    eyes = Eyes.of(run)  # whose activations are kept since `tuned`
    network = build_network(NETWORK, len(without_dev.tokenizer), 16, 16)
    return phases.second_phase(run, eyes, network, ONE_DEVICE)


def test_a_step_moves_encoder_and_decoder_each_at_its_own_rate(phase):
    network = phase.trainer.network
    before = {id(v): np.array(v) for v in network.variables}
    phase.trainer.step(next(iter(phase.lessons.epoch(8, 0, 1))))
    moved = {id(v): np.abs(np.array(v) - before[id(v)]).max() for v in network.variables}
    for rate, part in ((TUNING.learning_rate, network.rest), (TUNING.decoder_learning_rate, network.decoder)):
        most = max(moved[id(v)] for v in part.trainable_variables)
        assert most == pytest.approx(rate, rel=0.02)  # Adam's first step is the learning rate


def test_the_whole_network_is_the_encoder_and_the_decoder_one_after_the_other(phase):
    network, batch = phase.trainer.network, next(iter(phase.lessons.epoch(8, 0, 1)))
    packing = Packing.of(np.count_nonzero(batch.weights, axis=-1).astype(np.int32), batch.tokens.shape[2])
    found = network(batch.features, batch.tokens, packing=packing)
    seen = network.rest(batch.features)
    np.testing.assert_allclose(found, network.decoder(seen, batch.tokens, packing=packing), atol=1e-5)


def test_photos_in_a_mirror_are_what_the_trunk_sees_of_the_turned_photo(phase):
    run, lessons = phase.run, phase.lessons
    eyes = Eyes.of(run)
    flipped = 0
    examples = {example.image: example for example in run.dataset.split("train")}
    features, rows = run.dataset.features_of(list(examples.values()), eyes)
    row_of = dict(zip(examples, rows, strict=True))
    for batch in lessons.epoch(8, 0, 1):
        for image, activations in zip(batch.images, batch.features, strict=True):
            photo = read_image(run.dataset.photo_path(examples[image]), 32)
            is_flipped = not np.array_equal(activations, features[row_of[image]])
            flipped += is_flipped
            expected = eyes.trunk(photo[None, :, ::-1] if is_flipped else photo[None])[0]
            np.testing.assert_allclose(activations, expected, atol=2e-2)
    assert 0 < flipped < 24


# what it leaves behind


def test_a_tuned_model_has_weights_of_its_encoder_and_a_key_of_their_own(tuned, prepared):
    assert {path.name for path in tuned.path.iterdir()} - {"tensorboard"} == {
        CONFIG,
        *FILES,
        ENCODER_WEIGHTS,
        LOG,
        CURVES,
    }
    before = info_of(prepared)
    assert tuned.encoder.key != before.key and tuned.encoder.key.startswith("small-")
    assert dataclasses.replace(tuned.encoder, key=before.key) == before
    assert ENCODER_WEIGHTS in json.loads((tuned.path / CONFIG).read_text())["files"]


def test_a_model_that_was_not_tuned_has_none(plain, prepared):
    assert plain.encoder == info_of(prepared)
    assert plain.encoder_weights_path is None
    assert ENCODER_WEIGHTS not in json.loads((plain.path / CONFIG).read_text())["files"]


def test_kernels_of_the_encoder_are_float16_where_the_graph_has_them_so(tuned):
    kinds = {}
    for name, array in arrays_of(tuned.path / ENCODER_WEIGHTS).items():
        kinds.setdefault(name.split("/")[1].rstrip("_0123456789"), set()).add(array.dtype.name)
    assert kinds["conv2d"] == {"float16"} and "float32" in kinds["depthwise_conv2d"]


@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_encoder_weights_are_checked_on_opening(damage, tuned, tmp_path):
    folder = Path(shutil.copytree(tuned.path, tmp_path / "run"))
    if damage == "missing":
        (folder / ENCODER_WEIGHTS).unlink()
    else:
        (folder / ENCODER_WEIGHTS).write_bytes(b"other")
    with pytest.raises(ModelError, match=rf"{ENCODER_WEIGHTS}.*{damage}"):
        ModelFolder.open(folder)


def test_the_folder_says_with_litert_alone_what_keras_says(tuned, prepared):
    examples = prepared.split("test")
    found = [Captioner(tuned).caption(prepared.photo_path(example)).text for example in examples]
    encoder = tuned_encoder(tuned)
    network = build_network(tuned.network, tuned.vocabulary_size, 16, 16)
    load_weights(network, tuned.path / DECODER_WEIGHTS)

    def numbers(outputs):
        return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}

    images = np.stack([read_image(prepared.photo_path(example), 32) for example in examples])
    image = numbers(network.begin(encoder(images)))
    hypotheses = beam_search(lambda **inputs: numbers(network.step(**inputs)), image, tuned.decoding)
    assert found == [tuned.tokenizer.decode(best.tokens) for best, *_ in hypotheses]


def test_the_folder_captions_without_the_dataset_it_learned_from(tuned, prepared, tmp_path):
    alone = ModelFolder.open(Path(shutil.copytree(tuned.path, tmp_path / "alone")))
    photo = prepared.photo_path(prepared.split("test")[0])
    assert Captioner(alone).caption(photo) == dataclasses.replace(Captioner(tuned).caption(photo), model=alone.name)


def test_evaluation_never_reads_features_of_another_encoder(tuned, prepared):
    examples, captioner = prepared.split("test"), Captioner(tuned)
    assert examples[0].image in prepared.feature_cache(info_of(prepared))
    assert examples[0].image not in prepared.feature_cache(tuned.encoder)
    captions = caption_examples(captioner, prepared, examples, DecodingOptions())
    assert captions == [captioner.caption(prepared.photo_path(e), DecodingOptions()) for e in examples]


def test_the_record_and_the_card_say_how_it_went(tuned, prepared):
    record = record_of(tuned.path)
    assert [row["epoch"] for row in record["epochs"]] == [1, 2, 3, 4]
    assert record["best_epoch"] == 4
    assert record["encoder"] == vars(tuned.encoder)
    expected = {"cut": "block2", "began_with": info_of(prepared).key, "num_settled_epochs": 2, "is_kept": True}
    assert record["fine_tuning"].items() >= (TUNING.to_json() | expected).items()
    assert "From epoch 3 on, the layers of the encoder behind `block2` learned" in (tuned.path / MODEL_CARD).read_text()


def test_the_decoder_s_own_training_is_that_of_a_run_without_fine_tuning(tuned, plain):
    losses = [[row["loss"] for row in record_of(folder.path)["epochs"]] for folder in (tuned, plain)]
    assert losses[0][:2] == losses[1]


@pytest.mark.parametrize(
    ("ciders", "best_epoch", "is_tuned"), [((0.2, 0.1, 0.15), 2, False), ((0.2, 0.3, 0.25), 3, True)]
)
def test_the_best_of_both_phases_is_kept(ciders, best_epoch, is_tuned, prepared, plain, tmp_path, monkeypatch):
    monkeypatch.setattr(phases, "DevJudge", Judged((0.1, 0.2, *ciders)))
    folder, lines = train_quietly(run_of(prepared, tmp_path / "run"))
    record = record_of(folder.path)
    assert (record["best_epoch"], record["fine_tuning"]["is_kept"]) == (best_epoch, is_tuned)
    assert record["fine_tuning"]["settled"]["cider"] == 0.2
    assert record["dev_scores"]["num_photos"] == 4
    assert (folder.encoder_weights_path is not None) is is_tuned
    assert (folder.encoder == info_of(prepared)) is not is_tuned
    said = "dev has not improved on the settled model, which is the one that is kept"
    assert (said in lines) is not is_tuned
    if not is_tuned:
        assert_same_decoder(folder, plain)
        assert (folder.path / ENCODER_GRAPH).read_bytes() == (plain.path / ENCODER_GRAPH).read_bytes()


def assert_same_decoder(folder, expected):
    found = arrays_of(folder.path / DECODER_WEIGHTS)
    for name, array in arrays_of(expected.path / DECODER_WEIGHTS).items():
        if "seed" not in name:  # how often dropout was drawn for
            np.testing.assert_array_equal(found[name], array, err_msg=name)


# going on


class Interrupting(Listener):
    """Interrupts in the epoch or the phase of that title, after so many of its steps."""

    def __init__(self, title, num_steps):
        def progress(batches, done, total, shown, unit):
            def some():
                yield from itertools.islice(batches, num_steps)
                raise KeyboardInterrupt

            return (some() if shown == title else batches), lambda loss, tokens_per_second: None

        super().__init__(progress=progress)


def test_a_run_interrupted_in_fine_tuning_goes_on_and_ends_as_if_unbroken(without_dev, tuned, tmp_path):
    run = run_of(without_dev, tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(run, True, Interrupting("epoch 3/4", 2))
    lines = train_quietly(run)[1]
    assert "going on after epoch 2 of 4" in lines
    assert_same_tuned_end(run.output_dir, tuned.path)


def test_a_run_interrupted_between_its_phases_goes_on_and_ends_as_if_unbroken(
    without_dev, tuned, tmp_path, monkeypatch
):
    def interrupted(*_):
        raise KeyboardInterrupt

    run = run_of(without_dev, tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(phases.Phase, "settle", interrupted)
        train(run, True, Listener())
    train_quietly(run)
    assert_same_tuned_end(run.output_dir, tuned.path)


def test_photos_looked_at_before_an_interruption_are_not_looked_at_again(prepared, tmp_path):
    folder = Path(shutil.copytree(prepared.folder, tmp_path / "data", ignore=shutil.ignore_patterns("*block2*")))
    run = run_of(Dataset.open(folder), tmp_path / "run")
    eyes = Eyes.of(run)
    with pytest.raises(KeyboardInterrupt):
        look_at_photos(run, eyes, Interrupting("encoding", 5))
    shown = []

    def progress(batches, done, total, title, unit):
        shown.append((done, total, unit))
        return batches, None

    num_before = len(run.dataset.feature_cache(eyes).rows)
    assert num_before > 0
    look_at_photos(run, eyes, Listener(progress=progress))
    assert shown == [(0, 28, "photos")]
    cache = run.dataset.feature_cache(eyes)
    assert num_before < len(cache.rows) == len(cache.features())  # no photo has two rows
    look_at_photos(run, eyes, Listener(progress=progress))
    assert len(shown) == 1


def test_attention_of_dev_photos_is_seen_through_the_encoder_that_learns(prepared):
    run = run_of(prepared, prepared.folder)
    eyes = Eyes.of(run)
    look_at_photos(run, eyes, Listener())
    network = dataclasses.replace(NETWORK, attention=True)
    decoder = build_network(network, len(run.tokenizer), run.encoder.num_regions, run.encoder.depth)
    judge = DevJudge(SeeingNetwork(eyes.rest, decoder), run, eyes)
    assert judge.scores()["bleu_1"] >= 0
    assert len(judge.said) == 4
    for said in judge.said:
        assert said.attention.shape == (len(said.words), run.encoder.num_regions)
        np.testing.assert_allclose(said.attention.sum(axis=1), 1, atol=1e-5)


KILLED_RUN = """
import json, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import small_encoder
small_encoder.register()
from captioner.datasets import Dataset
from captioner.model_folder import EncoderInfo
from captioner.options import DecodingOptions, FineTuningOptions, NetworkOptions, TrainingOptions
from captioner.training import Listener, Run, phase, train
import dataclasses

phase.SECONDS_BETWEEN_CHECKPOINTS = 0

def progress(batches, done, total, title, unit):
    def some():
        for number, batch in enumerate(batches):
            if title == "epoch 3/4" and number == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch
    return some(), lambda loss, tokens_per_second: None

given = json.loads(sys.argv[2])
dataset = Dataset.open(Path(given["dataset"]))
dataset = dataclasses.replace(dataset, examples=tuple(e for e in dataset.examples if e.split != "dev"))
train(
    Run(
        dataset, Path(given["output_dir"]), EncoderInfo(**given["encoder"]), Path(given["graph"]),
        NetworkOptions(**given["network"]), TrainingOptions(**given["training"]), DecodingOptions(),
        fine_tuning=FineTuningOptions(**given["tuning"]),
    ),
    True,
    Listener(progress=progress),
)
"""


def test_a_run_killed_in_fine_tuning_goes_on_in_another_process_and_ends_as_if_unbroken(without_dev, tuned, tmp_path):
    run = run_of(without_dev, tmp_path / "run")
    given = spelled_out(run) | {"tuning": run.fine_tuning.to_json()}
    command = [sys.executable, "-c", KILLED_RUN, str(Path(small_encoder.__file__).parent), json.dumps(given)]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr.decode()[-500:]
    lines = train_quietly(run)[1]
    assert "going on after epoch 2 of 4, step 2 of the next" in lines
    assert_same_tuned_end(run.output_dir, tuned.path)


# from a model


def test_a_settled_model_that_does_not_get_better_stays_what_it_was(plain, prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(phases, "DevJudge", Judged((0.2, 0.1, 0.1)))
    folder, _ = train_quietly(run_of(prepared, tmp_path / "run", init=plain))
    assert record_of(folder.path)["best_epoch"] == 0
    assert "the weights kept are those of run, which it began with" in (folder.path / MODEL_CARD).read_text()
    assert_same_decoder(folder, plain)


def as_init(run, model):
    """The run with the encoder of the model it goes on from, as the command line makes it."""
    return dataclasses.replace(run, init=model, encoder=model.encoder, encoder_graph_path=model.path / ENCODER_GRAPH)


@pytest.fixture
def own_copy(without_dev, tmp_path):
    """The dataset without dev in a folder that may be written into."""
    return dataclasses.replace(without_dev, folder=Path(shutil.copytree(without_dev.folder, tmp_path / "data")))


def test_a_tuned_model_is_gone_on_from_with_features_of_its_own_encoder(tuned, own_copy, tmp_path):
    folder, lines = train_quietly(as_init(run_of(own_copy, tmp_path / "run", tuning=None, epochs=1), tuned))
    assert lines[0] == f"encoding the photos with {tuned.encoder.key}, once for {own_copy.folder}"
    assert folder.encoder == tuned.encoder
    for file in (ENCODER_WEIGHTS, ENCODER_GRAPH):
        assert (folder.path / file).read_bytes() == (tuned.path / file).read_bytes()
    cache = own_copy.feature_cache(tuned.encoder)
    example = own_copy.split("train")[0]
    expected = Captioner(tuned).encoder(read_image(own_copy.photo_path(example), 32)[None])[0]
    np.testing.assert_array_equal(cache.features()[cache.rows[example.image]], expected.astype(np.float16))


def test_a_tuned_model_is_tuned_further_from_its_own_encoder(tuned, without_dev, tmp_path):
    eyes = Eyes.of(as_init(run_of(without_dev, tmp_path / "run"), tuned))
    assert eyes.key == f"{tuned.encoder.key}-block2"
    for ours, theirs in zip(eyes.encoder.get_weights(), tuned_encoder(tuned).get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# what is refused, and stale


def with_own_photos(dataset, folder):
    """The dataset with a copy of its photos."""
    (name, source), *_ = dataset.info["sources"].items()
    shutil.copytree(source["images_dir"], folder)
    return dataclasses.replace(dataset, info=dataset.info | {"sources": {name: source | {"images_dir": str(folder)}}})


def test_a_photo_that_changed_is_looked_at_again(prepared, tmp_path):
    folder = Path(shutil.copytree(prepared.folder, tmp_path / "data"))
    dataset = with_own_photos(Dataset.open(folder), tmp_path / "photos")
    run = run_of(dataset, tmp_path / "run")
    eyes = Eyes.of(run)
    look_at_photos(run, eyes, Listener())
    first, second = dataset.split("train")[:2]
    shutil.copyfile(dataset.photo_path(second), dataset.photo_path(first))
    look_at_photos(run, eyes, Listener())
    activations, rows = dataset.features_of([first, second], eyes)
    np.testing.assert_array_equal(*activations[rows])
    cache = dataset.feature_cache(eyes)
    one, other = (cache.rows[flipped_name(example.image)] for example in (first, second))
    np.testing.assert_array_equal(cache.features()[one], cache.features()[other])


def test_weights_that_are_not_those_of_the_features_are_refused(prepared, tmp_path, monkeypatch):
    build = small_encoder.build
    other = dataclasses.replace(small_encoder.SPEC, build=lambda spec, _: build(spec, False))
    monkeypatch.setitem(ENCODERS, small_encoder.NAME, other)
    with pytest.raises(ModelError, match=rf"the features are of {info_of(prepared).key}, and the encoder at hand is "):
        train_quietly(run_of(prepared, tmp_path / "run"))


def test_a_missing_photo_is_one_line_before_anything_is_learned(prepared, tmp_path):
    dataset = with_own_photos(prepared, tmp_path / "photos")
    missing = dataset.photo_path(dataset.split("dev")[0])
    missing.unlink()
    with pytest.raises(DatasetError) as caught:
        train_quietly(run_of(dataset, tmp_path / "run"))
    assert str(caught.value) == f"{dataset.folder}: 1 of its photos are missing, the first {missing}"
    assert not (tmp_path / "run" / CHECKPOINT).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fine-tune-encoder"], "--fine-tune-encoder goes with DATA_DIR and OUTPUT_DIR"),
        (["data", "out", "--fine-tune-epochs", "2"], "go with --fine-tune-encoder"),
        (["data", "out", "--fine-tune-learning-rate", "1e-5"], "go with --fine-tune-encoder"),
        (
            ["data", "out", "--fine-tune-encoder", "--init", "x", "--epochs", "2", "--fine-tune-epochs", "3"],
            "give one of --epochs and --fine-tune-epochs: with --init they are the same",
        ),
        (
            ["data", "out", "--fine-tune-encoder", "--fine-tune-epochs", "0"],
            "fine-tune-epochs must be at least 1, not 0",
        ),
    ],
)
def test_contradictions_are_refused_before_anything_is_read(arguments, said):
    result = CliRunner().invoke(main, ["train", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr and "loading" not in result.stderr


def test_the_command_fine_tunes_a_settled_model_at_once(plain, own_copy, tmp_path):
    options = ["--init", str(plain.path), "--fine-tune-encoder", "--epochs", "1"]
    result = CliRunner().invoke(main, ["train", str(own_copy.folder), str(tmp_path / "run"), *options])
    assert result.exit_code == 0, result.stderr
    assert "fine-tuning the encoder with a decoder that has settled:  dev BLEU-4 " in result.stderr
    record = record_of(tmp_path / "run")
    assert [row["epoch"] for row in record["epochs"]] == [1]
    assert (record["fine_tuning"]["epochs"], record["fine_tuning"]["num_settled_epochs"]) == (1, 0)
    assert record["init"] == plain.name
