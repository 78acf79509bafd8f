// Photos on their way to the server, a few at a time, in order; what it says comes back by photo.

const AT_ONCE = 4;
const CANDIDATES = 3;
const TOKEN = "captioner-token";

let token = kept(); // that the server wants
let mostCandidates = CANDIDATES;
let known = Promise.resolve(); // when the server has told of itself

const waiting = [];
let sent = 0; // so many jobs came; the next one's number
let working = 0;
let restUntil = 0; // when a server that was busy may be asked again
let asked = null; // promises a token, while it is asked for
let askToken;

/** What the server says of itself: its model, and what it takes. */
export function about() {
  known = ask();
  return known;
}

async function ask() {
  const response = await answered((headers) => fetch("/api/models", { headers }));
  const [model] = await response.json();
  mostCandidates = Math.min(CANDIDATES, model.most_candidates);
  return model;
}

/** Once, before anything else. ask(isWrong): promises the token that the user gives. */
export function askWith(ask) {
  askToken = ask;
}

/** Takes the token from the address, where it does not stay. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return;
  keep(given);
  history.replaceState(null, "", location.pathname);
}

/**
 * Sends a photo when its turn comes.
 * job: { file, name, isWanted(), began(), ended(record), failed(message) }, where message is "" for a server out of reach.
 */
export function send(job) {
  waiting.push({ ...job, number: sent++ });
  next();
}

function next() {
  const rest = restUntil - Date.now();
  if (rest > 0) {
    setTimeout(next, rest);
    return;
  }
  while (working < AT_ONCE && waiting.length > 0 && !asked) {
    const job = waiting.shift();
    if (!job.isWanted()) continue;
    working += 1;
    caption(job).finally(() => {
      working -= 1;
      next();
    });
  }
}

async function caption(job) {
  let said;
  job.began();
  await known.catch(() => null); // that it cannot be reached, the photo will tell
  try {
    const response = await answered((headers) => post(job, headers));
    if (response.status === 503) {
      restUntil = Date.now() + 1000 * secondsOf(response.headers.get("Retry-After"));
      waiting.push(job);
      waiting.sort((one, other) => one.number - other.number); // several may have been sent back, in any order
      return;
    }
    said = await response.json();
  } catch {
    job.failed("");
    return;
  }
  if (Array.isArray(said)) job.ended(said[0]);
  else job.failed(said.error.message);
}

function secondsOf(retryAfter) {
  const seconds = Number(retryAfter ?? 1);
  return seconds >= 0 ? seconds : 5; // it may be a date
}

function post({ file, name }, authorization) {
  const headers = { ...authorization, Prefer: "handling=lenient" }; // a photo that fails is no failure of the request
  const body = new FormData();
  body.append("files", file, name);
  const asked = `candidates=${mostCandidates}&attention=true`;
  return fetch(`/api/captions?${asked}`, { method: "POST", body, headers });
}

/** The response to `request(headers)`, sent anew with each token that is given until one is accepted. */
async function answered(request) {
  for (;;) {
    const shown = token;
    const response = await request(shown === null ? {} : { Authorization: `Bearer ${shown}` });
    if (response.status !== 401) return response;
    if (token === shown) await newToken(shown !== null); // else it was given meanwhile
  }
}

async function newToken(isWrong) {
  asked ??= askToken(isWrong);
  keep(await asked);
  asked = null;
  next();
}

function kept() {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null; // a browser may deny it
  }
}

function keep(given) {
  token = given;
  try {
    sessionStorage.setItem(TOKEN, given);
  } catch {
    // then it lasts until the page is left
  }
}
