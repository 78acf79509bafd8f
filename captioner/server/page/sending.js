// Photos on their way to the server, a few at a time, in order; what it says comes back by photo.

const AT_ONCE = 4;
const CANDIDATES = 3;
const TOKEN = "captioner-token";

const waiting = [];
let working = 0;
let restUntil = 0; // when a server that was busy may be asked again
let asked = null; // promises a token, while it is asked for
let askToken;

/** What the server says of itself: its model, and what it takes. */
export async function about() {
  const response = await answered((headers) => fetch("/api/models", { headers }));
  return (await response.json())[0];
}

/** Once, before anything else. ask(isWrong): promises the token that the user gives. */
export function askWith(ask) {
  askToken = ask;
}

/** Takes the token from the address, where it does not stay. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return;
  sessionStorage.setItem(TOKEN, given);
  history.replaceState(null, "", location.pathname);
}

/**
 * Sends a photo when its turn comes.
 * job: { file, isWanted(), began(), ended(record), failed(message) }, where message is "" for a server out of reach.
 */
export function send(job) {
  waiting.push(job);
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
  job.began();
  try {
    const response = await answered((headers) => post(job.file, headers));
    if (response.status === 503) {
      restUntil = Date.now() + 1000 * Number(response.headers.get("Retry-After") ?? 1);
      waiting.unshift(job);
      return;
    }
    const said = await response.json();
    if (Array.isArray(said)) job.ended(said[0]);
    else job.failed(said.error.message);
  } catch {
    job.failed("");
  }
}

function post(file, authorization) {
  const headers = { ...authorization, Prefer: "handling=lenient" }; // a photo that fails is no failure of the request
  const body = new FormData();
  body.append("files", file, file.name);
  const asked = `candidates=${CANDIDATES}&attention=true`;
  return fetch(`/api/captions?${asked}`, { method: "POST", body, headers });
}

/** The response to `request(headers)`, sent anew with each token that is given until one is accepted. */
async function answered(request) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const response = await request(token === null ? {} : { Authorization: `Bearer ${token}` });
    if (response.status !== 401) return response;
    if (token === sessionStorage.getItem(TOKEN)) await newToken(token !== null); // else it was given meanwhile
  }
}

async function newToken(isWrong) {
  asked ??= askToken(isWrong);
  sessionStorage.setItem(TOKEN, await asked);
  asked = null;
  next();
}
