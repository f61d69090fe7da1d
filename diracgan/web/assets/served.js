// What needs Python, where `diracgan explore` serves the page: verdicts, thresholds, and a real GAN on one point.

import "./app.js";
import { variants } from "./model.js";
import { isFlow, ruleOf, specOf } from "./state.js";

const SETTLED = 500; // ms after the last move before anything is asked
const LOOK = 700;

const typed = (values) => Object.fromEntries(Object.entries(values).filter(([, x]) => x !== undefined && x !== null).map(([k, x]) => [k, x === true ? "True" : x === false ? "False" : String(x)]));

/** What the page shows, as Python reads it. */
function shown() {
  const state = window.diracgan.state();
  const d = state.dim;
  return {
    variants: state.variants.map((v) => ({ name: v.name, typed: { ...(variants.get(v.name).options ?? {}), ...typed(v.values) } })),
    rule: { name: isFlow(state) ? "flow" : ruleOf(state).name, typed: isFlow(state) ? {} : typed(state.rule.values) },
    phi0: state.z0.slice(0, d).join(","),
    theta0: state.z0.slice(d).join(","),
    x0: state.x0.slice(0, d).join(","),
    length: String(isFlow(state) ? state.t1 : state.steps),
  };
}

async function ask(path, question, signal = null) {
  try {
    const answer = await window.fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(question), signal });
    return answer.ok ? await answer.json() : { error: await answer.text() };
  } catch {
    return { error: "no answer: is `diracgan explore` still running?" };
  }
}

function element(name, given = {}, ...inside) {
  const made = Object.assign(document.createElement(name), given);
  made.append(...inside);
  return made;
}

const verdicts = element("ul", { id: "verdicts", className: "told" });
const which = element("select", { id: "turned" });
const find = element("button", { type: "button", textContent: "Find thresholds" });
const found = element("ul", { id: "thresholds", className: "told" });
const train = element("button", { type: "button", id: "train", className: "wide", textContent: "Train a real GAN on one point" });
const said = element("p", { id: "trained", className: "note" });
const picture = element("img", { alt: "", hidden: true });
picture.style.width = "100%";
for (const list of [verdicts, found]) {
  list.setAttribute("aria-live", "polite");
  list.style.cssText = "margin:6px 0;padding-left:18px;font-size:13px";
}

function lines(list, answer) {
  const names = window.diracgan.state().variants.map((v) => specOf(v, variants.get(v.name)));
  const texts = answer.error ? [answer.error] : answer.lines.map((line, k) => (names.length > 1 ? `${names[k]}: ${line}` : line));
  list.replaceChildren(...texts.map((text) => element("li", { textContent: text })));
}

function parameters() {
  const state = window.diracgan.state();
  const own = variants.get(state.variants[0].name).parameters.filter((p) => !p.choices);
  const turned = [...own, ...(isFlow(state) ? [] : ruleOf(state).parameters.filter((p) => p.name === "lr"))];
  const [names, before] = [turned.map((p) => p.name), which.value];
  which.replaceChildren(...turned.map((p) => element("option", { value: p.name, textContent: p.symbol, title: p.help })));
  if (names.includes(before)) which.value = before;
}

let asked = "";
let serial = 0;
let timer = 0;
let waiting = new AbortController();

/** Ask for the verdict of what has stood still for a while; older questions are taken back, which ends them. */
async function judge() {
  const question = JSON.stringify(shown());
  if (question === asked) return;
  asked = question;
  const mine = ++serial;
  waiting.abort();
  waiting = new AbortController();
  parameters();
  found.replaceChildren();
  verdicts.replaceChildren(element("li", { textContent: "judging …" }));
  const answer = await ask("ask", { what: "verdict", state: JSON.parse(question) }, waiting.signal);
  if (mine === serial) lines(verdicts, answer);
}

function moved() {
  window.clearTimeout(timer);
  timer = window.setTimeout(judge, SETTLED);
}

find.addEventListener("click", async () => {
  const mine = serial;
  found.replaceChildren(element("li", { textContent: "searching …" }));
  const answer = await ask("ask", { what: "thresholds", parameter: which.value, state: shown() }, waiting.signal);
  if (mine === serial) lines(found, answer);
});

async function look(answer) {
  said.textContent = answer.error ?? answer.text;
  if (answer.png) {
    picture.src = `data:image/png;base64,${answer.png}`;
    picture.alt = answer.text;
    picture.hidden = false;
  }
  train.textContent = answer.running ? "Stop" : "Train a real GAN on one point";
  if (answer.running) window.setTimeout(async () => look(await ask("train", { do: "look" })), LOOK);
}

train.addEventListener("click", async () => {
  const running = train.textContent === "Stop";
  look(await ask("train", running ? { do: "stop" } : { do: "start", state: shown() }));
});

/** A file that Python makes of what is shown. */
function taken(what, text) {
  const button = element("button", { type: "button", textContent: text });
  button.addEventListener("click", async () => {
    button.disabled = true;
    const answer = await ask("ask", { what, state: shown() });
    button.disabled = false;
    if (answer.error) said.textContent = answer.error;
    else element("a", { download: answer.name, href: `data:${answer.type};base64,${answer.data}` }).click();
  });
  return button;
}

const box = element(
  "fieldset",
  { id: "python" },
  element("legend", { textContent: "What truly happens (asked of Python)" }),
  verdicts,
  element("div", { className: "row" }, element("label", {}, "turn ", which), find),
  found,
  train,
  said,
  picture,
  element("div", { className: "row" }, taken("picture", "Picture (.png)"), taken("numbers", "Numbers (.csv)")),
);
document.getElementById("same").before(box);
for (const kind of ["pointerup", "keyup", "change", "click", "popstate"]) window.addEventListener(kind, moved);
judge();
ask("train", { do: "look" }).then((answer) => answer.running && look(answer)); // begun before the page was loaded anew
