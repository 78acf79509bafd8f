"""From a path, bytes, PIL image or array to an upright RGB square; and finding photos in folders.

Training and captioning read photos through `read_image`, so both see the same pixels.
"""

from captioner.images.folders import IMAGE_SUFFIXES, find_images, is_image_name, is_system_folder, matches_any
from captioner.images.reading import check_num_pixels, cropped, photo_shape, read_image, read_images, read_thumbnail
from captioner.images.sources import ImageSource

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageSource",
    "check_num_pixels",
    "cropped",
    "find_images",
    "is_image_name",
    "is_system_folder",
    "matches_any",
    "photo_shape",
    "read_image",
    "read_images",
    "read_thumbnail",
]
