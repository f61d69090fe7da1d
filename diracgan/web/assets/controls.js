// The controls: what can be moved, made anew when there is something else to move, else only filled in.

import { isIdle, rules, valueOf, variants } from "./model.js";
import { bounded, isFlow, LARGEST, MOST_VARIANTS, ruleOf, withoutIdle } from "./state.js";
import { pretty } from "./words.js";

let serial = 0;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/**
 * A slider with its number beside it.
 *
 * @param about `{symbol, help, min, max, step, low, high}`
 * @param change called with the number, and whether the move has ended
 */
export function slider(about, value, change) {
  const id = `in-${serial++}`;
  const range = element("input", { type: "range", min: about.min, max: Math.max(about.max, value), step: about.step, value });
  range.setAttribute("aria-label", `${pretty(about.help)}, slider`);
  const box = element("input", { type: "number", id, step: "any", value });
  const [symbol, below] = about.symbol.split("_");
  const label = element("label", { htmlFor: id, title: pretty(about.help) }, symbol, ...(below ? [element("sub", { textContent: below })] : []));
  box.setAttribute("aria-label", pretty(about.help));
  let kept = value;
  const take = (text, ended) => {
    const number = Number(text);
    if (text === "" || !Number.isFinite(number)) {
      if (ended) box.value = kept;
      return;
    }
    kept = bounded(about, number);
    range.value = kept;
    if (document.activeElement !== box || ended) box.value = kept;
    change(kept, ended);
  };
  range.addEventListener("input", () => take(range.value, false));
  range.addEventListener("change", () => take(range.value, true));
  box.addEventListener("input", () => take(box.value, false));
  box.addEventListener("change", () => take(box.value, true));
  return element("div", { className: "parameter" }, label, range, box);
}

function choice(label, options, value, change) {
  const id = `in-${serial++}`;
  const select = element("select", { id });
  for (const [text, key] of options) select.append(element("option", { textContent: text, value: String(key) }));
  select.value = String(value);
  select.addEventListener("change", () => change(options[select.selectedIndex][1]));
  return element("div", { className: "parameter word" }, element("label", { htmlFor: id, textContent: label }), select);
}

function check(label, on, change) {
  const box = element("input", { type: "checkbox", checked: on });
  box.addEventListener("change", () => change(box.checked));
  return element("label", { className: "check" }, box, label);
}

const WORDS = { true: "yes", false: "no" };

/** The parameters of a variant or a rule; `skip` names those that have their own place. */
function parameters(known, values, skip, changed, again) {
  return known.parameters
    .filter((p) => !skip.includes(p.name) && !(p.choices && p.choices.length < 2) && !isIdle(known, p, values))
    .map((p) => {
      const value = valueOf(p, values);
      const choose = (x) => { values[p.name] = x; withoutIdle(known, values); again(); };
      if (p.choices) return choice(p.name.replaceAll("_", " "), p.choices.map((c) => [WORDS[c] ?? String(c), c]), value, choose);
      return slider(p, value ?? p.min, (x, ended) => { values[p.name] = x; changed(ended); });
    });
}

/** The panel of how the players move. */
function motion(state, changed, again) {
  const made = [
    choice("moved by", [["the flow, h → 0", "flow"], ...[...rules.keys()].map((n) => [n, n])], state.rule.name, (name) => {
      const { lr, ema } = state.rule.values;
      state.rule = { name, values: name === "flow" ? {} : { ...(lr ? { lr } : {}), ...(ema ? { ema } : {}) } };
      again();
    }),
  ];
  if (isFlow(state)) {
    made.push(slider({ symbol: "T", help: "time to the end", min: 5, max: 200, step: 1, low: 0.1, high: 400 }, state.t1,
      (x, ended) => { state.t1 = x; changed(ended); }));
    if (state.show.includes("ema")) {
      made.push(slider({ symbol: "τ", help: "time constant of the average", min: 0.5, max: 40, step: 0.5, low: 0.01 }, state.tau,
        (x, ended) => { state.tau = x; changed(ended); }));
    }
    return made;
  }
  const known = ruleOf(state);
  const lr = known.parameters.find((p) => p.name === "lr");
  const { values } = state.rule;
  made.push(slider({ ...lr, min: 0.005, max: 1, step: 0.005 }, values.lr ?? lr.default ?? 0.1,
    (x, ended) => { values.lr = x; changed(ended); }));
  made.push(slider({ symbol: "n", help: "number of steps", min: 10, max: 5000, step: 10, low: 1, high: 20000 }, state.steps,
    (x, ended) => { state.steps = Math.round(x); changed(ended); }));
  const own = [...(state.show.includes("ema") ? [] : ["ema"]), "lr", "lr_d", "lr_g"];
  made.push(...parameters(known, values, own, changed, again));
  const apart = values.lr_d !== undefined;
  made.push(check("learning rates of their own", apart, (on) => {
    if (on) Object.assign(values, { lr_d: values.lr ?? 0.1, lr_g: values.lr ?? 0.1 });
    else { delete values.lr_d; delete values.lr_g; }
    again();
  }));
  if (apart) {
    for (const n of ["lr_d", "lr_g"]) {
      made.push(slider({ ...known.parameters.find((p) => p.name === n), min: 0.005, max: 1, step: 0.005 }, values[n],
        (x, ended) => { values[n] = x; changed(ended); }));
    }
  }
  made.push(element("p", { className: "about", textContent: pretty(known.about) }));
  return made;
}

/** One panel for each variant. */
function losses(state, changed, again) {
  return state.variants.map((chosen, index) => {
    const known = variants.get(chosen.name);
    const box = element("fieldset", {}, element("legend", { textContent: `Variant ${index + 1}` }));
    box.style.setProperty("--colour", `var(--${["one", "two", "three", "four"][index]})`);
    const select = element("select");
    select.setAttribute("aria-label", `Variant ${index + 1}`);
    for (const name of variants.keys()) select.append(element("option", { textContent: name }));
    select.value = chosen.name;
    select.addEventListener("change", () => {
      state.variants[index] = { name: select.value, values: {} };
      again();
    });
    const head = element("div", { className: "head" }, element("span", { className: "swatch" }), select);
    if (state.variants.length > 1) {
      const remove = element("button", { type: "button", textContent: "Remove" });
      remove.setAttribute("aria-label", `Remove variant ${index + 1}, ${chosen.name}`);
      remove.addEventListener("click", () => { state.variants.splice(index, 1); again(); });
      head.append(remove);
    }
    box.append(head, ...parameters(known, chosen.values, [], changed, again), element("p", { className: "about", textContent: pretty(known.about) }));
    return box;
  });
}

/** Where the players start, the datum and the dimension. */
function place(state, changed, again, redimension) {
  const radios = element("div", { className: "row", role: "radiogroup" });
  radios.setAttribute("aria-label", "Dimension");
  for (const d of [1, 2]) {
    const input = element("input", { type: "radio", name: "dimension", checked: state.dim === d });
    input.addEventListener("change", () => { redimension(d); again(); });
    radios.append(element("label", { className: "check" }, input, d === 1 ? "on a line, d = 1" : "in a plane, d = 2"));
  }
  const names = state.dim === 1 ? ["φ", "θ"] : ["φ₁", "φ₂", "θ₁", "θ₂"];
  const grid = element("div", { className: "two" });
  const number = (label, entries, k) => {
    const box = element("input", { type: "number", step: "any", value: Number(entries[k].toPrecision(6)) });
    box.addEventListener("input", () => { if (box.value !== "" && Math.abs(Number(box.value)) <= LARGEST) { entries[k] = Number(box.value); changed(false); } });
    box.addEventListener("change", () => { box.value = entries[k]; changed(true); });
    return element("label", { className: "check" }, element("i", { textContent: label }), box);
  };
  names.forEach((name, k) => grid.append(number(name, state.z0, k)));
  (state.dim === 1 ? ["x₀"] : ["x₀₁", "x₀₂"]).forEach((name, k) => grid.append(number(name, state.x0, k)));
  return [radios, grid];
}

const LABELS = {
  field: "Arrows", lines: "Nullclines", points: "2000 starts", flow: "Flow beside the steps", ema: "Weight average",
};

function shown(state, again) {
  const grid = element("div", { className: "two" });
  for (const [key, label] of Object.entries(LABELS)) {
    if ((key === "flow" && isFlow(state)) || (key === "lines" && state.dim === 2)) continue;
    const named = key === "field" && state.dim === 2 ? "Arrows: θ′ at the present φ" : label;
    grid.append(check(named, state.show.includes(key), (on) => {
      state.show = on ? [...state.show, key] : state.show.filter((x) => x !== key);
      if (on && key === "ema" && !isFlow(state) && !state.rule.values.ema) state.rule.values.ema = 0.99;
      again();
    }));
  }
  return [grid];
}

function fill(box, children) {
  box.replaceChildren(box.querySelector("legend"), ...children);
}

/**
 * All controls of a state.
 *
 * @param actions `{changed(ended), again(), redimension(d)}`: a number has moved; there is something else to move
 */
export function build(state, { changed, again, redimension }) {
  const at = (id) => document.getElementById(id);
  fill(at("motion"), motion(state, changed, again));
  at("losses").replaceChildren(...losses(state, changed, again));
  fill(at("place"), place(state, changed, again, redimension));
  fill(at("show"), shown(state, again));
  at("add").disabled = state.variants.length >= MOST_VARIANTS;
}

/** The numbers of the start, after it was dragged. */
export function refreshStart(state) {
  const boxes = document.querySelectorAll("#place input[type=number]");
  state.z0.forEach((x, k) => {
    if (document.activeElement !== boxes[k]) boxes[k].value = Number(x.toPrecision(4));
  });
}
