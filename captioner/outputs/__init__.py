"""Where captions go: streams and files of records, sidecars, photos' metadata; and figures."""

import os
from typing import TextIO

from captioner.errors import CaptionerError
from captioner.options import OutputOptions, ShapeOptions
from captioner.outputs.forms import FORMS, Csv, Form
from captioner.outputs.output import Output
from captioner.outputs.streams import RecordFile, Stream


def open_outputs(
    options: OutputOptions, shape: ShapeOptions, stdout: TextIO, bare: bool = False, candidates: int = 1
) -> list[Output]:
    """Every output that is asked for.

    bare: the one photo that was asked for needs no name, as text. candidates: captions of a photo, at most.
    Raises: CaptionerError when a file of records cannot be gone on with.
    """
    outputs: list[Output] = []
    if options.format == "parquet":
        from captioner.outputs.tables import ParquetFile

        outputs.append(ParquetFile(options.output, options.existing != "overwrite", shape))
    elif options.speaks:
        name = options.format or "text"
        form = _form(name, options, bare, shape.min_confidence is not None)
        if options.output is None:
            outputs.append(Stream(form, stdout, shape))
        else:
            goes_on = options.existing != "overwrite"
            if goes_on and bare and name == "text" and os.path.isfile(options.output) and options.output.stat().st_size:
                raise CaptionerError(f"{options.output} holds something already; --existing overwrite replaces it")
            outputs.append(RecordFile(options.output, form, goes_on, shape, 1 if name == "jsonl" else candidates))
    if options.sidecar:
        from captioner.outputs.sidecars import open_sidecars

        outputs.append(open_sidecars(options, shape))
    if options.write_metadata:
        from captioner.outputs.metadata_outputs import Metadata

        outputs.append(Metadata(options, shape))
    return outputs


def _form(name: str, options: OutputOptions, bare: bool, marks_doubt: bool) -> Form:
    if name != "csv":
        return FORMS[name](bare, marks_doubt)
    is_file = options.output is not None and (os.path.isfile(options.output) or not os.path.lexists(options.output))
    return Csv(bare, marks_doubt, is_raw=options.csv_raw, has_mark=is_file and not options.no_bom)


__all__ = ["Output", "RecordFile", "Stream", "open_outputs"]
