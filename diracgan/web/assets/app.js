// The page: one state, drawn when it has changed; every finished move is a step that "back" undoes.

import "./catalogue.js";
import { build, refreshStart } from "./controls.js";
import { variants } from "./model.js";
import { frameOf } from "./plane.js";
import { renewed } from "./run.js";
import { SCENES } from "./scenes.js";
import { coloursNow, reachOf, Stage } from "./stage.js";
import { address, isFlow, stateOf, usualState, usualStart } from "./state.js";
import { command, python } from "./words.js";

const at = (id) => document.getElementById(id);
const still = window.matchMedia("(prefers-reduced-motion: reduce)");
const LAP = 9; // seconds in which a run is played
const PARTICLE_STEP = 0.03;

let state = stateOf(window.location.hash.slice(1));
let runs = [];
let reach = []; // the half-width of every plane
let colours = coloursNow();
let stale = true; // the runs are of an older state
let dirty = true; // the picture is
let draft = false; // a move has not ended: its runs are followed less closely
let playing = false;
let part = 1; // of the run that is shown
let guessed = null; // the scene's answer that was given
let dragged = null;
let last = 0;
const stage = new Stage(at("planes"), { distances: at("distances"), spectra: at("spectra"), title: at("spectrum-title"), key: at("key") }, () => { dirty = true; wake(); });

/** For tests and the curious: what is shown, and how long each frame's script took. */
window.diracgan = { frames: [], times: [], state: () => state, runs: () => runs, catalogue: variants };

const hidden = () => state.scene > 0 && guessed === null;

const BURST = 700; // ms within which the keys that move one control are one move
const keyed = { by: null, at: 0 }; // the control that a key has moved last, and when
let pressed = false; // the last thing done was to press a key

// ---------------------------------------------------------------- moves

function commit() {
  const link = `#${address(state)}`;
  const by = pressed ? document.activeElement : null;
  const now = window.performance.now();
  const goesOn = by !== null && by === keyed.by && now - keyed.at < BURST;
  Object.assign(keyed, { by, at: now });
  if (link !== window.location.hash) window.history[goesOn ? "replaceState" : "pushState"](null, "", link);
  if (window.parent !== window) window.parent.postMessage({ diracgan: link.slice(1) }, "*"); // a notebook's widget listens
  at("said").textContent = stage.tell(state, runs, hidden());
}

function changed(ended = true) {
  stale = dirty = true;
  draft = !ended;
  if (!playing) part = 1;
  wake();
  if (ended) window.requestAnimationFrame(commit); // after the frame, whose answer it tells
}

/** Something else can be moved now: the controls are made anew, and the focus stays where it was. */
function again() {
  rebuild();
  changed(true);
}

function rebuild() {
  const before = document.activeElement;
  const panel = before?.closest?.("fieldset, nav, .question");
  const index = panel ? [...panel.querySelectorAll("input, select, button")].indexOf(before) : -1;
  const place = panel ? [...document.querySelectorAll("fieldset, nav, .question")].indexOf(panel) : -1;
  build(state, { changed, again, redimension });
  stage.build(state, attach);
  scenes();
  question();
  if (index >= 0) document.querySelectorAll("fieldset, nav, .question")[place]?.querySelectorAll("input, select, button")[index]?.focus();
  stale = dirty = true;
  wake();
}

function redimension(d) {
  state.dim = d;
  state.z0 = usualStart(d);
  state.x0 = [0, 0];
}

function load(text) {
  const before = state.scene;
  state = stateOf(text);
  if (state.scene !== before) guessed = null;
  part = 1;
  rebuild();
}

// ---------------------------------------------------------------- scenes

function scenes() {
  const items = [...SCENES.map((s, k) => [s.title, k + 1]), ["Free", 0]].map(([title, k]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = k ? `${k} ${title}` : title;
    button.setAttribute("aria-pressed", String(state.scene === k));
    button.addEventListener("click", () => enter(k));
    const item = document.createElement("li");
    item.append(button);
    return item;
  });
  at("scenes").replaceChildren(...items);
}

function enter(k) {
  guessed = null;
  if (k === 0) state.scene = 0;
  else {
    const scene = SCENES[k - 1].state;
    const text = new URLSearchParams({ v: scene.variants.join(";"), d: scene.dim, z: scene.z0.join(","), show: scene.show.join(",") });
    for (const key of ["rule", "t1", "steps"]) if (scene[key]) text.set(key, scene[key]);
    state = stateOf(text.toString());
    state.scene = k;
  }
  playing = false;
  part = 1;
  rebuild();
  changed(true);
}

function question() {
  const box = at("question");
  const scene = SCENES[state.scene - 1];
  box.hidden = !scene;
  if (!scene) return;
  const asked = document.createElement("p");
  asked.textContent = scene.question;
  const row = document.createElement("div");
  row.className = "row";
  scene.choices.forEach((text, k) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = guessed === null ? text : `${k === scene.right ? "✓ " : k === guessed ? "✗ " : ""}${text}`;
    if (guessed !== null) button.className = k === scene.right ? "right" : k === guessed ? "wrong" : "";
    button.addEventListener("click", () => {
      guessed = k;
      question();
      box.querySelectorAll("button")[k].focus();
      at("said").textContent = `${k === scene.right ? "Right." : "Not so."} ${scene.told}`;
      play();
    });
    row.append(button);
  });
  box.replaceChildren(asked, row);
  if (guessed !== null) {
    const told = document.createElement("p");
    told.textContent = scene.told;
    told.style.marginTop = "8px";
    box.append(told);
  }
  dirty = stale = true;
}

// ---------------------------------------------------------------- dragging and keys

function attach({ index, plane, handles }) {
  const move = (event, handle) => {
    const box = plane.getBoundingClientRect();
    const frame = frameOf(box.width, box.height, reach[index]);
    const [a, b] = [frame.a(event.clientX - box.left), frame.b(event.clientY - box.top)];
    handle.entries.forEach((k, i) => { state.z0[k] = Number([a, b][i].toPrecision(4)); });
    changed(false);
  };
  const begin = (event, handle) => {
    event.preventDefault();
    dragged = handle;
    handle.button.focus({ preventScroll: true });
    plane.setPointerCapture(event.pointerId);
    move(event, handle);
  };
  plane.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const own = handles.find(({ button }) => button.contains(event.target));
    if (own) begin(event, own);
    else if (event.pointerType === "mouse") {
      const far = ({ button }) => {
        const box = button.getBoundingClientRect();
        return Math.hypot(box.x + box.width / 2 - event.clientX, box.y + box.height / 2 - event.clientY);
      };
      begin(event, handles.reduce((a, b) => (far(b) < far(a) ? b : a)));
    }
  });
  plane.addEventListener("pointermove", (event) => { if (dragged) move(event, dragged); });
  const end = () => {
    if (!dragged) return;
    dragged = null;
    changed(true);
  };
  plane.addEventListener("pointerup", end);
  plane.addEventListener("pointercancel", end);
  for (const handle of handles) {
    handle.button.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!by) return;
      event.preventDefault();
      const step = (event.shiftKey ? 0.1 : 0.01) * reach[index];
      handle.entries.forEach((k, i) => { state.z0[k] = Number((state.z0[k] + by[i] * step).toPrecision(6)); });
      changed(false);
    });
    handle.button.addEventListener("keyup", (event) => { if (event.key.startsWith("Arrow")) changed(true); });
  }
}

// ---------------------------------------------------------------- frames

function play() {
  playing = !still.matches;
  part = playing ? 0 : 1;
  stale = dirty = true;
  wake();
}

let asleep = true;
function wake() {
  if (!asleep) return;
  asleep = false;
  last = 0;
  window.requestAnimationFrame(frame);
}

function frame(time) {
  const begun = window.performance.now();
  const gone = last ? Math.min((time - last) / 1000, 0.1) : 0;
  if (last) window.diracgan.times.push(time - last);
  last = time;
  if (stale) {
    runs = state.variants.map((_, k) => renewed(state, k, runs[k], draft));
    if (!dragged) reach = runs.map((run) => reachOf(run, state.z0));
    at("play").disabled = hidden();
    stage.tell(state, runs, hidden());
    refreshStart(state);
    showCode(command(state));
    if (!dragged) {
      if (!draft) stage.size(state); // it asks for the layout
      if (!still.matches) stage.steerClouds(state, runs, reach);
      else if (!draft) stage.settleClouds(state, runs, reach);
    }
    stale = false;
    dirty = true;
  }
  if (playing) {
    part = Math.min(1, part + gone / LAP);
    playing = part < 1;
    dirty = true;
  }
  const flowing = stage.clouds.length > 0 && !hidden() && !still.matches;
  if (flowing) {
    stage.clouds.forEach((cloud) => cloud.advance(PARTICLE_STEP));
    dirty = true;
  }
  const drawn = dirty;
  if (dirty) {
    const end = Math.max(...runs.map(({ path }) => path.t[path.t.length - 1]));
    stage.draw(state, runs, reach, part >= 1 ? Infinity : part * end, colours, hidden(), dragged !== null);
    at("cursor").value = part;
    at("play").textContent = playing ? "Pause" : "Play";
    at("play").setAttribute("aria-pressed", String(playing));
    dirty = false;
  }
  if (drawn) window.diracgan.frames.push(window.performance.now() - begun);
  if (playing || flowing || dragged || stale) window.requestAnimationFrame(frame);
  else asleep = true;
}

// ---------------------------------------------------------------- what stays

async function copy(button, text) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select below";
  }
  window.setTimeout(() => { button.textContent = before; }, 1500);
}

/** Lines break between words alone: a browser also breaks after the hyphens of an option. */
function showCode(text) {
  const parts = text.split(/(\s+)/).map((part) => {
    if (!part.trim()) return part;
    const word = document.createElement("span");
    word.textContent = part;
    return word;
  });
  at("command").replaceChildren(...parts);
}

function takeAway() {
  const row = document.createElement("div");
  row.className = "same";
  const texts = { Link: () => window.location.href, Command: () => command(state), Python: () => python(state) };
  for (const [name, text] of Object.entries(texts)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.setAttribute("aria-label", `Copy the ${name === "Python" ? name : name.toLowerCase()}`);
    button.addEventListener("click", () => {
      if (name === "Command" || name === "Python") showCode(text());
      copy(button, text());
    });
    row.append(button);
  }
  const code = document.createElement("code");
  code.id = "command";
  code.className = "code";
  code.tabIndex = 0;
  code.setAttribute("aria-label", "The command that gives the same");
  code.setAttribute("role", "region");
  at("same").append(row, code);
}

function add() {
  const names = [...variants.keys()];
  const fresh = names.find((n) => !state.variants.some((v) => v.name === n)) ?? usualState().variants[0].name;
  const preferred = ["wgan-gp", "gan-qp", "ns", "wgan-linear"].find((n) => names.includes(n) && !state.variants.some((v) => v.name === n));
  state.variants.push({ name: preferred ?? fresh, values: {} });
  again();
}

function begin() {
  takeAway();
  at("add").addEventListener("click", add);
  at("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address holds the state
    at("controls").focus();
  });
  at("play").addEventListener("click", () => {
    if (playing) { playing = false; wake(); dirty = true; } else play();
  });
  at("cursor").addEventListener("input", (event) => {
    playing = false;
    part = Number(event.target.value);
    dirty = true;
    wake();
  });
  window.addEventListener("keydown", () => { pressed = true; }, true);
  window.addEventListener("pointerdown", () => { pressed = false; }, true);
  window.addEventListener("popstate", () => load(window.location.hash.slice(1)));
  window.addEventListener("message", ({ source, data }) => {
    if (source !== window.parent || typeof data?.diracgan !== "string" || data.diracgan === address(state)) return;
    window.history.replaceState(null, "", `#${data.diracgan}`);
    load(data.diracgan);
  });
  window.addEventListener("resize", () => { stage.size(state); dirty = true; wake(); });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { colours = coloursNow(); stale = dirty = true; wake(); });
  rebuild();
  if (isFlow(state) || !hidden()) wake();
}

begin();
