// Photos that are dropped, pasted, chosen or taken: whatever way they come, they come as files.

const PHOTO_NAME = /\.(jpe?g|jpe|jfif|png|webp|gif|bmp|tiff?|avif|hei[cf]|hif|p[pgn]m|jp2|ico|tga)$/i;

/** Calls `take([{ file, name }, ...])` for every way that photos can come. */
export function receive(take) {
  let depth = 0; // of elements that what is dragged has entered
  const isOver = (over) => document.body.classList.toggle("is-dragged-over", over);
  const bringsFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => bringsFiles(event) && isOver(++depth > 0));
  addEventListener("dragleave", (event) => bringsFiles(event) && isOver(--depth > 0));
  addEventListener("dragover", (event) => bringsFiles(event) && event.preventDefault());
  addEventListener("drop", async (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    isOver((depth = 0) > 0);
    take(await filesOf(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length > 0) take(files.map(named));
  });
  for (const [button, input] of [["choose", "files"], ["photograph", "camera"]]) {
    const picker = document.getElementById(input);
    document.getElementById(button).addEventListener("click", () => picker.click());
    picker.addEventListener("change", () => {
      take([...picker.files].map(named));
      picker.value = ""; // so that the same photo can be chosen again
    });
  }
  document.getElementById("photograph").hidden = !matchMedia("(pointer: coarse)").matches;
}

/** Files as they are, and of folders what has the name of a photo, folder by folder. */
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  if (!entries.some((entry) => entry?.isDirectory)) return [...transfer.files].map(named);
  const found = await Promise.all(entries.filter(Boolean).map((entry) => filesBelow(entry, "")));
  return found.flat();
}

/** above: the folders it lies in, "" for what was dropped itself. */
async function filesBelow(entry, above) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject)).catch(() => null);
    return file && (above === "" || PHOTO_NAME.test(file.name)) ? [{ file, name: above + file.name }] : [];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)).catch(() => []);
    if (some.length === 0) break; // a browser gives a hundred at a time
    found.push(...some);
  }
  const visible = found.filter(({ name }) => !name.startsWith("."));
  visible.sort((one, other) => (one.name < other.name ? -1 : 1));
  return (await Promise.all(visible.map((each) => filesBelow(each, `${above}${entry.name}/`)))).flat();
}

function named(file) {
  return { file, name: file.name };
}
