// What the page says, in the language of the browser.

const WORDS = {
  en: {
    api: "API",
    invitation: "What is in your photos?",
    how: "Drop photos anywhere on this page, paste them, or choose some.",
    choose: "Choose photos",
    photograph: "Take a photo",
    stays: "Your photos stay on this machine.",
    "stays-there": "Your photos go to the computer that this page comes from, and no further.",
    drop: "Drop to caption",
    csv: "Download CSV",
    jsonl: "Download JSON Lines",
    clear: "Clear all",
    hint: "Touch a word, or move between words with the arrow keys: the photo is bright where the network looked when it said it.",
    percents: "Percentages tell how sure the network is of a word, on average. Captions are ranked as a whole: a lower one may have the higher percentage.",
    locked: "This server wants its token",
    "token-from": "Whoever started it knows it: what was given with --token.",
    token: "Token",
    unlock: "Go on",
    "wrong-token": "That is not its token.",
    waiting: "Waiting",
    working: "Looking",
    copy: "Copy as alt text",
    copied: "Copied: {text}",
    "copied-short": "Copied",
    "not-copied-short": "Not copied",
    "not-copied": "The browser does not let this page copy.",
    again: "Try again",
    remove: "Remove",
    "of-photo": "{action}: {name}",
    "no-view": "The browser cannot show this photo",
    "photo-of": "Photo {name}, not captioned yet",
    words: "{text} Word by word: where the network looked",
    candidates: "Captions, the likeliest first",
    sure: "{percent}%",
    "sure-of": "how sure the network is of a word, on average: {percent}%",
    "too-large": "{name}: larger than the {most} MB that this server takes",
    unreachable: "The server cannot be reached.",
    empty: "No photo was found in what was dropped.",
    added: { one: "1 photo added", other: "{count} photos added" },
    photos: { one: "1 photo", other: "{count} photos" },
    done: "{photos}, {captioned} captioned",
    failed: ", {failed} failed",
    ready: "All done: {captioned} captioned",
    said: "{name}: {text}",
  },
  ko: {
    api: "API",
    invitation: "사진 속에 무엇이 있나요?",
    how: "이 페이지 어디에나 사진을 끌어다 놓거나, 붙여 넣거나, 골라 주세요.",
    choose: "사진 고르기",
    photograph: "사진 찍기",
    stays: "사진은 이 컴퓨터를 떠나지 않습니다.",
    "stays-there": "사진은 이 페이지를 보내 준 컴퓨터로만 가고, 다른 곳으로 가지 않습니다.",
    drop: "놓으면 캡션을 만듭니다",
    csv: "CSV 내려받기",
    jsonl: "JSON Lines 내려받기",
    clear: "모두 지우기",
    hint: "단어를 누르거나 화살표 키로 단어 사이를 옮겨 보세요. 그 단어를 말할 때 신경망이 본 곳이 사진에서 밝게 보입니다.",
    percents: "퍼센트는 신경망이 단어마다 확신하는 정도의 평균입니다. 순서는 문장 전체로 정하므로 아래 캡션의 퍼센트가 더 높을 수 있습니다.",
    locked: "이 서버에는 토큰이 필요합니다",
    "token-from": "서버를 시작할 때 --token 으로 정한 값입니다.",
    token: "토큰",
    unlock: "계속",
    "wrong-token": "맞지 않는 토큰입니다.",
    waiting: "기다리는 중",
    working: "보는 중",
    copy: "대체 텍스트로 복사",
    copied: "복사했습니다: {text}",
    "copied-short": "복사했습니다",
    "not-copied-short": "복사하지 못했습니다",
    "not-copied": "브라우저가 복사를 허락하지 않습니다.",
    again: "다시 시도",
    remove: "지우기",
    "of-photo": "{action}: {name}",
    "no-view": "브라우저가 보여 줄 수 없는 사진입니다",
    "photo-of": "아직 캡션이 없는 사진 {name}",
    words: "{text} 단어마다 신경망이 본 곳",
    candidates: "캡션 후보, 가장 그럴듯한 것부터",
    sure: "{percent}%",
    "sure-of": "단어마다 신경망이 확신하는 정도의 평균: {percent}%",
    "too-large": "{name}: 이 서버가 받는 {most} MB보다 큽니다",
    unreachable: "서버에 연결할 수 없습니다.",
    empty: "놓은 것 가운데 사진이 없습니다.",
    added: { other: "사진 {count}장을 더했습니다" },
    photos: { other: "사진 {count}장" },
    done: "{photos}, 캡션 {captioned}개",
    failed: ", 실패 {failed}개",
    ready: "모두 끝났습니다: 캡션 {captioned}개",
    said: "{name}: {text}",
  },
};

export const language = navigator.languages.map((each) => each.slice(0, 2)).find((each) => each in WORDS) ?? "en";
const plural = new Intl.PluralRules(language);

export const SERVER_LANGUAGE = "en"; // of its messages

/** The text of that key, with `{names}` filled in; of counted ones the form that fits `count`. */
export function say(key, values = {}) {
  const words = WORDS[language][key];
  const text = typeof words === "string" ? words : (words[plural.select(values.count)] ?? words.other);
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Puts the browser's language in place of the English that the page comes with. */
export function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-says]")) element.textContent = say(element.dataset.says);
}

/** The language that a caption is most likely in, by its letters. */
export function languageOf(text) {
  if (/\p{Script=Hangul}/u.test(text)) return "ko";
  if (/\p{Script=Hiragana}|\p{Script=Katakana}/u.test(text)) return "ja";
  return /\p{Script=Han}/u.test(text) ? "zh" : "en";
}
