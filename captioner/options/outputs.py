"""Where captions go."""

from dataclasses import dataclass
from pathlib import Path

from captioner.options.base import Options, require

FORMATS = ("text", "jsonl", "csv", "parquet")
SIDECAR_KINDS = ("txt", "caption", "json", "xmp")
METADATA_FIELDS = {"alt": ("alt",), "description": ("description",), "both": ("alt", "description")}
EXISTING = ("skip", "overwrite", "error")


@dataclass(frozen=True)
class OutputOptions(Options):
    """Where captions go, and what becomes of those that are there; "" and None mean: nothing of the kind."""

    format: str = ""  # of FORMATS
    output: Path | None = None  # a file in place of stdout
    sidecar: str = ""  # of SIDECAR_KINDS
    output_dir: Path | None = None  # for sidecars, in place of the photos' folders
    write_metadata: str = ""  # of METADATA_FIELDS
    existing: str = "skip"
    replace_human: bool = False  # in metadata, words that a person wrote as well
    csv_raw: bool = False  # CSV without apostrophes before what a spreadsheet would run
    no_bom: bool = False  # a CSV file without a byte-order mark

    def __post_init__(self):
        for name, value, known in (
            ("format", self.format, FORMATS),
            ("sidecar", self.sidecar, SIDECAR_KINDS),
            ("write-metadata", self.write_metadata, METADATA_FIELDS),
            ("existing", self.existing or "none", EXISTING),
        ):
            require(not value or value in known, f"unknown {name} {value!r}; choose {', '.join(known)}")
        require(self.format != "parquet" or self.output is not None, "--format parquet goes with --output FILE")
        require(self.output_dir is None or self.sidecar, "--output-dir goes with --sidecar")
        require(
            not self.replace_human or self.write_metadata or self.sidecar == "xmp",
            "--replace-human goes with --write-metadata or --sidecar xmp",
        )

        require(
            not (self.csv_raw or self.no_bom) or self.format == "csv", "--csv-raw and --no-bom go with --format csv"
        )
        require(not self.no_bom or self.output is not None, "--no-bom goes with --output FILE; stdout has no mark")

    @property
    def speaks(self) -> bool:
        """Whether captions go to stdout or a file of records because that was asked for, or nothing else was."""
        return bool(self.format or self.output or not (self.sidecar or self.write_metadata))
