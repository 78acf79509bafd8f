"""What a command need not know it does not load: each asked in a fresh interpreter."""

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "h5py", "matplotlib")
ARRAYS = ("numpy", "PIL", "ai_edge_litert", "nltk")

CODE = """
import sys
watched = sys.argv.pop(1).split(",")
from captioner.cli import main
code = 0
try:
    main()
except SystemExit as end:
    code = end.code
loaded = sorted(set(watched) & set(sys.modules))
print("loaded:" + ",".join(loaded), file=sys.stderr)
sys.exit(code)
"""


def run(*arguments, watched):
    """`(stdout, watched packages that were loaded)` of a command that ends well."""
    command = [sys.executable, "-c", CODE, ",".join(watched), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = done.stderr.rpartition("loaded:")[2].strip()
    return done.stdout, loaded


def test_the_watch_itself_sees_what_is_loaded():
    assert run("--version", watched=("click",))[1] == "click"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["caption", "--help"],
        ["watch", "--help"],
        ["completion", "bash"],
        ["prepare", "--help"],
        ["train", "--help"],
        ["compare", "--help"],
        ["evaluate", "--help"],
        ["score", "--help"],
        ["models", "--help"],
        ["export", "--help"],
        ["explain", "--help"],
        ["serve", "--help"],
    ],
    ids=" ".join,
)
def test_help_loads_no_arrays(arguments):
    out, loaded = run(*arguments, watched=HEAVY + ARRAYS)
    assert out
    assert loaded == ""


def test_importing_the_package_loads_no_arrays():
    code = f"import sys, captioner; print(sorted(set({HEAVY + ARRAYS!r}) & set(sys.modules)), captioner.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] 0.")


def test_planning_a_comparison_loads_no_keras_that_would_lie_beside_the_trainings_it_starts():
    code = f"import sys, captioner.comparison.plan; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_caption_loads_neither_tensorflow_nor_keras(tiny_model_dir, drawings_dataset):
    photo = drawings_dataset.photo_path(drawings_dataset.split("test")[0])
    out, loaded = run("caption", photo, "--model", tiny_model_dir, watched=HEAVY)
    assert out.strip()
    assert loaded == ""


def test_explain_loads_neither_tensorflow_nor_keras(tiny_model_dir, drawings_dataset, tmp_path):
    photo = drawings_dataset.photo_path(drawings_dataset.split("test")[0])
    given = ["explain", photo, "--model", tiny_model_dir, "--json", tmp_path / "explain.json"]
    assert run(*given, watched=HEAVY)[1] == "h5py"
    assert run(*given, "-o", tmp_path / "explain.png", watched=HEAVY)[1] == "h5py,matplotlib"


def test_caption_of_a_folder_as_json_lines_loads_neither_tensorflow_nor_keras(tiny_model_dir, drawings_dataset):
    folder = drawings_dataset.photo_path(drawings_dataset.split("test")[0]).parent
    out, loaded = run("caption", folder, "-f", "jsonl", "--model", tiny_model_dir, watched=HEAVY)
    assert len(out.splitlines()) == 6
    assert loaded == ""


def test_sidecars_and_metadata_load_neither_tensorflow_nor_keras(tiny_model_dir, drawings_dataset, tmp_path):
    folder = drawings_dataset.photo_path(drawings_dataset.split("test")[0]).parent
    for photo in folder.iterdir():
        (tmp_path / photo.name).write_bytes(photo.read_bytes())
    arguments = "--sidecar", "xmp", "--write-metadata", "both", "--model", tiny_model_dir
    out, loaded = run("caption", tmp_path, *arguments, watched=HEAVY)
    assert len(out.splitlines()) == 6
    assert loaded == ""


def test_evaluate_loads_neither_tensorflow_nor_keras(tiny_model_dir, drawings_dataset):
    out, loaded = run("evaluate", drawings_dataset.folder, "--model", tiny_model_dir, watched=HEAVY)
    assert '"bleu_4"' in out
    assert loaded == ""


def test_a_page_of_an_evaluation_loads_neither_tensorflow_nor_matplotlib(tiny_model_dir, drawings_dataset, tmp_path):
    page = tmp_path / "report.html"
    _, loaded = run("evaluate", drawings_dataset.folder, "--model", tiny_model_dir, "--html", page, watched=HEAVY)
    assert page.exists()
    assert loaded == ""


def test_evaluate_from_the_photos_themselves_loads_neither_tensorflow_nor_keras(
    tiny_model_dir, drawings_dataset, tmp_path
):
    for name in ("dataset.json", "captions.jsonl", "vocabulary.txt"):  # all but the features
        (tmp_path / name).write_bytes((drawings_dataset.folder / name).read_bytes())
    out, loaded = run("evaluate", tmp_path, "--split", "dev", "--model", tiny_model_dir, watched=HEAVY)
    assert '"num_photos": 6' in out
    assert loaded == ""


def test_score_loads_neither_keras_nor_the_runtime_of_models(drawings_dataset, tmp_path):
    lines = [f'{{"image": "{example.image}", "caption": "a dog"}}\n' for example in drawings_dataset.split("dev")]
    (tmp_path / "predictions.jsonl").write_text("".join(lines))
    watched = (*HEAVY, "ai_edge_litert", "pycocoevalcap")
    out, loaded = run("score", tmp_path / "predictions.jsonl", drawings_dataset.folder, watched=watched)
    assert '"num_photos": 6' in out
    assert loaded == ""


def test_prepare_loads_neither_tensorflow_nor_keras(drawings_dataset, tmp_path):
    photos = drawings_dataset.photo_path(drawings_dataset.split("test")[0]).parent
    out, loaded = run("prepare", photos, tmp_path / "data", "--min-count", "1", watched=HEAVY)
    assert "vocabulary:" in out
    assert loaded == ""


def test_export_for_litert_loads_neither_tensorflow_nor_keras(tmp_path):
    _, loaded = run("export", "flickr8k", tmp_path / "exported", "--format", "litert", watched=(*HEAVY, "tf2onnx"))
    assert (tmp_path / "exported" / "encoder.tflite").exists()
    assert loaded == ""
