// Small pictures of photos: hundreds of them as they come would not fit into memory.

const LONGER_SIDE = 720; // pixels
const QUALITY = 0.85;

let last = Promise.resolve(); // one after the other

/** The address of a small picture of the photo; null where the browser cannot show it. */
export function thumbnail(file) {
  last = last.then(() => made(file)).catch(() => null);
  return last;
}

async function made(file) {
  const photo = await createImageBitmap(file);
  const scale = Math.min(1, LONGER_SIDE / Math.max(photo.width, photo.height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [photo.width, photo.height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // behind what is transparent, as the network sees it
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(photo, 0, 0, canvas.width, canvas.height);
  photo.close();
  const small = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  return URL.createObjectURL(small);
}
