"""What a dataset holds, and what is odd about it, in figures and in text."""

import unicodedata
from collections import Counter
from functools import cache

from captioner.datasets.examples import Example, Problem
from captioner.datasets.mixing import Mix
from captioner.datasets.splits import find_copies, find_leaks, with_splits
from captioner.errors import ImageError
from captioner.escaping import visible_line
from captioner.images import read_images
from captioner.options import SPLITS, PrepareOptions, TrainingOptions
from captioner.tokenizer import SPECIAL_TOKENS, caption_tokens, token_key

MIN_COUNTS = (1, 2, 3, 5, 10)
REPORT_FILE = "report.json"
_MAX_TOKENS = TrainingOptions().max_tokens
_GLANCE_SIZE = 8  # pixels: a photo is decoded to its end, and a JPEG at an eighth of its scale
_EAST_ASIAN = dict.fromkeys(("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO"), "HAN")  # written together
_LETTERS = frozenset(("Lu", "Ll", "Lt", "Lo"))
_MOST_NAMED = 20  # of each kind, in text
_BAR = 40  # characters
_OF_PHOTOS = ("missing photo", "corrupt photo", "no caption")


def check(mix: Mix, options: PrepareOptions, threads: int, report=lambda done, total: None):
    """`(report, problems)` of a dataset that need not be prepared; every photo is read to its end.

    report: called with photos done and photos in all.
    """
    path_of = mix.paths
    copies = find_copies(path_of)
    examples = with_splits(mix.examples, options, copies)
    problems = list(mix.problems)
    paths = [path_of[example.image] for example in examples]
    usable = []
    report(0, len(examples))
    for done, (example, path, photo) in enumerate(
        zip(examples, paths, read_images(paths, _GLANCE_SIZE, threads), strict=True), start=1
    ):
        if isinstance(photo, ImageError):
            kind = "corrupt photo" if path.exists() else "missing photo"
            problems.append(Problem(kind, example.image, str(photo).removeprefix(f"{path}: ")))
        else:
            usable.append(example)
        report(done, len(examples))
    return describe(usable, problems, copies), problems


def is_report(content: dict) -> bool:
    """Whether that is a report on a dataset."""
    return {"photos", "captions", "captions_per_photo", "vocabulary"} <= content.keys()


def describe(examples: list[Example], problems: list[Problem], copies: list[list[str]]) -> dict:
    """The report as JSON. copies: as `find_copies` gives them."""
    num_captions = [len(example.captions) for example in examples]
    lengths, repeated, overlong, mixed = Counter(), [], [], []
    train_counts, all_counts = Counter(), Counter()
    for example in examples:
        counts = train_counts if example.split == "train" else all_counts
        for caption in example.captions:
            tokens = caption_tokens(caption)
            lengths[len(tokens)] += 1
            counts.update(map(token_key, tokens))
            if len(tokens) + 1 > _MAX_TOKENS:  # with the end, as training counts
                overlong.append({"image": example.image, "caption": caption})
            if not caption.isascii() and len(_scripts(caption)) > 1:
                mixed.append({"image": example.image, "caption": caption})
        repeated += [
            {"image": example.image, "caption": caption}
            for caption, count in Counter(example.captions).items()
            for _ in range(count - 1)
        ]
    images_of_kind = {kind: [p.where for p in problems if p.kind == kind] for kind in _OF_PHOTOS}
    return {
        "photos": len(examples),
        "captions": sum(num_captions),
        "splits": count_splits(examples),
        "sources": {
            name: count_splits([example for example in examples if example.source == name])
            for name in dict.fromkeys(example.source for example in examples)
            if name
        },
        "captions_per_photo": _spread(Counter(num_captions)),
        "tokens": sum(length * count for length, count in lengths.items()),
        "tokens_per_caption": _spread(lengths),
        "lengths": {str(length): lengths[length] for length in sorted(lengths)},
        "vocabulary": _coverage(train_counts or all_counts),
        "missing_photos": images_of_kind["missing photo"],
        "corrupt_photos": images_of_kind["corrupt photo"],
        "photos_without_caption": images_of_kind["no caption"],
        "empty_captions": [str(p) for p in problems if p.kind == "empty caption"],
        "repeated_captions": repeated,
        "max_tokens": _MAX_TOKENS,
        "overlong_captions": overlong,
        "captions_of_several_scripts": mixed,
        "copies": copies,
        "split_leaks": [
            [{"image": e.image, "split": e.split} for e in group] for group in find_leaks(copies, examples)
        ],
        "problems": dict(Counter(problem.kind for problem in problems)),
    }


def count_splits(examples: list[Example]) -> dict:
    """The photos and captions of each split that there is."""
    groups = {split: [e for e in examples if e.split == split] for split in SPLITS}
    return {s: {"photos": len(g), "captions": sum(len(e.captions) for e in g)} for s, g in groups.items() if g}


def _spread(counts: Counter) -> dict:
    total = sum(counts.values())
    mean = sum(value * count for value, count in counts.items()) / total if total else 0.0
    return {"min": min(counts, default=0), "mean": round(mean, 2), "max": max(counts, default=0)}


def _coverage(counts: Counter) -> list[dict]:
    """For each min-count how many tokens are learned, special ones included, and their share of all that is said."""
    total = counts.total()
    rows = []
    for min_count in MIN_COUNTS:
        kept = [count for count in counts.values() if count >= min_count]
        share = sum(kept) / total if total else 0.0
        rows.append({"min_count": min_count, "size": len(kept) + len(SPECIAL_TOKENS), "covered": round(share, 6)})
    return rows


def _scripts(caption: str) -> set[str]:
    return {_script(char) for char in unicodedata.normalize("NFKC", caption) if unicodedata.category(char) in _LETTERS}


@cache
def _script(char: str) -> str:
    first = unicodedata.name(char, "UNKNOWN").split()[0]
    return _EAST_ASIAN.get(first, first)


def report_lines(report: dict) -> list[str]:
    """The report as a person reads it."""
    photos, tokens = report["captions_per_photo"], report["tokens_per_caption"]
    return [
        f"photos      {report['photos']:,}{_in_splits(report['splits'])}",
        *source_lines(report["sources"]),
        f"captions    {report['captions']:,}, {photos['min']} to {photos['max']} a photo, {photos['mean']} on average",
        f"tokens      {report['tokens']:,}, {tokens['min']} to {tokens['max']} a caption, {tokens['mean']} on average",
        "",
        "tokens a caption",
        *_bars({int(length): count for length, count in report["lengths"].items()}, report["max_tokens"]),
        "",
        "--min-count   vocabulary   covers",
        *(f"{row['min_count']:>11}   {row['size']:>10,}   {row['covered']:>6.2%}" for row in report["vocabulary"]),
        *_named("missing photos", report["missing_photos"]),
        *_named("corrupt photos", report["corrupt_photos"]),
        *_named("photos without a caption", report["photos_without_caption"]),
        *_named("empty captions", report["empty_captions"]),
        *_named("captions a photo has twice", map(_caption_of, report["repeated_captions"])),
        *_named(
            f"captions over {report['max_tokens'] - 1} tokens, which training cuts",
            map(_caption_of, report["overlong_captions"]),
        ),
        *_named("captions in several scripts", map(_caption_of, report["captions_of_several_scripts"])),
        *_named("photos that are the same file", map(" = ".join, report["copies"])),
        *_named("photos in two splits", map(leak_line, report["split_leaks"])),
    ]


def source_lines(sources: dict) -> list[str]:
    """A line a source, where there are several."""
    lines = []
    for name, splits in sources.items():
        photos, captions = (sum(counts[kind] for counts in splits.values()) for kind in ("photos", "captions"))
        lines.append(f"  {name}: {photos:,} photos{_in_splits(splits)}, {captions:,} captions")
    return lines


def _in_splits(splits: dict) -> str:
    named = ", ".join(f"{split} {counts['photos']:,}" for split, counts in splits.items())
    return f" ({named})" if named else ""


def leak_line(group: list[dict]) -> str:
    return " = ".join(f"{photo['image']} ({photo['split']})" for photo in group)


def _bars(lengths: dict[int, int], max_tokens: int) -> list[str]:
    """A bar for every two lengths; all that training cuts are one."""
    rows = Counter()
    for length, count in lengths.items():
        rows[min((length - 1) // 2, (max_tokens - 1) // 2)] += count
    most = max(rows.values(), default=0)
    last = (max_tokens - 1) // 2
    lines = []
    for row in range(min(rows, default=0), max(rows, default=-1) + 1):
        label = f"{2 * row + 1} and more" if row == last else f"{max(0, 2 * row + 1)}-{2 * row + 2}"
        lines.append(f"{label:>11}   {rows[row]:>8,}   {'#' * round(_BAR * rows[row] / most)}".rstrip())
    return lines


def _caption_of(entry: dict) -> str:
    return f"{entry['image']}: {entry['caption']}"


def _named(title: str, lines) -> list[str]:
    lines = list(lines)
    more = [f"  and {len(lines) - _MOST_NAMED:,} more"] if len(lines) > _MOST_NAMED else []
    named = [f"  {visible_line(line)}" for line in lines[:_MOST_NAMED]]
    return ["", f"{title}: {len(lines):,}", *named, *more] if lines else []
