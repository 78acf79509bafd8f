// The page: photos come in, cards tell of them, what was said goes out as a file.

import { receive } from "./arriving.js";
import { Card } from "./card.js";
import { asCsv, asJsonLines, download } from "./records.js";
import { about, askWith, send, takeToken } from "./sending.js";
import { SERVER_LANGUAGE, say, translate } from "./words.js";

const find = (id) => document.getElementById(id);
const cards = new Set();
let mostMegabytes = Infinity;
let announced = 0; // photos that were settled when that was last said

if (!["localhost", "127.0.0.1", "[::1]"].includes(location.hostname)) find("stays").dataset.says = "stays-there";
translate();
takeToken();
receive(take);
askWith(askToken);
about().then(
  (model) => {
    find("model").textContent = model.name;
    mostMegabytes = model.max_upload_mb;
  },
  () => announce(say("unreachable")),
);
find("csv").addEventListener("click", () => download("captions.csv", "text/csv;charset=utf-8", asCsv(records())));
find("jsonl").addEventListener("click", () => download("captions.jsonl", "application/jsonl", asJsonLines(records())));
find("clear").addEventListener("click", clear);

function take(files) {
  if (files.length === 0) {
    announce(say("empty"));
    return;
  }
  for (const { file, name } of files) {
    const card = new Card(file, name, { announce, again: sent, removed: remove });
    cards.add(card);
    find("photos").append(card.element);
    sent(card);
  }
  announce(say("added", { count: files.length }));
  count();
}

function sent(card) {
  const { file, name } = card;
  if (file.size + 2000 > mostMegabytes * 1e6) {
    card.failed(say("too-large", { name, most: mostMegabytes }), { mayHelp: false });
    count();
    return;
  }
  card.waiting();
  announced = Math.min(announced, cards.size - 1); // when it is done, that is told
  count();
  send({
    file,
    name,
    isWanted: () => card.isThere,
    began: () => card.working(),
    ended: (record) => {
      if ("text" in record) {
        card.captioned(record);
        find("percents").hidden = false;
      } else card.failed(record.error.message, { record, lang: SERVER_LANGUAGE });
      find("hint").hidden &&= !record.attention;
      count();
    },
    failed: (message) => {
      if (message) card.failed(message, { lang: SERVER_LANGUAGE });
      else card.failed(say("unreachable"));
      count();
    },
  });
}

function remove(card) {
  const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
  card.forget();
  cards.delete(card);
  count();
  (next?.querySelector(".remove") ?? find("choose")).focus(); // what had the focus is gone
}

function clear() {
  for (const card of cards) card.forget();
  cards.clear();
  announced = 0;
  count();
  find("choose").focus();
}

/** Tells how far it is: always by sight, aloud when all that came is done. */
function count() {
  const all = [...cards];
  const captioned = all.filter((card) => card.record?.text !== undefined).length;
  const settled = all.filter((card) => card.isSettled).length;
  const failed = settled - captioned ? say("failed", { failed: settled - captioned }) : "";
  document.body.classList.toggle("is-empty", all.length === 0);
  find("results").hidden = all.length === 0;
  find("count").textContent = say("done", { photos: say("photos", { count: all.length }), captioned }) + failed;
  for (const id of ["csv", "jsonl"]) find(id).disabled = captioned === 0;
  if (settled === all.length && settled > announced) {
    const [only] = all;
    const one = all.length === 1 && only.record?.text;
    announce(one ? say("said", { name: only.name, text: only.record.text }) : say("ready", { captioned }) + failed);
  }
  if (settled === all.length) announced = settled;
}

function records() {
  return [...cards].map((card) => card.record).filter((record) => record !== null);
}

function announce(text) {
  find("status").textContent = text;
}

/** Promises the token that the user gives. isWrong: whether one was shown and not accepted. */
function askToken(isWrong) {
  return new Promise((resolve) => {
    find("wrong").textContent = isWrong ? say("wrong-token") : "";
    find("token").value = "";
    find("ask").oncancel = (event) => event.preventDefault(); // without it nothing can be asked of the server
    find("ask-form").onsubmit = (event) => {
      event.preventDefault();
      find("ask").close();
      resolve(find("token").value);
    };
    find("ask").showModal();
  });
}
