"""What the command line names, as photos and as files that hold photos, wherever they lie."""

import fnmatch
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from captioner.cluster.places import Place, is_remote
from captioner.errors import CaptionerError, ImageError
from captioner.images import is_image_name, matches_any
from captioner.outputs.tables import first_line, parquet
from captioner.photos import MissingInput, find_photos, told_apart

CONTAINERS = (".tar", ".parquet")
_PHOTO_COLUMNS = ("image", "photo", "bytes", "jpg", "jpeg", "png", "webp")  # of bytes, or of {"bytes", "path"}
_PATH_COLUMNS = ("path", "image_path", "file_name", "filename", "image", "photo")
_NAME_COLUMNS = ("file_name", "filename", "path", "image_path", "__key__", "key", "id")
_ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class Item:
    """A photo on its way: its bytes, or a path or an address to read them from; or the error it met."""

    file_name: str
    source: str | bytes | None
    error: ImageError | None = None


def find_items(names: Sequence[str], recursive: bool, include: Sequence[str], exclude: Sequence[str]) -> Iterator[Item]:
    """Every photo, and every file of photos, that the names lead to, in order, as `captioner caption` finds them.

    One folder is listed as it goes; the names of several inputs are held, to be told apart.
    Raises: CaptionerError when an object store cannot be listed.
    """
    if all(map(is_remote, names)):
        for name in names:
            for item in _find_remote(name, recursive, include, exclude):
                yield item if len(names) == 1 else replace(item, file_name=item.source or item.file_name)
        return
    if any(map(is_remote, names)):
        raise CaptionerError("paths and addresses do not go together; give them to two commands")
    found = find_photos(names, recursive, include, exclude)
    for each in told_apart(found) if len(names) > 1 else found:
        if isinstance(each, MissingInput):
            yield Item(each.file_name, None, ImageError(str(each)))
        else:
            yield Item(each.file_name, each.source)


def _find_remote(name: str, recursive: bool, include: Sequence[str], exclude: Sequence[str]) -> Iterator[Item]:
    place = Place.of(name.rstrip("/"))
    above, _, last = place.name.rpartition("/")
    kind = place.kind()
    if kind == "file":
        yield Item(place.name, place.address)
    elif kind == "folder":
        yield from _walk(place, "", recursive, include, exclude)
    elif matching := [each for each in place.above.names() if fnmatch.fnmatch(each, last)]:
        yield from (Item(f"{above}/{each}", (place.above / each).address) for each in matching)
    else:
        yield Item(place.name, None, ImageError(f"{place.name}: no such file or folder"))


def _walk(folder: Place, above: str, recursive: bool, include: Sequence[str], exclude: Sequence[str]) -> Iterator[Item]:
    """As `find_images` walks: sorted within each folder, hidden ones left out."""
    for entry in folder.entries():
        below = f"{above}{entry.base_name}"
        if entry.base_name.startswith(".") or matches_any(below, exclude):
            continue
        if not entry.is_file:
            if recursive:
                yield from _walk(folder / entry.base_name, f"{below}/", recursive, include, exclude)
        elif matches_any(below, include) if include else is_image_name(entry.base_name):
            yield Item(below, (folder / entry.base_name).address)


def is_container(item: Item) -> bool:
    return item.error is None and item.source.lower().endswith(CONTAINERS)


def read_container(item: Item) -> Iterator[Item]:
    """The photos in a tar (as WebDataset has them) or in a Parquet file, in order, a few at a time.

    Where it breaks off, an item tells of it, and it ends.
    """
    read = _read_tar if item.source.lower().endswith(".tar") else _read_parquet
    try:
        with Place.of(item.source).open() as file:
            yield from read(item, file)
    except Exception as error:  # a broken file may raise anything, and is one error among many photos
        message = str(error) if isinstance(error, CaptionerError) else f"{item.source}: {first_line(error)}"
        yield Item(item.file_name, None, ImageError(message))


def _read_tar(item: Item, file) -> Iterator[Item]:
    with tarfile.open(fileobj=file, mode="r|*") as tar:
        for member in tar:
            if member.isfile() and is_image_name(member.name):
                yield Item(f"{item.file_name}/{member.name}", tar.extractfile(member).read())


def _read_parquet(item: Item, file) -> Iterator[Item]:
    arrow, module = parquet()
    table = module.ParquetFile(file)
    schema = table.schema_arrow
    column, give = _photo_column(item, arrow, schema)
    named = next((name for name in _NAME_COLUMNS if name in schema.names and name != column), None)
    columns = [column] if named is None else [column, named]
    row = 0
    for batch in table.iter_batches(_ROWS_AT_ONCE, columns=columns):
        for values in batch.to_pylist():
            source, inner_name = give(values[column])
            name = values[named] if named else inner_name
            yield _row_item(f"{item.file_name}#{row}" if name is None else f"{item.file_name}/{name}", source)
            row += 1


def _row_item(file_name: str, source: str | bytes | None) -> Item:
    if source is None:
        return Item(file_name, None, ImageError(f"{file_name}: no image in this row"))
    return Item(file_name, source)


def _photo_column(item: Item, arrow, schema):
    """The column of photos, and a function from its values to `(bytes, path or address; name or None)`.

    Raises: CaptionerError where there is none.
    """
    folder = item.source.rpartition("/")[0]

    def beside(path: str | None) -> str | None:
        return path if not path or path.startswith("/") or is_remote(path) or not folder else f"{folder}/{path}"

    kinds = {field.name: field.type for field in schema}
    for name in _PHOTO_COLUMNS:
        kind = kinds.get(name)
        if kind is not None and (arrow.types.is_binary(kind) or arrow.types.is_large_binary(kind)):
            return name, lambda value: (value, None)
        if kind is not None and arrow.types.is_struct(kind) and {"bytes", "path"} <= {field.name for field in kind}:
            return name, lambda value: _of_struct(value, beside)
    for name in _PATH_COLUMNS:
        kind = kinds.get(name)
        if kind is not None and (arrow.types.is_string(kind) or arrow.types.is_large_string(kind)):
            return name, lambda value: (beside(value), value)
    raise CaptionerError(
        f"{item.source}: no column of photos; one of bytes named {', '.join(_PHOTO_COLUMNS)},"
        f" or one of paths named {', '.join(_PATH_COLUMNS)} is read, not {', '.join(schema.names)}"
    )


def _of_struct(value: dict | None, beside) -> tuple[str | bytes | None, str | None]:
    if value is None:
        return None, None
    return (value["bytes"] if value["bytes"] is not None else beside(value["path"])), value["path"]


def read_source(item: Item) -> Item:
    """The item with the bytes of an address in its place; paths are read where the photo is."""
    if item.error is not None or isinstance(item.source, bytes) or not is_remote(item.source):
        return item
    try:
        return Item(item.file_name, Place.of(item.source).read())
    except CaptionerError as error:
        return Item(item.file_name, None, ImageError(str(error)))
