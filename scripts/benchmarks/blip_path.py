"""One caption by a BLIP-base of random weights, as a process of its own: speed does not depend on what they are.

python scripts/benchmarks/blip_path.py make MODEL_DIR
python scripts/benchmarks/blip_path.py caption MODEL_DIR PHOTO

Needs PyTorch and transformers. It speaks noise, of about as many words as a caption has, by beam search of 5.
"""

import sys

import numpy as np
import torch
from PIL import Image
from transformers import BlipConfig, BlipForConditionalGeneration

_NUM_TOKENS, _NUM_BEAMS = 12, 5


def make(model_dir: str) -> None:
    BlipForConditionalGeneration(BlipConfig()).save_pretrained(model_dir)


def caption(model_dir: str, photo: str) -> None:
    model = BlipForConditionalGeneration.from_pretrained(model_dir).eval()
    size = model.config.vision_config.image_size
    with Image.open(photo) as image:
        pixels = np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC), np.float32)
    pixels = torch.from_numpy(pixels / 255).permute(2, 0, 1)[None]
    with torch.inference_mode():
        tokens = model.generate(
            pixel_values=pixels, num_beams=_NUM_BEAMS, min_new_tokens=_NUM_TOKENS, max_new_tokens=_NUM_TOKENS
        )
    print(len(tokens[0]), "tokens")


if __name__ == "__main__":
    {"make": make, "caption": caption}[sys.argv[1]](*sys.argv[2:])
