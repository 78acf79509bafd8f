import numpy as np

from captioner.outputs.attention import lit_by, resized

GREY_PHOTO = np.full((32, 32, 3), 100, np.uint8)


def redness(pixels):
    return pixels[..., 0].astype(int) - pixels[..., 2]


def test_the_photo_is_coloured_where_the_decoder_looks_and_nowhere_else():
    attention = np.zeros((10, 10), np.float32)
    attention[1, 8] = 0.3  # high up on the right
    found = lit_by(GREY_PHOTO, attention, 0.3, (100, 200))
    assert found.shape == (100, 200, 3) and found.dtype == np.uint8
    row, column = np.unravel_index(redness(found).argmax(), (100, 200))
    assert 10 <= row < 20 and 160 <= column < 180
    assert redness(found[50:]).max() == redness(found[:, :100]).max() == 0


def test_what_is_looked_at_more_has_more_colour():
    found = [lit_by(GREY_PHOTO, np.full((2, 2), share, np.float32), 1.0, (8, 8)) for share in (0, 0.1, 0.3, 0.6, 1)]
    colour = [np.abs(pixels[4, 4].astype(int) - found[0][4, 4]).sum() for pixels in found]
    assert colour == sorted(set(colour))
    assert redness(found[0]).max() == 0


def test_a_photo_in_colour_is_shown_in_grey_so_that_all_colour_is_attention():
    photo = np.zeros((16, 16, 3), np.uint8)
    photo[..., 0] = 255
    assert redness(lit_by(photo, np.zeros((2, 2), np.float32), 1.0, (16, 16))).max() == 0
    assert redness(resized(photo, (16, 16))).min() == 255
