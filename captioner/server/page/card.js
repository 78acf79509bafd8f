// A photo on the page: what it shows while it waits, when it is captioned, and when it failed.

import { unveil, veil } from "./attention.js";
import { thumbnail } from "./thumbnails.js";
import { languageOf, say } from "./words.js";

const STATES = ["is-waiting", "is-working", "is-captioned", "is-failed"];

export class Card {
  /** heard: { announce(text), again(card), removed(card) } */
  constructor(file, heard) {
    this.file = file;
    this.record = null; // what the server said of it
    this.element = document.getElementById("card").content.firstElementChild.cloneNode(true);
    this.#find("figcaption").textContent = file.name;
    this.#button("copy", () => this.#copy(heard.announce));
    this.#button("again", () => heard.again(this));
    this.#button("remove", () => heard.removed(this));
    this.#show("is-waiting", say("waiting"));
    this.#look();
  }

  get isThere() {
    return this.element.isConnected;
  }

  get isSettled() {
    return this.record !== null || this.element.classList.contains("is-failed");
  }

  working() {
    this.#show("is-working", say("working"));
  }

  failed(message, record = null) {
    this.record = record;
    this.#show("is-failed", message);
    this.#find(".again").hidden = false;
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
    this.element.remove();
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }

  #button(name, pressed) {
    const button = this.#find(`.${name}`);
    button.textContent = say(name);
    button.setAttribute("aria-label", say("of-photo", { action: say(name), name: this.file.name }));
    button.addEventListener("click", pressed);
  }

  #show(state, text) {
    this.element.classList.remove(...STATES);
    this.element.classList.add(state);
    this.#find(".state").textContent = text;
    this.#find(".again").hidden = true;
  }

  async #look() {
    const address = await thumbnail(this.file);
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
    image.alt = this.record?.text ?? say("photo-of", { name: this.file.name });
    frame.prepend(image);
  }

  #showWords({ text, attention }) {
    const caption = this.#find(".caption");
    caption.lang = languageOf(text);
    if (!attention) {
      caption.textContent = text;
      return;
    }
    caption.setAttribute("aria-label", say("words", { text }));
    const buttons = attention.map(({ word, map }) => this.#wordButton(word, map));
    let end = 0;
    attention.forEach(({ word }, number) => {
      const start = text.indexOf(word, end);
      caption.append(text.slice(end, start), buttons[number]); // with the spaces that the caption has
      end = start + word.length;
    });
    caption.append(text.slice(end));
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
    try {
      await navigator.clipboard.writeText(this.record.text);
      announce(say("copied", { text: this.record.text }));
    } catch {
      announce(say("not-copied"));
    }
  }
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
