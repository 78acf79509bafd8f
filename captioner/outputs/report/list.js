// all photos: chunks stand for those that are out of sight, so that thousands cost no more than a few

const UNSPACED = /[\u0e01-\u0fff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]/u;

/** Finds a whole word; with a star behind it, its beginning; where words are not spaced, the characters anywhere. */
function patternOf(text) {
  const isBeginning = text.endsWith("*");
  const word = text.replace(/\*+$/, "").trim();
  if (!word) return null;
  const literal = word.split(/\s+/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+");
  const letter = "[\\p{L}\\p{M}\\p{N}]";
  const [before, behind] = UNSPACED.test(word) ? ["", ""] : [`(?<!${letter})`, isBeginning ? "" : `(?!${letter})`];
  return new RegExp(before + literal + behind, "giu");
}

const TEXTS = {
  caption: (photo) => [photo.words.join("")],
  references: (photo) => photo.references,
  both: (photo) => [photo.words.join(""), ...photo.references],
};
const KEYS = {
  ...Object.fromEntries(content.sentence_scores.map((name, column) => [name, (photo) => photo.scores[column]])),
  length: (photo) => photo.words.length,
  file: null, // the order of the dataset
};
const PHOTOS_A_CHUNK = 12;
const ORDERS = { length: ["shortest first", "longest first"], file: ["first to last", "last to first"] };
const ORDERS_OF_SCORES = ["worst first", "best first"];
let isFalling = false;
let watch = null;

function chosen(pattern) {
  const key = KEYS[byId("sort").value];
  const texts = TEXTS[byId("scope").value];
  let numbers = [...photos.keys()];
  const isFound = (text) => text.normalize("NFC").search(pattern) >= 0;
  if (pattern) numbers = numbers.filter((number) => texts(photos[number]).some(isFound));
  if (key) numbers.sort((one, other) => key(photos[one]) - key(photos[other]));
  return isFalling ? numbers.reverse() : numbers;
}

function showPhotos() {
  const pattern = patternOf(byId("word").value.normalize("NFC"));
  const numbers = chosen(pattern);
  byId("direction").textContent = (ORDERS[byId("sort").value] ?? ORDERS_OF_SCORES)[Number(isFalling)];
  const all = count(photos.length, "photo");
  byId("count").textContent = pattern ? `${counted(numbers.length)} of ${all}` : all;
  watch?.disconnect();
  const list = byId("photos");
  const chunks = [];
  const numbersOf = new Map();
  for (let start = 0; start < numbers.length; start += PHOTOS_A_CHUNK) {
    const chunk = make("div", { className: "chunk" });
    numbersOf.set(chunk, numbers.slice(start, start + PHOTOS_A_CHUNK));
    chunks.push(chunk);
  }
  list.replaceChildren(...(chunks.length ? chunks : [make("p", { className: "none" }, "No photo has this word.")]));
  if (!chunks.length) return;
  const inReferences = byId("scope").value === "caption" ? null : pattern;
  const fill = (chunk) => {
    chunk.style.minHeight = "";
    chunk.replaceChildren(...numbersOf.get(chunk).map((number) => cardOf(number, inReferences)));
  };
  fill(chunks[0]);
  const height = chunks[0].offsetHeight; // what the others will have, until they are seen
  for (const chunk of chunks.slice(1)) chunk.style.minHeight = `${height}px`;
  watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting && !target.hasChildNodes()) fill(target);
      else if (!isIntersecting && target.hasChildNodes() && !target.contains(document.activeElement)) {
        target.style.minHeight = `${target.offsetHeight}px`;
        target.replaceChildren();
      }
    }
  }, { rootMargin: "1500px 0px" });
  chunks.forEach((chunk) => watch.observe(chunk));
}

function listenToControls() {
  const sort = byId("sort");
  const names = { length: "length", file: "order of the dataset" };
  sort.append(...Object.keys(KEYS).map((name) => make("option", { value: name }, LABELS[name] ?? names[name] ?? name)));
  sort.value = "cider";
  const again = () => {
    showPhotos();
    const hidden = byId("controls").offsetHeight; // they stick to the top
    byId("photos").style.scrollMarginTop = `${hidden}px`;
    if (byId("photos").getBoundingClientRect().top < hidden) byId("photos").scrollIntoView();
  };
  sort.addEventListener("change", again);
  byId("scope").addEventListener("change", again);
  byId("word").addEventListener("input", again);
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("direction").addEventListener("click", () => {
    isFalling = !isFalling;
    again();
  });
  byId("hint").textContent = grid
    ? "Point at a word of a caption, tap it, or go from word to word with the arrow keys: the photo shows where the " +
      "network looked when it said it, and is dark where it did not."
    : "This model has no attention: it is told of the photo once, before its first word.";
}

showScores();
showLengths();
showUnusedWords();
listenToControls();
listenToWords(byId("photos"));
showPhotos();
