"""Self-critical training: what is said, how it is rewarded, what is learned of it, and how a run goes on."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from ends import record_of, weights_of

from captioner.cli import main
from captioner.datasets import Example
from captioner.metrics import CiderScorer
from captioner.model import build_network
from captioner.model_folder import ModelFolder
from captioner.options import NetworkOptions, SelfCriticalOptions, TrainingOptions
from captioner.tokenizer import END_ID, PAD_ID, START_ID, UNK_ID, Tokenizer
from captioner.training import Listener, loop, train
from captioner.training.batches import Batch
from captioner.training.self_critical import Reward, SelfCriticalTrainer, advantages, with_spoken

VOCABULARY_SIZE, REGIONS, DEPTH, PHOTOS, SAMPLES = 9, 4, 6, 3, 4


def batch_of(tokens, targets, weights, num_photos=PHOTOS):
    features = np.random.default_rng(0).normal(size=(num_photos, REGIONS, DEPTH)).astype(np.float32)
    images = tuple(f"{number}.jpg" for number in range(num_photos))
    return Batch(images, features, np.array(tokens, np.int32), np.array(targets, np.int32), np.float32(weights))


@pytest.fixture
def batch():
    """Three photos with one caption each: word 4, word 5, the end; the last one without word 5."""
    targets = [[[4, 5, END_ID]], [[4, 5, END_ID]], [[4, END_ID, PAD_ID]]]
    tokens = [[[START_ID, 4, 5]], [[START_ID, 4, 5]], [[START_ID, 4, PAD_ID]]]
    return batch_of(tokens, targets, np.array(targets) != PAD_ID)


@pytest.fixture
def make_trainer():
    def made(reward, samples=SAMPLES, cross_entropy_share=0.0, learning_rate=5e-3, seed=0):
        keras.utils.set_random_seed(3)
        options = NetworkOptions("gru", units=16, embedding_dim=8, dropout=0.0, recurrent_dropout=0.0)
        network = build_network(options, VOCABULARY_SIZE, REGIONS, DEPTH)
        training = TrainingOptions(learning_rate=learning_rate, warmup_steps=0, max_tokens=6, seed=seed)
        objective = SelfCriticalOptions(samples=samples, cross_entropy_share=cross_entropy_share)
        return SelfCriticalTrainer(network, training, objective, reward, num_steps=1000)

    return made


# what is said


def test_captions_are_words_up_to_their_end_and_padding_behind_it(make_trainer, batch):
    said = make_trainer(None).speak(batch.features)
    assert said.shape[:2] == (PHOTOS, SAMPLES) and said.shape[2] <= 6
    for caption in said.reshape(-1, said.shape[-1]):
        ids = caption.tolist()
        words = ids[: ids.index(END_ID)] if END_ID in ids else ids
        assert not set(words) & {PAD_ID, START_ID, UNK_ID, END_ID}
        assert set(ids[len(words) + 1 :]) <= {PAD_ID}


def test_captions_depend_on_seed_and_step_alone(make_trainer, batch):
    trainer = make_trainer(None)
    said = trainer.speak(batch.features)
    np.testing.assert_array_equal(trainer.speak(batch.features), said)
    np.testing.assert_array_equal(make_trainer(None).speak(batch.features), said)
    assert not np.array_equal(make_trainer(None, seed=1).speak(batch.features), said)
    trainer.optimizer.iterations.assign(1)
    assert not np.array_equal(trainer.speak(batch.features), said)


def test_words_are_drawn_as_often_as_the_network_finds_them_likely(make_trainer, batch):
    trainer = make_trainer(None, samples=4000)
    first = trainer.speak(batch.features)[..., 0]
    image = trainer.network.begin(batch.features)
    start = np.full((PHOTOS, 1), START_ID, np.int32)
    log_probs = trainer.network.step(start, image.pop("state")[:, None], **image)["log_probs"].numpy()[:, 0]
    log_probs[:, [PAD_ID, START_ID, UNK_ID]] = -np.inf
    expected = np.exp(log_probs) / np.exp(log_probs).sum(axis=-1, keepdims=True)
    found = np.stack([np.bincount(row, minlength=VOCABULARY_SIZE) / len(row) for row in first])
    np.testing.assert_allclose(found, expected, atol=0.03)


# how it is rewarded


@pytest.fixture
def examples():
    return [
        Example("a.jpg", ("a dog runs on the grass", "the dog runs"), "train"),
        Example("b.jpg", ("a cat sleeps on the bed", "a cat on a bed"), "train"),
        Example("c.jpg", ("two dogs play in the snow", "dogs in the snow"), "train"),
    ]


@pytest.fixture
def tokenizer(examples):
    return Tokenizer.learn([caption for example in examples for caption in example.captions], min_count=1)


def grid_of(captions):
    """Lists of ids of each photo as (P, C, T)."""
    length = max(len(ids) for photo in captions for ids in photo)
    return np.array([[ids + [PAD_ID] * (length - len(ids)) for ids in photo] for photo in captions], np.int32)


def test_the_reward_is_cider_d_of_ids_with_the_end_counted(examples, tokenizer):
    ids = [[[*tokenizer.encode(text), END_ID] for text in example.captions] for example in examples]
    targets = grid_of(ids)
    batch = batch_of(targets, targets, targets != PAD_ID)
    said = [[photo[1], photo[0][:-1], tokenizer.encode("a cat on the grass") + [END_ID]] for photo in ids]
    rewards = Reward(examples, tokenizer)(batch, grid_of(said))
    scorer = CiderScorer(ids)
    expected = [[scorer.score(photo, caption) for caption in captions] for photo, captions in enumerate(said)]
    np.testing.assert_allclose(rewards, expected, rtol=1e-6)


def test_a_caption_that_breaks_off_is_worth_less_than_the_same_one_ended(examples, tokenizer):
    ids = [[[*tokenizer.encode(text), END_ID] for text in example.captions] for example in examples]
    targets = grid_of(ids)
    batch = batch_of(targets, targets, targets != PAD_ID)
    whole = [[*tokenizer.encode("a dog runs on the grass"), END_ID]]
    broken_off = [whole[0][:-2] + [END_ID]]
    unended = [whole[0][:-1]]
    reward = Reward(examples, tokenizer)
    best, *others = (reward(batch, grid_of([said] * 3))[0, 0] for said in (whole, broken_off, unended))
    assert best > max(others) + 0.3


def test_a_photo_in_a_mirror_is_measured_against_what_is_said_there(examples, tokenizer):
    """The references are those of the batch, whatever the train split says of the photo."""
    said = [*tokenizer.encode("a cat on a bed"), END_ID]
    targets = grid_of([[said]])
    batch = dataclasses.replace(batch_of(targets, targets, targets != PAD_ID, num_photos=1), images=("a.jpg",))
    assert Reward(examples, tokenizer)(batch, targets)[0, 0] == pytest.approx(10)


def test_an_advantage_is_the_reward_less_the_mean_of_the_others():
    rewards = np.array([[1.0, 2.0, 6.0], [3.0, 3.0, 3.0]])
    np.testing.assert_allclose(advantages(rewards), [[-3.0, -1.5, 4.5], [0, 0, 0]])


# what is learned


def test_said_and_given_captions_share_a_batch_each_weighted_as_a_mean_over_its_tokens(batch):
    said = grid_of([[[6, END_ID], [7, 7, 7, END_ID]], [[END_ID], [5, END_ID]], [[4, END_ID], [4, END_ID]]])
    worth = np.array([[1.0, -1.0], [2.0, -2.0], [0.5, -0.5]])
    joined = with_spoken(batch, said, worth, cross_entropy_share=0.25)
    assert joined.tokens.shape == joined.targets.shape == joined.weights.shape == (3, 3, 4)
    np.testing.assert_array_equal(joined.targets[:, :2], said)
    np.testing.assert_array_equal(joined.tokens[0, 1], [START_ID, 7, 7, 7])
    np.testing.assert_array_equal(joined.tokens[0, 0], [START_ID, 6, PAD_ID, PAD_ID])
    num_said, num_given = 2 + 4 + 1 + 2 + 2 + 2, 8
    np.testing.assert_allclose(joined.weights[0, 1], [-0.75 / num_said] * 4)
    np.testing.assert_allclose(joined.weights[1, 1], [-1.5 / num_said] * 2 + [0, 0], atol=1e-9)
    np.testing.assert_array_equal(joined.targets[:, 2, :3], batch.targets[:, 0])
    np.testing.assert_allclose(joined.weights[:, 2].sum(), 0.25, rtol=1e-6)
    np.testing.assert_allclose(joined.weights[0, 2], [0.25 / num_given] * 3 + [0], rtol=1e-6)


def test_without_a_share_of_cross_entropy_the_given_captions_are_left_out(batch):
    said = grid_of([[[6, END_ID]]] * 3)
    assert with_spoken(batch, said, np.ones((3, 1)), cross_entropy_share=0.0).tokens.shape == (3, 1, 2)


def test_what_is_rewarded_is_learned(make_trainer, batch):
    def share_of_sevens(batch, tokens):
        return (tokens == 7).sum(axis=-1) / np.maximum((tokens > UNK_ID).sum(axis=-1), 1)

    trainer = make_trainer(share_of_sevens)
    rewards = [trainer.step(batch) for _ in range(80)]
    assert np.mean(rewards[:5]) < 0.35
    assert np.mean(rewards[-5:]) > 0.9


def test_equal_rewards_teach_nothing(make_trainer, batch):
    trainer = make_trainer(lambda batch, tokens: np.ones(tokens.shape[:2]))
    before = [np.array(variable) for variable in trainer.network.trainable_variables]
    assert trainer.step(batch) == 1.0
    for was, variable in zip(before, trainer.network.trainable_variables, strict=True):
        np.testing.assert_array_equal(variable, was)


def test_a_share_of_cross_entropy_keeps_the_given_captions_likely(make_trainer, batch):
    def no_reward(batch, tokens):
        return np.zeros(tokens.shape[:2])

    trainer = make_trainer(no_reward, cross_entropy_share=0.5)
    said_before = trainer.speak(batch.features)
    for _ in range(80):
        trainer.step(batch)
    given = batch.targets[0, 0].tolist()
    said = trainer.speak(batch.features)[:2, :, :3].reshape(-1, 3).tolist()
    assert said.count(given) > said_before[:2, :, :3].reshape(-1, 3).tolist().count(given) + 3


# a run


@pytest.fixture(scope="module")
def run_in(make_run):
    """A function `folder -> Run` of two epochs of each phase."""

    def made(folder, init=None, **changes):
        options = {"learning_rate": 2e-2, "ema_decay": 0.5, "epochs": 2, "batch_size": 8}
        speaking = SelfCriticalOptions(epochs=2, learning_rate=1e-2, samples=3)
        return dataclasses.replace(make_run(folder, **options), init=init, self_critical=speaking, **changes)

    return made


@pytest.fixture(scope="module")
def unbroken(run_in, tmp_path_factory):
    """The folder of a run that nothing interrupts; nobody may change it."""
    return train(run_in(tmp_path_factory.mktemp("unbroken") / "run"), True, Listener())


def test_the_decoder_settles_and_then_learns_from_what_it_says(unbroken):
    record = record_of(unbroken.path)
    assert ["loss" in row for row in record["epochs"]] == [True, True, False, False]
    assert ["reward" in row for row in record["epochs"]] == [False, False, True, True]
    assert record["self_critical"]["num_settled_epochs"] == 2
    assert record["epochs"][2]["learning_rate"] < 6e-3 < record["epochs"][0]["learning_rate"]
    card = (unbroken.path / "README.md").read_text()
    assert "From epoch 3 on, the decoder learned self-critically" in card
    assert "| epoch | loss | reward |" in card
    log = (unbroken.path / loop.LOG).read_text().splitlines()
    assert len(log) == 5 and "reward" in log[0]


@pytest.mark.parametrize("epoch", [3, 4])
def test_an_interrupted_run_goes_on_and_ends_as_if_unbroken(epoch, run_in, unbroken, tmp_path):
    def progress(items, done, total, title, unit):
        def some():
            yield from itertools.islice(items, 2)
            raise KeyboardInterrupt

        return (some() if title == f"epoch {epoch}/4" else items), lambda measured, tokens_per_second: None

    run = run_in(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(run, True, Listener(progress=progress))
    train(run, True, Listener())
    found = weights_of(run.output_dir)
    for name, array in weights_of(unbroken.path).items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    ours, theirs = (record_of(folder)["epochs"] for folder in (run.output_dir, unbroken.path))
    assert [row.get("reward") for row in ours] == [row.get("reward") for row in theirs]


def test_a_given_model_has_settled(run_in, unbroken, tmp_path):
    lines = []
    folder = train(run_in(tmp_path / "run", init=ModelFolder.open(unbroken.path)), True, Listener(say=lines.append))
    record = record_of(folder.path)
    assert [row["epoch"] for row in record["epochs"]] == [1, 2]
    assert all("reward" in row for row in record["epochs"])
    assert record["self_critical"]["settled"]["epoch"] == 0
    assert any(line.startswith("training, self-critically, a decoder that has settled") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--self-critical-epochs", "2"], "--self-critical-epochs goes with --objective self-critical"),
        (["--objective", "reward"], "reward"),
        (["--objective", "self-critical", "--fine-tune-encoder", "--fine-tune-epochs", "2"], "--self-critical-epochs"),
        (
            ["--objective", "self-critical", "--init", "flickr8k", "--epochs", "2", "--self-critical-epochs", "3"],
            "give one of --epochs and --self-critical-epochs",
        ),
        (["--objective", "self-critical", "--self-critical-epochs", "0"], "self-critical-epochs must be at least 1"),
    ],
)
def test_options_that_contradict_each_other_are_refused(arguments, message, tmp_path):
    result = CliRunner().invoke(main, ["train", str(tmp_path / "data"), str(tmp_path / "run"), *arguments])
    assert result.exit_code == 2
    assert message in result.stderr and "Traceback" not in result.output


@pytest.mark.slow
def test_the_command_goes_on_from_a_model_self_critically(drawings_dataset, tiny_model_dir, tmp_path):
    command = ["train", str(drawings_dataset.folder), str(tmp_path / "run"), "--init", str(tiny_model_dir)]
    command += ["--objective", "self-critical", "--epochs", "1", "--no-mirror"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "reward" in result.stderr
    assert ModelFolder.open(tmp_path / "run").training["self_critical"]["epochs"] == 1
