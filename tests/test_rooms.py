"""The table of rooms holds: a room imports only from rooms above it, and only the packages named so far."""

import ast
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

import captioner

PACKAGE_DIR = Path(captioner.__file__).parent

# From the top down: rooms of one row may import each other; third-party packages may be used from their row on.
ROWS = [
    (("errors", "english", "escaping", "options", "preset_names"), ()),
    (("ahead", "files", "known_hashes", "locks", "quiet", "temporary_files", "training_stack"), ("filelock",)),
    (("tokenizer", "images", "photos", "quantization"), ("numpy", "PIL", "pillow_heif")),
    (("metrics",), ("nltk",)),
    (("datasets",), ()),
    (("confidence", "decoding", "search_rules"), ()),
    (("model_folder", "decoder_weights", "presets"), ("h5py",)),
    (("inference",), ("ai_edge_litert",)),
    (("explaining",), ()),
    (("outputs",), ("matplotlib", "pyarrow")),
    (("scoring",), ()),
    (("batch",), ()),
    (("cluster",), ("ray",)),
    (("evaluation",), ()),
    (("server",), ("starlette", "uvicorn", "h11", "swagger_ui_bundle")),
    (("encoders",), ("keras", "tensorflow")),
    (("model",), ()),
    (("training",), ()),
    (("comparison",), ()),
    (("exporting",), ("tf2onnx", "onnx")),
    (("cli",), ("click", "tqdm")),
]
ROW_OF_ROOM = {room: row for row, (rooms, _) in enumerate(ROWS) for room in rooms}
ROW_OF_PACKAGE = {package: row for row, (_, packages) in enumerate(ROWS) for package in packages}
LAZY = {
    "matplotlib",
    "pillow_heif",
    "tqdm",
    "tf2onnx",
    "onnx",
    "swagger_ui_bundle",
    "pyarrow",
    "ray",
    "filelock",
}  # never imported when a module is
FRONT = {"__init__", "__main__"}  # of the package: they open doors to every room, lazily or as a program


@dataclass(frozen=True)
class Import:
    path: Path
    line: int
    module: str  # dotted
    is_lazy: bool  # inside a function, or for type checkers only

    def __str__(self):
        return f"{self.path.relative_to(PACKAGE_DIR)}:{self.line} imports {self.module}"

    @property
    def room(self):
        return self.path.relative_to(PACKAGE_DIR).with_suffix("").parts[0]

    @property
    def top(self):
        return self.module.split(".")[0]


def imports_of(path):
    found = []

    def walk(node, is_lazy):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend(Import(path, child.lineno, alias.name, is_lazy) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: a relative import"
                if child.module == "captioner":  # `from captioner import encoders` imports a room by name
                    modules = [f"captioner.{a.name}" for a in child.names if not a.name.startswith("__")]
                else:
                    modules = [child.module]
                found.extend(Import(path, child.lineno, module, is_lazy) for module in modules)
            walk(child, is_lazy or isinstance(child, ast.FunctionDef | ast.Lambda) or is_type_checking(child))

    walk(ast.parse(path.read_text(encoding="utf-8")), False)
    return found


def is_type_checking(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


ALL_IMPORTS = [found for path in sorted(PACKAGE_DIR.rglob("*.py")) for found in imports_of(path)]
INSIDE = [i for i in ALL_IMPORTS if i.top == "captioner"]
OUTSIDE = [i for i in ALL_IMPORTS if i.top != "captioner" and i.top not in sys.stdlib_module_names]


def test_every_module_lives_in_a_room_of_the_table():
    modules = {path.relative_to(PACKAGE_DIR).with_suffix("").parts[0] for path in PACKAGE_DIR.rglob("*.py")}
    assert modules - FRONT == ROW_OF_ROOM.keys()


def test_a_room_imports_only_from_rooms_above_it():
    wrong = []
    for found in INSIDE:
        names = found.module.split(".")
        if found.room in FRONT or len(names) == 1:  # the package itself knows nothing but its version
            continue
        if ROW_OF_ROOM.get(names[1], len(ROWS)) > ROW_OF_ROOM[found.room]:
            wrong.append(str(found))
    assert wrong == []


def test_a_room_uses_only_packages_that_its_row_or_one_above_names():
    wrong = [
        str(found)
        for found in OUTSIDE
        if found.room in FRONT or ROW_OF_PACKAGE.get(found.top, len(ROWS)) > ROW_OF_ROOM[found.room]
    ]
    assert wrong == []


def test_what_few_commands_need_is_imported_lazily():
    assert [str(found) for found in OUTSIDE if found.top in LAZY and not found.is_lazy] == []


def test_the_front_door_opens_lazily():
    wrong = [str(i) for i in ALL_IMPORTS if i.path == PACKAGE_DIR / "__init__.py" and not i.is_lazy]
    assert wrong == []


@pytest.mark.parametrize("heavy", ["numpy", "PIL", "keras", "tensorflow", "h5py", "nltk", "ai_edge_litert"])
def test_commands_import_what_is_heavy_only_when_they_are_called(heavy):
    assert [str(i) for i in OUTSIDE if i.room == "cli" and i.top == heavy and not i.is_lazy] == []


def test_no_room_above_the_encoders_speaks_of_keras_or_tensorflow():
    heavy = {"keras", "tensorflow"}
    rooms = {found.room for found in OUTSIDE if found.top in heavy}
    assert rooms <= {"encoders", "model", "training", "comparison", "exporting"}


def test_every_package_of_the_table_is_used():
    assert {found.top for found in OUTSIDE} == ROW_OF_PACKAGE.keys()


def test_no_two_modules_of_tests_share_a_name():
    """They are all imported by their names alone."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []
