// Where the network looked: a veil over the photo, clear where it did.

const MOST_VEIL = 0.72; // its share where nobody looks

/** Lays a word's map, rows x columns that sum to 1, over all of the photo. */
export function veil(canvas, map) {
  const [rows, columns] = [map.length, map[0].length];
  const brightest = Math.max(...map.flat());
  const pixels = new ImageData(columns, rows);
  map.flat().forEach((share, region) => {
    pixels.data[4 * region + 3] = Math.round(255 * MOST_VEIL * (1 - share / brightest));
  });
  [canvas.width, canvas.height] = [columns, rows]; // the browser smooths it when it stretches it
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  canvas.hidden = false;
}

export function unveil(canvas) {
  canvas.hidden = true;
}
