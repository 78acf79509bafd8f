"""Photos are found wherever they lie, and in whatever file."""

import pytest
from made_up_archives import PHOTOS, write_folder, write_table, write_tar

from captioner.cluster.sources import Item, find_items, is_container, read_container, read_source
from captioner.errors import CaptionerError
from captioner.photos import find_photos

FIRST, SECOND = (path.read_bytes() for path in PHOTOS[:2])


@pytest.mark.parametrize("patterns", [{}, {"include": ["*1.jpg", "deep/*"]}, {"exclude": ["deep/*", "0001*"]}])
@pytest.mark.parametrize("recursive", [True, False])
def test_an_address_is_listed_as_a_folder_is(tmp_path, patterns, recursive):
    folder = write_folder(tmp_path / "in", 9)
    patterns = {"include": (), "exclude": ()} | patterns
    local = [photo.file_name for photo in find_photos([str(folder)], recursive, **patterns)]
    assert len(local) >= 1
    assert [item.file_name for item in find_items([str(folder)], recursive, **patterns)] == local
    items = list(find_items([folder.as_uri()], recursive, **patterns))
    assert [item.file_name for item in items] == local
    assert read_source(items[0]).source == (folder / local[0]).read_bytes()


def test_names_that_two_addresses_share_are_told_apart(tmp_path):
    folders = [write_folder(tmp_path / name, 2).as_uri() for name in ("one", "two")]
    names = [item.file_name for item in find_items(folders, False, (), ())]
    assert f"{folders[0]}/0001.jpg" in names and f"{folders[1]}/0001.jpg" in names
    assert len(set(names)) == len(names)


def test_files_and_patterns_are_found_by_their_addresses(tmp_path):
    folder = write_folder(tmp_path / "in", 4).as_uri()
    (one,) = find_items([f"{folder}/0001.jpg"], False, (), ())
    assert one == Item(f"{folder}/0001.jpg", f"{folder}/0001.jpg")
    found = [item.file_name for item in find_items([f"{folder}/0*.jpg"], False, (), ())]
    assert found == [f"{folder}/{name}" for name in ("0001.jpg", "0001b.jpg", "0002.jpg")]


def test_what_leads_nowhere_is_an_error_of_its_own(tmp_path):
    for name in (f"{tmp_path.as_uri()}/nosuch", f"{tmp_path.as_uri()}/*.jpg", str(tmp_path / "nosuch")):
        (item,) = find_items([name], False, (), ())
        assert item.source is None and str(item.error) == f"{name}: no such file or folder"
    assert str(read_source(Item("a", f"{tmp_path.as_uri()}/a.jpg")).error).startswith(f"{tmp_path.as_uri()}/a.jpg: ")


def test_paths_and_addresses_are_not_mixed(tmp_path):
    with pytest.raises(CaptionerError, match="paths and addresses do not go together"):
        list(find_items([str(tmp_path), tmp_path.as_uri()], False, (), ()))


def read(path):
    item = Item(path.name, str(path))
    assert is_container(item)
    return list(read_container(item))


def test_a_tar_gives_its_photos(tmp_path):
    items = read(write_tar(tmp_path / "a.tar"))
    assert [item.file_name for item in items] == ["a.tar/0.jpg", "a.tar/1.jpg", "a.tar/2.jpg"]
    assert [item.source for item in items] == [path.read_bytes() for path in PHOTOS[:3]]


def test_a_tar_is_read_from_an_address(tmp_path):
    address = write_tar(tmp_path / "a.tar").as_uri()
    assert len(list(read_container(Item("a.tar", address)))) == 3


def test_a_tar_that_breaks_off_gives_what_it_has_and_an_error(tmp_path):
    path = write_tar(tmp_path / "a.tar")
    path.write_bytes(path.read_bytes()[: len(FIRST) + 3000])
    items = read(path)
    assert items[0].source == FIRST and items[-1].error is not None and items[-1].file_name == "a.tar"
    assert str(items[-1].error).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"image": [FIRST, SECOND]}, [("a.parquet#0", FIRST), ("a.parquet#1", SECOND)]),
        ({"jpg": [FIRST], "__key__": ["k"], "txt": ["x"]}, [("a.parquet/k", FIRST)]),
        ({"image": [{"bytes": FIRST, "path": "x.jpg"}]}, [("a.parquet/x.jpg", FIRST)]),
        ({"id": [7], "image": [{"bytes": FIRST, "path": None}]}, [("a.parquet/7", FIRST)]),
        ({"image": [{"bytes": None, "path": "x.jpg"}]}, [("a.parquet/x.jpg", "FOLDER/x.jpg")]),
        ({"path": ["x.jpg", "/y.jpg", "s3://b/z.jpg"]}, [
            ("a.parquet/x.jpg", "FOLDER/x.jpg"), ("a.parquet//y.jpg", "/y.jpg"), ("a.parquet/s3://b/z.jpg", "s3://b/z.jpg"),
        ]),
    ],
)  # fmt: skip
def test_a_table_gives_its_photos(tmp_path, columns, expected):
    items = read(write_table(tmp_path / "a.parquet", columns))
    where = str(tmp_path)
    assert [(item.file_name, item.source) for item in items] == [
        (name, source.replace("FOLDER", where) if isinstance(source, str) else source) for name, source in expected
    ]


def test_a_row_without_an_image_is_its_own_error(tmp_path):
    first, empty = read(write_table(tmp_path / "a.parquet", {"image": [FIRST, None]}))
    assert first.source == FIRST and str(empty.error) == "a.parquet#1: no image in this row"


def test_a_table_without_photos_is_told_what_it_lacks(tmp_path):
    (item,) = read(write_table(tmp_path / "a.parquet", {"x": [1]}))
    assert str(item.error).startswith(f"{tmp_path}/a.parquet: no column of photos;")


def test_a_table_is_read_a_few_rows_at_a_time(tmp_path):
    rows = [bytes([number]) * 1000 for number in range(250)]
    items = read_container(Item("a.parquet", str(write_table(tmp_path / "a.parquet", {"image": rows}))))
    assert [next(items).source[0] for _ in range(70)] == list(range(70))
