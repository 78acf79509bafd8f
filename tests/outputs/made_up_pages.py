"""A report that is made up."""

from captioner.outputs.report import write_page

SCORES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider")
SIDE = 3  # regions side by side


def made_up(photos, grid=SIDE, **result):
    """The content of a report of photos, each `(image, words, references, scores)`."""
    return {
        "result": {
            "model": "made-up",
            "split": "dev",
            "beam_size": 5,
            **dict.fromkeys(SCORES, 0.25),
            "num_photos": len(photos),
            "references_per_photo": {"min": 2, "mean": 2.0, "max": 2},
            "num_distinct_captions": len(photos),
            "mean_words": 4.0,
            "broken_endings": 0.0,
            "repeated_phrases": 0.0,
            "tokenizer": "ptb",
            "intervals": {name: [0.2, 0.3] for name in SCORES},
            "bootstrap": {"level": 0.95, "resamples": 1000},
        }
        | result,
        "sentence_scores": ["bleu_4", "rouge_l", "cider"],
        "grid": grid,
        "photos": [
            {
                "image": image,
                "words": words,
                "references": references,
                "scores": scores,
                "probabilities": [0.5] * len(words),
            }
            for image, words, references, scores in photos
        ],
        "lengths": {"captions": [0, 0, 1, 3], "references": [0, 0, 2, 4, 4]},
        "vocabulary": {"size": 100, "unused": [["kitten", 7], ["zebra", 0]]},
    }


def write_made_up(path, photos, jpeg, **changes):
    """Writes the report; where the decoder looked at word n is region n alone."""
    regions = range(SIDE * SIDE)
    looks = [
        bytes(255 * (region == place) for place in range(len(words)) for region in regions) for _, words, *_ in photos
    ]
    write_page(path, made_up(photos, **changes), ((jpeg, attention) for attention in looks))
    return path
