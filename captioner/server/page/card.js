// A photo on the page: what it shows while it waits, when it is captioned, and when it failed.

import { unveil, veil } from "./attention.js";
import { thumbnail } from "./thumbnails.js";
import { language, languageOf, say } from "./words.js";

const STATES = ["is-waiting", "is-working", "is-captioned", "is-failed"];

export class Card {
  #isForgotten = false;

  /** name: of the file, or its path in a folder; heard: { announce(text), again(card), removed(card) } */
  constructor(file, name, heard) {
    this.file = file;
    this.name = name;
    this.record = null; // what the server said of it
    this.element = document.getElementById("card").content.firstElementChild.cloneNode(true);
    this.#find("h3").textContent = name;
    this.#button("copy", () => this.#copy(heard.announce));
    this.#button("again", () => heard.again(this));
    this.#button("remove", () => heard.removed(this));
    this.waiting();
    this.#look();
  }

  get isThere() {
    return this.element.isConnected;
  }

  get isSettled() {
    return this.record !== null || this.element.classList.contains("is-failed");
  }

  waiting() {
    this.record = null;
    this.#show("is-waiting", say("waiting"));
  }

  working() {
    this.#show("is-working", say("working"));
  }

  /** record: the server's, if it had one; mayHelp: whether trying again may; lang: the message's. */
  failed(message, { record = null, mayHelp = true, lang = language } = {}) {
    this.record = record;
    this.#show("is-failed", message, lang);
    this.#find(".again").hidden = !mayHelp;
  }

  captioned(record) {
    this.record = record;
    this.#show("is-captioned", "");
    this.#find(".copy").hidden = false;
    const image = this.#find("img");
    if (image) image.alt = record.text;
    this.#showWords(record);
    this.#showCandidates(record.candidates ?? []);
  }

  forget() {
    const image = this.#find("img");
    if (image) URL.revokeObjectURL(image.src);
    this.#isForgotten = true;
    this.element.remove();
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }

  #button(name, pressed) {
    const button = this.#find(`.${name}`);
    button.textContent = say(name);
    button.setAttribute("aria-label", say("of-photo", { action: say(name), name: this.name }));
    button.addEventListener("click", pressed);
  }

  #show(state, text, lang = language) {
    this.element.classList.remove(...STATES);
    this.element.classList.add(state);
    this.#find(".state").textContent = text;
    this.#find(".state").lang = lang;
    this.#find(".again").hidden = true;
  }

  async #look() {
    const address = await thumbnail(this.file);
    if (this.#isForgotten) {
      if (address !== null) URL.revokeObjectURL(address);
      return;
    }
    const frame = this.#find(".frame");
    if (address === null) {
      const tile = document.createElement("p");
      tile.className = "no-view";
      tile.textContent = say("no-view");
      frame.prepend(tile);
      return;
    }
    const image = new Image();
    image.src = address;
    image.alt = this.record?.text ?? say("photo-of", { name: this.name });
    frame.prepend(image);
  }

  #showWords({ text, attention }) {
    const caption = this.#find(".caption");
    caption.lang = languageOf(text);
    const places = placesOf(text, attention?.map(({ word }) => word) ?? []);
    if (!places?.length) {
      caption.textContent = text;
      return;
    }
    caption.setAttribute("aria-label", say("words", { text }));
    const buttons = attention.map(({ word, map }) => this.#wordButton(word, map));
    buttons.forEach((button, number) => {
      const before = number ? places[number - 1].end : 0;
      caption.append(text.slice(before, places[number].start), button); // with the spaces that the caption has
    });
    caption.append(text.slice(places.at(-1).end));
    buttons[0].tabIndex = 0;
    caption.addEventListener("keydown", (event) => moveBetween(buttons, event));
  }

  #wordButton(word, map) {
    const button = document.createElement("button");
    const canvas = this.#find("canvas");
    button.type = "button";
    button.textContent = word;
    button.tabIndex = -1;
    const show = () => {
      this.#find(".is-shown")?.classList.remove("is-shown");
      button.classList.add("is-shown");
      veil(canvas, map);
    };
    const hide = () => {
      button.classList.remove("is-shown");
      if (!this.#find(".is-shown")) unveil(canvas);
    };
    button.addEventListener("pointerenter", show);
    button.addEventListener("focus", show);
    button.addEventListener("click", show);
    button.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hide());
    button.addEventListener("blur", hide);
    return button;
  }

  #showCandidates(candidates) {
    const list = this.#find(".candidates");
    list.setAttribute("aria-label", say("candidates"));
    for (const { text, confidence } of candidates) {
      const percent = Math.round(100 * confidence);
      const item = document.createElement("li");
      const [said, share, figure] = ["span", "span", "span"].map((name) => document.createElement(name));
      said.textContent = text;
      said.lang = languageOf(text);
      share.className = "share";
      share.setAttribute("aria-hidden", "true");
      share.append(document.createElement("span"));
      share.firstChild.style.width = `${percent}%`;
      figure.className = "figure";
      figure.textContent = say("sure", { percent });
      item.title = say("sure-of", { percent });
      item.append(said, share, figure);
      list.append(item);
    }
  }

  async #copy(announce) {
    const { text } = this.record;
    const isCopied = await copied(text);
    announce(isCopied ? say("copied", { text }) : say("not-copied"));
    const button = this.#find(".copy");
    button.textContent = say(isCopied ? "copied-short" : "not-copied-short");
    clearTimeout(this.copyTimer);
    this.copyTimer = setTimeout(() => (button.textContent = say("copy")), 2000);
  }
}

/** Whether the text is on the clipboard now; over plain HTTP from another machine a browser has only the old way. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    const focused = document.activeElement;
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return isCopied;
  }
}

/** Where each word stands in the text, `{ start, end }`, in order; null where one does not. */
function placesOf(text, words) {
  let end = 0;
  const places = words.map((word) => {
    const start = text.indexOf(word, end);
    end = start + word.length;
    return { start, end };
  });
  return places.every(({ start }) => start >= 0) ? places : null;
}

/** Arrow keys, Home and End: one word of a caption is in the order of tabs, the others are beside it. */
function moveBetween(buttons, event) {
  const at = buttons.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 };
  const button = buttons[to[event.key]];
  if (at < 0 || !button) return;
  event.preventDefault();
  buttons[at].tabIndex = -1;
  button.tabIndex = 0;
  button.focus();
}
