// one photo

/** The JPEG and the attention of a photo, as they stand in the page, in base64. */
const pictureOf = (number) => byId(`picture-${number}`).textContent.split(" ");

function cardOf(number, pattern) {
  const photo = photos[number];
  const [jpeg, attention] = pictureOf(number);
  const said = photo.words.join("");
  const isSeen = Boolean(grid && attention);
  const picture = jpeg
    ? make("img", { src: `data:image/jpeg;base64,${jpeg}`, alt: said, decoding: "async", loading: "lazy" })
    : make("div", { className: "gone" }, "photo not found");
  const words = photo.words.map((word, place) => {
    const spaces = word.match(/^\s*/)[0];
    if (!isSeen) return [word];
    const button = make("button", { type: "button", className: "word", tabIndex: place ? -1 : 0 }, word.trim());
    button.dataset.place = place;
    return [spaces, button];
  });
  const card = make("article", { className: "photo" },
    make("div", {},
      make("div", { className: "seen" }, picture, isSeen ? make("canvas", { width: grid, height: grid }) : ""),
      make("p", { className: "sure" })),
    make("div", {},
      make("p", { className: "said" }, ...words.flat()),
      make("p", { className: "marks" }, ...content.sentence_scores.map((name, column) =>
        make("span", {}, `${LABELS[name] ?? name} `, make("b", {}, points(photo.scores[column]))))),
      make("ul", { className: "references" },
        ...photo.references.map((text) => make("li", {}, ...marked(text, pattern)))),
      make("p", { className: "name" }, photo.image)));
  card.dataset.number = number;
  return card;
}

/** The text, with what the pattern finds in it marked. */
function marked(text, pattern) {
  if (!pattern) return [text];
  const pieces = [];
  let end = 0;
  for (const found of text.matchAll(pattern)) {
    pieces.push(text.slice(end, found.index), make("mark", {}, found[0]));
    end = found.index + found[0].length;
  }
  return [...pieces, text.slice(end)];
}

let lookedAt = null; // the one card with a word that is lit

/** Where the decoder looked when it said a word: what it looked at less lies in the dark. null: the photo as it is. */
function look(card, word) {
  if (lookedAt !== card && lookedAt !== null) look(lookedAt, null);
  lookedAt = word ? card : null;
  card.querySelectorAll(".lit").forEach((lit) => lit.classList.remove("lit"));
  const seen = card.querySelector(".seen");
  const sure = card.querySelector(".sure");
  seen.classList.toggle("looking", Boolean(word));
  sure.textContent = "";
  if (!word) return;
  word.classList.add("lit");
  const place = Number(word.dataset.place);
  const photo = photos[card.dataset.number];
  sure.textContent = `“${photo.words[place].trim()}” with probability ${photo.probabilities[place].toFixed(2)}`;
  const bytes = atob(pictureOf(card.dataset.number)[1]);
  const context = seen.querySelector("canvas").getContext("2d");
  const pixels = context.createImageData(grid, grid);
  // black, thinner where the network looked; to the power of 0.7, or only the brightest region would be seen
  for (let region = 0; region < grid * grid; region++)
    pixels.data[4 * region + 3] = 204 * (1 - (bytes.charCodeAt(place * grid * grid + region) / 255) ** 0.7);
  context.putImageData(pixels, 0, 0);
}

function listenToWords(list) {
  const wordOf = (event) => event.target.closest?.(".word");
  const cardOfWord = (word) => word.closest(".photo");
  const lookAt = (event) => {
    const word = wordOf(event);
    if (word) look(cardOfWord(word), word);
  };
  const lookAway = (event) => {
    const word = wordOf(event);
    if (!word) return;
    const focused = cardOfWord(word).querySelector(".word:focus-visible");
    look(cardOfWord(word), focused === word && event.type === "focusout" ? null : focused);
  };
  // a finger says neither "over" nor "out": it taps, and the word stays lit until another is
  list.addEventListener("pointerover", (event) => event.pointerType === "mouse" && lookAt(event));
  list.addEventListener("pointerout", (event) => event.pointerType === "mouse" && lookAway(event));
  list.addEventListener("focusin", lookAt);
  list.addEventListener("focusout", lookAway);
  list.addEventListener("click", lookAt);
  list.addEventListener("keydown", (event) => {
    const word = wordOf(event);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!word || !step) return;
    const words = [...cardOfWord(word).querySelectorAll(".word")];
    const next = words[words.indexOf(word) + step];
    if (!next) return;
    event.preventDefault();
    words.forEach((other) => (other.tabIndex = other === next ? 0 : -1));
    next.focus();
  });
}
