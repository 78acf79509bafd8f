"""The model card's ladder: what every model on the way scored."""

from captioner.training.model_card import model_card

SCORES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider")


def record_with(**more):
    scores = dict.fromkeys(SCORES, 0.25) | {"beam_size": 5, "tokenizer": "ptb", "num_photos": 2, "num_references": 10}
    return {
        "encoder": {"name": "tiny"},
        "network": {"decoder": "gru", "attention": True, "units": 8, "parameters": 1000},
        "training": {"seed": 0, "batch_size": 4, "learning_rate": 0.001, "flipped_share": 0.5, "crops": 4},
        "dataset": {"tokenizer": {"vocabulary_size": 30}, "counts": {"train": {"photos": 8, "captions": 40}}},
        "dev_scores": scores,
        "seconds": 60.0,
        "best_epoch": 1,
        "epochs": [{"epoch": 1, "loss": 2.0, "bleu_4": 0.2, "cider": 0.4, "seconds": 60.0}],
    } | more


def test_a_run_of_its_own_has_no_ladder():
    card = model_card("tiny", record_with())
    assert "How it came to be" not in card
    assert "50% of the photos were seen in a mirror" in card and "one of 4 random crops" in card


def test_every_rung_shows_its_scores_with_intervals_and_what_it_took():
    intervals = {name: [0.2, 0.3] for name in SCORES}
    wording = {"mean_words": 9.96, "num_distinct_captions": 812, "broken_endings": 0.004, "from_train": 0.1}
    scores = dict.fromkeys(SCORES, 0.25) | {"cider": 0.6} | wording | {"intervals": intervals | {"cider": [0.5, 0.7]}}
    ladder = [{"what": "teacher forcing", "seconds": 1800.0, "dev_scores": scores}]
    lines = model_card("tiny", record_with(ladder=ladder)).splitlines()
    (row,) = [line for line in lines if line.startswith("| teacher forcing |")]
    bleu = " | ".join(["25.0 (20.0 to 30.0)"] * 5)
    assert row == f"| teacher forcing | {bleu} | 60.0 (50.0 to 70.0) | 10.0 | 812 | 0.4% | 10.0% | 30 |"
    header = lines[lines.index(row) - 2]
    assert header.count("|") == row.count("|")
