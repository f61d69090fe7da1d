// What the page shows, as plain data; and the same as an address, so that a link shows what its sender saw.

import { isIdle, rules, valueOf, variants } from "./model.js";
import { SCENES } from "./scenes.js";

export const MOST_VARIANTS = 4;
const SHORTEST = { t1: 0.1, steps: 1, tau: 0.01 };
const LONGEST = { t1: 400, steps: 20000 };
const USUAL = { t1: 40, steps: 400, tau: 8 };
export const LARGEST = 1e6;

/** What there is to see, in the order of the switches. */
export const SHOWN = ["field", "lines", "points", "flow", "ema"];

/** The usual start: phi then theta, as Python's commands have it. */
export const usualStart = (dim) => (dim === 1 ? [0.1, 0.2] : [0.1, 0.2, 0.2, 0.1]);

/** What was named for the page, or stands in a file of one's own, is seen first; of a whole catalogue, ns. */
export function usualState() {
  const [first] = variants.values();
  const named = variants.size <= MOST_VARIANTS || first.spec !== first.name;
  const name = named || !variants.has("ns") ? first.name : "ns";
  return {
    dim: 2,
    variants: [{ name, values: {} }],
    rule: { name: "flow", values: {} },
    ...USUAL,
    z0: usualStart(2),
    x0: [0, 0],
    show: ["field"],
    scene: 0,
  };
}

export const isFlow = (state) => state.rule.name === "flow";

/** The parameters that a rule has in the page, and its name's entry. */
export const ruleOf = (state) => rules.get(state.rule.name);

// ---------------------------------------------------------------- NAME:k=v,...

function changed(known, values) {
  return known.parameters
    .map((p) => [p, valueOf(p, values)])
    .filter(([p, x]) => x !== null && x !== p.usual)
    .map(([p, x]) => `${p.name}=${words(x)}`);
}

const words = (x) => (x === true ? "True" : x === false ? "False" : String(x));

/** NAME[:k=v,...] of a variant or a rule; `spec` for the name by which Python finds it. */
export function specOf(chosen, known, spec = chosen.name) {
  const parts = [...Object.entries(known.options ?? {}).map(([k, x]) => `${k}=${x}`), ...changed(known, chosen.values)];
  return parts.length ? `${spec}:${parts.join(",")}` : spec;
}

function read(text, registry) {
  const [name, ...rest] = text.split(":");
  if (!registry.has(name)) return null;
  const values = {};
  for (const part of rest.join(":").split(",").filter(Boolean)) {
    const [key, given] = part.split("=");
    const p = registry.get(name).parameters.find((q) => q.name === key);
    if (!p) continue;
    if (p.choices) {
      const match = p.choices.find((c) => words(c) === given);
      if (match !== undefined) values[key] = match;
      continue;
    }
    const number = Number(given);
    if (Number.isFinite(number)) values[key] = bounded(p, number);
  }
  return { name, values: withoutIdle(registry.get(name), values) };
}

/** The values that say something. */
export function withoutIdle(known, values) {
  for (const p of known.parameters) if (isIdle(known, p, values)) delete values[p.name];
  return values;
}

/** A number within a parameter's domain. */
export function bounded(p, number) {
  const low = p.low ?? -LARGEST;
  const high = p.high ?? LARGEST;
  return Math.min(Math.max(number, low), high);
}

// ---------------------------------------------------------------- the address

/** The part of the address after #. */
export function address(state) {
  const given = new URLSearchParams();
  given.set("v", state.variants.map((v) => specOf(v, variants.get(v.name))).join(";"));
  if (!isFlow(state)) given.set("rule", specOf(state.rule, ruleOf(state)));
  given.set("d", state.dim);
  given.set("z", state.z0.join(","));
  if (state.x0.some((x) => x !== 0)) given.set("x0", state.x0.slice(0, state.dim).join(","));
  for (const key of Object.keys(USUAL)) if (state[key] !== USUAL[key]) given.set(key, state[key]);
  given.set("show", state.show.join(","));
  if (state.scene) given.set("scene", state.scene);
  return given.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%3D", "=").replaceAll("%3B", ";");
}

function numbers(text, count, fallback) {
  const found = (text ?? "").split(",").map(Number);
  const good = found.length === count && found.every((x) => Number.isFinite(x) && Math.abs(x) <= LARGEST);
  return text && good ? found : fallback;
}

/** The state of an address; what is missing or wrong is as usual. */
export function stateOf(text) {
  const given = new URLSearchParams(text);
  const state = usualState();
  const chosen = (given.get("v") ?? "").split(";").map((v) => read(v, variants)).filter(Boolean);
  if (chosen.length) state.variants = chosen.slice(0, MOST_VARIANTS);
  const rule = read(given.get("rule") ?? "flow", rules);
  if (rule) state.rule = rule;
  state.dim = given.get("d") === "1" ? 1 : 2;
  state.z0 = numbers(given.get("z"), 2 * state.dim, usualStart(state.dim));
  const datum = numbers(given.get("x0"), state.dim, Array(state.dim).fill(0));
  state.x0 = state.dim === 1 ? [datum[0], 0] : datum;
  for (const key of Object.keys(USUAL)) {
    const number = Number(given.get(key) ?? NaN);
    if (number > 0) state[key] = Math.min(Math.max(number, SHORTEST[key]), LONGEST[key] ?? LARGEST);
  }
  state.steps = Math.round(state.steps);
  if (given.has("show")) state.show = given.get("show").split(",").filter((x) => SHOWN.includes(x));
  state.scene = SCENES.findIndex((_, k) => String(k + 1) === given.get("scene")) + 1;
  return state;
}
