"""The errors a user can meet: each is one plain line with an exit code."""


class CaptionerError(Exception):
    """Something that was read from disk or computed did not work out; its text is one line."""

    exit_code = 1


class OptionsError(CaptionerError):
    """The options themselves are wrong, whatever the disk holds."""

    exit_code = 2


class ImageError(CaptionerError):
    """A file is no image, or one that cannot be decoded."""


class DatasetError(CaptionerError):
    """A dataset, source or prepared, is missing, empty or broken."""


class ModelError(CaptionerError):
    """A model folder is missing, incomplete, altered or does not fit what it is used with."""
