// Marks words while you type. The server's offsets are code points, the page's are UTF-16 units.
// Text enters the page through textContent only, so that none of it can become markup.

const $ = (id) => document.getElementById(id);
const PAUSE = 250; // milliseconds after the last key before a request

let words = []; // with UTF-16 offsets into `seen`
let seen = ""; // the text that `words` belong to
let chosen = null;
let threshold = 0.5;
let key = "";
let kinds = ["detect"];
let leftOut = 0; // marked words without suggestions: the server gives them to the most probable only
let example = null;
let timer = 0;
let asking = null; // AbortController of the pending request

// -- requests --------------------------------------------------------------------------------------------------------

async function call(path, options = {}) {
  const headers = { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) };
  const response = await fetch(path, { ...options, headers });
  if (response.status === 401) $("key-form").hidden = false;
  if (!response.ok) {
    const problem = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
    throw Object.assign(new Error(problem.error), { retry: Number(response.headers.get("retry-after")) || 0 });
  }
  return response.json();
}

function later(pause = PAUSE) {
  clearTimeout(timer);
  timer = setTimeout(check, pause);
}

async function check() {
  const text = $("text").value.toWellFormed ? $("text").value.toWellFormed() : $("text").value;
  asking?.abort();
  if (!text.trim()) return show([], text, "Type something, or try an example.");
  asking = new AbortController();
  const { signal } = asking;
  const start = performance.now();
  try {
    const kind = kinds.includes("detect") ? "detect" : "predict";
    const body = { inputs: [text], ...(kind === "detect" && { threshold, suggestions: 5 }) };
    const answer = await call(kind, { method: "POST", body: JSON.stringify(body), signal });
    if (signal.aborted) return;
    $("latency").textContent = `${Math.round(performance.now() - start)} ms`;
    if (kind === "predict") return say(JSON.stringify(answer.results[0]));
    leftOut = answer.without_suggestions[0];
    show(inUnits(text, answer.results[0]), text);
  } catch (problem) {
    if (signal.aborted) return;
    say(problem.message, true);
    if (problem.retry) later(1000 * problem.retry);
  }
}

function inUnits(text, found) {
  const units = [0];
  for (const character of text) units.push(units.at(-1) + character.length);
  return found.map((word) => ({ ...word, start: units[word.start], end: units[word.end] }));
}

// -- display ---------------------------------------------------------------------------------------------------------

const isMarked = (word) => word.replaced >= threshold && !word.exempt;
const percent = (p) => `${Math.round(100 * p)} %`;
const plural = (n) => (n === 1 ? "1 word looks wrong." : `${n} words look wrong.`);

function say(message, isTrouble = false) {
  $("status").classList.toggle("trouble", isTrouble);
  if ($("status").textContent !== message) $("status").textContent = message;
}

function show(found, text, message) {
  [words, seen] = [found, text];
  chosen = words.find((word) => word.start === chosen?.start && word.text === chosen?.text) ?? null;
  draw();
  const marked = words.filter(isMarked);
  say(message ?? (marked.length ? plural(marked.length) : "Nothing looks wrong."));
}

function draw() {
  drawBackdrop();
  drawMarks();
  drawWord();
}

function drawBackdrop() {
  const parts = [];
  let end = 0;
  for (const word of words) {
    if (!isMarked(word) && word !== chosen) continue;
    const mark = document.createElement(isMarked(word) ? "mark" : "span");
    const share = (word.replaced - threshold) / (1.0001 - threshold);
    mark.className = share > 0.6 ? "strong" : share > 0.25 ? "middle" : "";
    mark.classList.toggle("chosen", word === chosen);
    mark.textContent = seen.slice(word.start, word.end);
    parts.push(seen.slice(end, word.start), mark);
    end = word.end;
  }
  $("backdrop").replaceChildren(...parts, seen.slice(end), "\n\u200b"); // an extra line, so that the caret has room
  const place = $("backdrop").querySelector(".chosen");
  if (!place) return;
  $("word").style.setProperty("--x", `${place.offsetLeft}px`);
  $("word").style.setProperty("--y", `${place.offsetTop + place.offsetHeight}px`);
}

function drawMarks() {
  const marked = words.filter(isMarked);
  const focused = [...$("marks").querySelectorAll("button")].indexOf(document.activeElement);
  $("marks").replaceChildren(...marked.map((word) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(spanOf(word.text), spanOf(percent(word.replaced)));
    if (word === chosen) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => select(word, false));
    const item = document.createElement("li");
    item.append(button);
    return item;
  }));
  if (focused >= 0) $("marks").querySelectorAll("button")[focused]?.focus();
  $("no-marks").hidden = marked.length > 0;
  $("copy").hidden = words.length === 0;
}

function spanOf(text) {
  const span = document.createElement("span");
  span.textContent = text;
  return span;
}

function drawWord() {
  $("word").hidden = !chosen;
  if (!chosen) return;
  $("word-text").textContent = chosen.text;
  const kind = chosen.exempt ? "Not judged: a number, a sign, code or a rare name" : isMarked(chosen) ? "Looks wrong" : "Looks right";
  $("word-verdict").textContent = `${kind} (${percent(chosen.replaced)}).`;
  const buttons = (isMarked(chosen) ? chosen.suggestions : []).map((suggestion) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = suggestion || "Remove";
    button.setAttribute("aria-label", suggestion ? `Replace ${chosen.text} by ${suggestion}` : `Remove ${chosen.text}`);
    button.addEventListener("click", () => replace(suggestion));
    return button;
  });
  const none = leftOut ? "No suggestion: too many words are marked." : "No suggestion.";
  const hint = spanOf(buttons.length ? "Rather:" : isMarked(chosen) ? none : "");
  hint.className = "quiet";
  $("word-suggestions").replaceChildren(hint, ...buttons);
}

// -- actions ---------------------------------------------------------------------------------------------------------

function typed() {
  const text = $("text").value;
  showNote(example && example.text === text ? example.note : "");
  let head = 0;
  while (head < text.length && text[head] === seen[head]) head++;
  let tail = 0;
  while (tail < Math.min(text.length, seen.length) - head && text.at(-1 - tail) === seen.at(-1 - tail)) tail++;
  const [shift, rest] = [text.length - seen.length, seen.length - tail];
  // Marks before and after the edit stay until the server answers.
  words = words
    .filter((word) => word.end < head || word.end === head && head === text.length || word.start > rest)
    .map((word) => (word.start > rest ? { ...word, start: word.start + shift, end: word.end + shift } : word));
  seen = text;
  chosen = null;
  draw();
  later();
}

function select(word, toText = true) {
  chosen = word;
  if (toText) {
    $("text").focus();
    $("text").setSelectionRange(word.start, word.start);
  }
  draw();
}

function atCaret() {
  if (document.activeElement !== $("text") || $("text").value !== seen) return;
  const at = $("text").selectionStart;
  const found = words.find((word) => word.start <= at && at < word.end) ?? words.find((word) => word.end === at);
  if (found !== chosen) {
    chosen = found ?? null;
    draw();
  }
}

function nextMark(step) {
  const at = $("text").selectionStart;
  const marked = words.filter(isMarked);
  const next = step > 0 ? marked.find((w) => w.start > at) ?? marked[0] : marked.findLast((w) => w.start < at) ?? marked.at(-1);
  if (next) select(next);
}

function replace(suggestion) {
  const box = $("text");
  box.focus();
  // A word is removed with the space before it.
  const start = chosen.start - (!suggestion && /\s/.test(seen[chosen.start - 1] ?? ""));
  box.setSelectionRange(start, chosen.end);
  // execCommand is deprecated, but only it keeps the change in the undo history; fall back to setRangeText.
  if (!document.execCommand(suggestion ? "insertText" : "delete", false, suggestion)) {
    box.setRangeText(suggestion, start, chosen.end, "end");
    typed();
  }
  later(0);
}

function put(text) {
  $("text").value = text;
  typed();
  later(0);
}

function open(chosenExample) {
  example = chosenExample;
  put(example.text);
}

function showNote(note) {
  $("note").textContent = note ?? "";
  $("note").hidden = !note;
}

function offer(examples) {
  document.querySelectorAll("[data-example]").forEach((button) => button.remove());
  $("clear").before(...examples.map((each) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.example = "";
    button.textContent = each.title;
    button.addEventListener("click", () => {
      open(each);
      $("text").focus();
    });
    return button;
  }));
}

function setThreshold(value) {
  threshold = value;
  $("threshold").value = value;
  $("shown").textContent = percent(value);
  $("threshold").setAttribute("aria-valuetext", percent(value));
}

function turnTheme() {
  const next = { auto: "light", light: "dark", dark: "auto" }[document.documentElement.dataset.theme ?? "auto"];
  document.documentElement.dataset.theme = next;
  $("theme").textContent = `Theme: ${next}`;
}

async function copy() {
  await navigator.clipboard.writeText(JSON.stringify({ text: seen, threshold, words: words.filter(isMarked) }, null, 2));
  say("Copied.");
}

async function start() {
  try {
    const info = await call("info");
    kinds = info.kinds;
    const examples = await call("examples.json");
    offer(info.is_box ? examples.box : examples.other);
    $("model").textContent = info.is_box
      ? "The model in the box, a small network for English, finds misspellings, confused words, wrong forms and doubled words."
      : `The model “${info.model}” marks what it does not expect.`;
    $("text").maxLength = info.max_text_chars;
    setThreshold(Math.max(0.01, Math.round(100 * info.threshold) / 100));
    $("key-form").hidden = true;
    if (info.is_box && !$("text").value) open(examples.box[0]);
    else await check();
  } catch (problem) {
    say(problem.message, true);
  }
}

$("text").addEventListener("input", typed);
document.addEventListener("selectionchange", atCaret);
$("threshold").addEventListener("input", (event) => {
  setThreshold(Number(event.target.value));
  show(words, seen);
});
$("threshold").addEventListener("change", () => later(0)); // words marked now may lack suggestions
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen) {
    chosen = null;
    draw();
  }
  if (event.key !== "F8") return;
  event.preventDefault();
  nextMark(event.shiftKey ? -1 : 1);
});
$("clear").addEventListener("click", () => {
  put("");
  $("text").focus();
});
$("copy").addEventListener("click", copy);
$("theme").addEventListener("click", turnTheme);
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value;
  start();
});
$("languagetool").textContent = `${location.origin}/v2`;
start();
