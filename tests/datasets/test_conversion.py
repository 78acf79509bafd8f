"""Nothing is lost on the way: a dataset written in one format, read, written in another and read is the same."""

import csv
import io
import itertools
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.datasets import FORMATS, read_annotations
from captioner.datasets.examples import clean_caption

SPLIT_FOLDERS = {"train": "train", "dev": "validation", "test": "test"}
CAPTIONS = st.text(st.characters(codec="utf-8"), max_size=30).map(clean_caption).filter(bool)
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8).map(
    lambda stem: stem.replace("\ufeff", "x")
)


@st.composite
def datasets(draw):
    """`{photo: (captions, split)}`; either all photos have a split or none has."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique_by=str.casefold))
    splits = draw(st.sampled_from([st.none(), st.sampled_from(list(SPLIT_FOLDERS))]))
    return {f"{name}.jpg": (draw(st.lists(CAPTIONS, min_size=1, max_size=4)), draw(splits)) for name in names}


def pairs_of(dataset):
    return [(name, caption) for name, (captions, _) in dataset.items() for caption in captions]


def write_flickr8k(folder, dataset):
    lines = [f"{name}#{number}\t{caption}\n" for number, (name, caption) in enumerate(pairs_of(dataset))]
    write(folder / "Flickr8k.token.txt", "".join(lines))
    for split, names in names_by_split(dataset).items():
        if split:
            write(folder / f"Flickr_8k.{split}Images.txt", "".join(f"{name}\n" for name in names))
    write_photos(folder / "Flicker8k_Dataset", dataset)


def write_flickr30k(folder, dataset):
    lines = [f"{name}| {number}| {caption}\n" for number, (name, caption) in enumerate(pairs_of(dataset))]
    write(folder / "results.csv", "image_name| comment_number| comment\n" + "".join(lines))
    write_photos(folder / "flickr30k_images", dataset)


def write_karpathy(folder, dataset):
    images = [
        {"filename": name, "sentences": [{"raw": caption} for caption in captions], "split": split}
        for name, (captions, split) in dataset.items()
    ]
    write(folder / "dataset_x.json", json.dumps({"images": images}))
    write_photos(folder, dataset)


def write_coco(folder, dataset):
    ids = {name: number for number, name in enumerate(dataset)}
    for split, names in names_by_split(dataset).items():
        images = [{"id": ids[name], "file_name": name} for name in names]
        chosen = [(name, caption) for name, caption in pairs_of(dataset) if name in names]
        content = {"images": images, "annotations": [{"image_id": ids[n], "caption": c} for n, c in chosen]}
        write(folder / "annotations" / f"captions_{split or 'all'}2017.json", json.dumps(content, ensure_ascii=False))
        write_photos(folder / f"{split or 'all'}2017", names)


def write_csv(folder, dataset, name="x.csv", delimiter=","):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(["image", "split", "caption"])
    writer.writerows([name, dataset[name][1], caption] for name, caption in pairs_of(dataset))
    write(folder / name, file.getvalue())
    write_photos(folder / "Images", dataset)


def write_tsv(folder, dataset):
    write_csv(folder, dataset, "x.tsv", "\t")


def write_jsonl(folder, dataset):
    lines = [{"image": name, "captions": captions, "split": split} for name, (captions, split) in dataset.items()]
    write(folder / "x.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    write_photos(folder, dataset)


def write_imagefolder(folder, dataset):
    for split, names in names_by_split(dataset).items():
        inner = folder / SPLIT_FOLDERS[split] if split else folder
        lines = [{"file_name": name, "text": caption} for name, caption in pairs_of(dataset) if name in names]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write(inner / "metadata.jsonl", text)
        write_photos(inner, names)


def write_sidecars(folder, dataset):
    for name, (captions, split) in dataset.items():
        inner = folder / SPLIT_FOLDERS[split] if split else folder
        write((inner / name).with_suffix(".txt"), "\n".join(captions))
        write_photos(inner, [name])


def names_by_split(dataset):
    groups = {split: [n for n, (_, s) in dataset.items() if s == split] for split in (None, *SPLIT_FOLDERS)}
    return {split: names for split, names in groups.items() if names}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def write_photos(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


WRITERS = {
    "flickr8k": write_flickr8k,
    "flickr30k": write_flickr30k,
    "karpathy": write_karpathy,
    "coco": write_coco,
    "csv": write_csv,
    "tsv": write_tsv,
    "jsonl": write_jsonl,
    "imagefolder": write_imagefolder,
    "sidecar": write_sidecars,
}
WITHOUT_SPLITS = {"flickr30k"}
ONE_SPLIT_IS_NONE = {"coco"}  # which tells splits by the names of several files


def read(folder, name):
    found, annotations = read_annotations(folder)
    assert found == {"tsv": "csv"}.get(name, name)
    assert annotations.problems == []
    images = [example.image.rpartition("/")[2] for example in annotations.examples]
    assert len(set(images)) == len(images)
    assert all((annotations.images_dir / example.image).exists() for example in annotations.examples)
    return {i: (list(e.captions), e.split) for i, e in zip(images, annotations.examples, strict=True)}


def carried(dataset, names):
    """What those formats can tell of it."""
    one_split = len(names_by_split(dataset)) == 1
    if WITHOUT_SPLITS & names or (ONE_SPLIT_IS_NONE & names and one_split):
        return {name: (captions, None) for name, (captions, _) in dataset.items()}
    return dataset


def test_every_format_has_a_writer():
    assert WRITERS.keys() - {"tsv"} == FORMATS.keys()


@settings(deadline=None, max_examples=120)
@given(datasets(), st.sampled_from(list(itertools.product(WRITERS, WRITERS))))
def test_a_dataset_that_changes_its_format_stays_the_same(dataset, pair):
    first, second = pair
    with tempfile.TemporaryDirectory() as folder:
        WRITERS[first](Path(folder) / "first", dataset)
        found = read(Path(folder) / "first", first)
        assert found == carried(dataset, {first})
        WRITERS[second](Path(folder) / "second", found)
        assert read(Path(folder) / "second", second) == carried(dataset, {first, second})
