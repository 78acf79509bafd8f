import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner.datasets import json_entries as module
from captioner.datasets.json_entries import Entry, json_entries
from captioner.errors import DatasetError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)
SAFE = {"suppress_health_check": [HealthCheck.function_scoped_fixture], "deadline": None, "max_examples": 40}


def entries_of(path, *sections):
    return list(json_entries(path, sections))


def refused(path, *sections):
    with pytest.raises(DatasetError) as caught:
        entries_of(path, *sections)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


@settings(**SAFE)
@given(st.dictionaries(st.text(max_size=5), VALUES), st.lists(VALUES), st.booleans(), st.integers(1, 9))
def test_entries_are_what_json_loads_gives_however_little_is_read_at_a_time(
    tmp_path, monkeypatch, others, wanted, is_indented, chunk
):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    path = tmp_path / "a.json"
    others.pop("wanted", None)
    content = others | {"wanted": wanted} | {f"{key}2": value for key, value in others.items()}
    path.write_text(json.dumps(content, indent=2 if is_indented else None, ensure_ascii=is_indented), encoding="utf-8")
    found = entries_of(path, "wanted")
    assert [entry.value for entry in found] == wanted
    assert all(entry.section == "wanted" for entry in found)


@settings(**SAFE | {"max_examples": 10})
@given(VALUES, st.lists(VALUES, min_size=1), st.integers(1, 9))
def test_json_cut_anywhere_is_said_to_be_cut(tmp_path, monkeypatch, other, wanted, chunk):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    path = tmp_path / "a.json"
    text = json.dumps({"other": other, "wanted": wanted}, ensure_ascii=False)
    for length in range(1, min(len(text), 40)):
        path.write_text(text[:length], encoding="utf-8")
        assert re.match(", line 1: (the JSON is cut short|no JSON)", refused(path, "wanted"))


def test_entries_say_where_they_are(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"info": {"x":\n 1},\n"images": [7,\n\n [8]],\n"annotations": [9]}')
    assert entries_of(path, "images", "annotations") == [
        Entry("line 3, images[0]", "images", 7),
        Entry("line 5, images[1]", "images", [8]),
        Entry("line 6, annotations[0]", "annotations", 9),
    ]
    path.write_text("[1,\n2]")
    assert entries_of(path, "") == [Entry("line 1, [0]", "", 1), Entry("line 2, [1]", "", 2)]


def test_empty_lists_and_objects_have_no_entries(tmp_path):
    path = tmp_path / "a.json"
    for content, section in (("{}", "images"), ('{"images": [ ], "x": []}', "images"), (" [ ] ", "")):
        path.write_text(content)
        assert entries_of(path, section) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ", line 1: the file is empty"),
        (" \n ", ", line 2: the JSON is cut short"),
        ("hello", ", line 1: no JSON: expected [ or {, found 'h'"),
        ("[]", ", line 1: expected an object with images, found a list"),
        ('{\n"images": {"a": 1}}', ", line 2: images is not a list"),
        ('{\n"images": null}', ", line 2: images is not a list"),
        ('{"images": [1\n 2]}', ", line 2: no JSON: expected , or ], found '2'"),
        ('{"images" [1]}', ", line 1: no JSON: expected :, found '['"),
        ('{"images": [1]} x', ", line 1: something follows where the JSON ends"),
        ('{"images": [\nx]}', ", line 2: no JSON, or cut short: Expecting value"),
        ("{7: 1}", ", line 1: no JSON: expected \", found '7'"),
        ('{"images": [\n{"a": tru' + "e" * 30 + '},\n{"b": 1}]}', ", line 2: no JSON: Expecting ',' delimiter"),
        ('{"images": [' + "[" * 100_000, ", line 1: no JSON that can be read (maximum recursion depth exceeded"),
        ('{"images": [' + "9" * 5_000 + "]}", ", line 1: no JSON that can be read (Exceeds the limit"),
    ],
)
def test_what_is_no_such_json_is_named_with_its_line(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(content)
    assert refused(path, "images").startswith(message)


def test_an_object_where_a_list_is_wanted_is_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("{}")
    assert refused(path, "") == ", line 1: expected a list, found an object"


def test_an_entry_without_an_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_LINE", 1000)
    monkeypatch.setattr(module, "_CHUNK", 100)
    path = tmp_path / "a.json"
    path.write_text('{"images": [1,\n"' + "x" * 10_000)
    assert refused(path, "images") == ", line 2: an entry is longer than 1,000 characters"
