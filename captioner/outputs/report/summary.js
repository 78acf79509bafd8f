"use strict";

const content = JSON.parse(document.getElementById("content").textContent);
const { result, photos, grid } = content;
const LABELS = {
  bleu_1: "BLEU-1", bleu_2: "BLEU-2", bleu_3: "BLEU-3", bleu_4: "BLEU-4",
  rouge_l: "ROUGE-L", cider: "CIDEr-D", meteor: "METEOR", spice: "SPICE",
};
const MOST_LENGTHS = 30; // longer ones share a bar
const byId = (id) => document.getElementById(id);
const counted = (number) => number.toLocaleString("en");
const count = (number, noun) => `${counted(number)} ${noun}${number === 1 ? "" : "s"}`;
const share = (part) => `${(100 * part).toFixed(1)}%`;
const points = (fraction) => (100 * fraction).toFixed(1);

/** An element; children are elements or text, which is never read as markup. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// the head of the page

function showScores() {
  const each = result.references_per_photo;
  const references = each.min === each.max ? count(each.min, "reference") : `${each.min} to ${each.max} references`;
  document.title = `captioner: ${result.model} on ${result.split}`;
  byId("title").textContent = `${result.model} on the ${result.split} split`;
  byId("about").textContent =
    `${count(result.num_photos, "photo")}, ${references} a photo, beam of ${result.beam_size}, ` +
    `tokenizer ${result.tokenizer}`;
  const level = `${Math.round(100 * result.bootstrap.level)}%`;
  byId("scale").textContent =
    `Scores are printed as in papers, times 100; bars are intervals of ${level}, ` +
    `${count(result.bootstrap.resamples, "resample")} of photos. ` +
    "Of single photos BLEU-4 is smoothed (Lin and Och 2004: one is added to matches and guesses above single words), " +
    "and CIDEr-D counts words by how rare they are in the references of all these photos.";
  for (const [name, [low, high]] of Object.entries(result.intervals)) {
    const whole = Math.max(1, 1.1 * high);
    const bar = make("i");
    bar.style.left = `${(100 * low) / whole}%`;
    bar.style.right = `${100 - (100 * high) / whole}%`;
    byId("scores").append(make("div", { className: "score" },
      LABELS[name] ?? name, make("b", {}, points(result[name])),
      make("span", { className: "quiet" }, `${points(low)} to ${points(high)}`),
      make("div", { className: "interval" }, bar)));
  }
  const wording = {
    "distinct captions": `${counted(result.num_distinct_captions)} of ${counted(result.num_photos)}`,
    "words a caption": result.mean_words.toFixed(1),
    "broken endings": share(result.broken_endings),
    "repeated phrases": share(result.repeated_phrases),
  };
  if (result.from_train !== undefined) wording["said word for word in a train caption"] = share(result.from_train);
  for (const [term, value] of Object.entries(wording))
    byId("wording").append(make("div", {}, make("dt", {}, term), make("dd", {}, value)));
}

function showLengths() {
  const sum = (counts) => counts.reduce((total, number) => total + number, 0);
  const cut = (counts) => [...counts.slice(0, MOST_LENGTHS), sum(counts.slice(MOST_LENGTHS))];
  const shares = (counts) => cut(counts).map((number) => number / sum(counts));
  const of = { captions: shares(content.lengths.captions), references: shares(content.lengths.references) };
  const at = (kind, length) => of[kind][length] ?? 0;
  const lengths = [...Array(MOST_LENGTHS + 1).keys()].filter((n) => at("captions", n) || at("references", n));
  const first = lengths[0], last = lengths.at(-1);
  const most = Math.max(...of.captions, ...of.references);
  const step = last - first > 16 ? 5 : last - first > 8 ? 2 : 1;
  const bars = document.querySelector("#lengths .bars");
  let isMarked = false;
  for (let length = first; length <= last; length++) {
    const name = length === MOST_LENGTHS ? `${length}+` : `${length}`;
    const shared = ["captions", "references"].map((kind) => `${share(at(kind, length))} of the ${kind}`).join(", ");
    const column = make("div", { title: `${name} tokens: ${shared}` });
    for (const kind of ["captions", "references"]) {
      const bar = make("i", { className: `of-${kind}` });
      bar.style.height = `${(90 * at(kind, length)) / most}%`;
      column.append(bar);
    }
    if (!isMarked && Math.max(at("captions", length), at("references", length)) === most) {
      column.classList.add("most");
      column.dataset.share = share(most);
      isMarked = true;
    }
    if (length % step === 0 || length === MOST_LENGTHS) column.append(make("span", {}, name));
    bars.append(column);
  }
}

function showUnusedWords() {
  const { size, unused } = content.vocabulary;
  const missed = unused.filter(([, times]) => times > 0);
  const others = unused.slice(missed.length).map(([word]) => word);
  byId("unused-count").textContent =
    `${counted(unused.length)} of the vocabulary's ${count(size, "word")}` +
    (missed.length ? "; first those that these photos' references say, and how often" : "");
  byId("unused-words").append(
    ...missed.map(([word, times]) =>
      make("button", { type: "button", value: word }, `${word} `, make("span", {}, counted(times)))),
    others.length ? make("p", { className: "quiet" }, others.join("  ")) : "");
  byId("unused-words").addEventListener("click", ({ target }) => {
    const word = target.closest("button")?.value;
    if (!word) return;
    byId("word").value = word;
    byId("scope").value = "references";
    showPhotos();
    byId("controls").scrollIntoView();
  });
}
