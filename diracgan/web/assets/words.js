// What the page says: the answer of a run, numbers, and the command and the Python that give the same.

import { STATUS } from "./linearisation.js";
import { variants } from "./model.js";
import { isFlow, ruleOf, specOf } from "./state.js";

/** A number with a few digits and a true minus sign. */
export function say(x, digits = 3) {
  if (!Number.isFinite(x)) return "∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e4 || size < 1e-3 ? size.toExponential(1).replace(".0e", "e") : String(Number(size.toPrecision(digits)));
  const power = text.replace(/e([+-]\d+)/, (_, e) => `\u00a0×\u00a010${superscript(Number(e))}`);
  return (x < 0 ? "−" : "") + power;
}

const LETTERS = { lam: "λ", phi: "φ", theta: "θ", sigma: "σ", mu: "μ", gamma: "γ", beta: "β", grad: "∇", "^2": "²", " - ": " − ", "-": "−" };

/** A sentence of the package with the field's own letters. */
export function pretty(text) {
  const word = /\b(lam|phi|theta|sigma|mu|gamma|beta)(?=\b|\d)|\bgrad (?=\|?[A-Z])|\^2| - (?=[A-Z\d(|cx])|-(?=log)/g;
  return text.replace(word, (found) => LETTERS[found] ?? LETTERS[found.trim()] ?? found);
}

const superscript = (n) => [...String(n)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");

/** Eigenvalues or multipliers, conjugate pairs and repetitions told once. */
export function sayValues(values, digits = 3) {
  const size = Math.max(...values.map(([x, y]) => Math.hypot(x, y)), 1e-12);
  const same = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) < 1e-6 * size;
  const seen = [];
  for (const value of values.filter(([, y]) => y > -1e-9 * size)) {
    const known = seen.find((s) => same(s.value, value));
    if (known) known.count++;
    else seen.push({ value, count: 1 });
  }
  const times = ["", "", " (twice)", " (three times)", " (four times)"];
  return seen
    .map(({ value: [x, y], count }) => {
      const re = Math.abs(x) < 1e-9 * size ? 0 : x;
      const im = Math.abs(y) < 1e-9 * size ? 0 : y;
      const shown = im === 0 ? say(re, digits) : `${re === 0 ? "" : `${say(re, digits)} `}±\u00a0${say(im, digits)}i`;
      return shown + (times[count] ?? ` (${count} times)`);
    })
    .join(", ");
}

/** What the linearisation says, in words. */
export function sayLinear(found) {
  const status = STATUS[found.status];
  if (!found.values.length) return status;
  const shown = found.values.length > 6 ? found.values.slice(0, 4) : found.values;
  const rest = found.values.length > shown.length ? " and more" : "";
  const [name, digits] = found.discrete ? ["multipliers", 5] : ["eigenvalues", 3];
  return `${status}: ${name} ${sayValues(shown, digits)}${rest}`;
}

/** The smallest and the largest of some values over a share of the run. */
function range(t, values, from, to) {
  const part = values.filter((_, k) => t[k] >= from && t[k] <= to);
  return [Math.min(...part), Math.max(...part)];
}

const sayRange = ([low, high]) => (say(low) === say(high) ? say(low) : `${say(low)} to ${say(high)}`);

/** The answer of one run that was followed to `at`, told by its distances alone: `{kind, text}`. */
export function outcome(distances, result, at) {
  const { t, r } = distances;
  const end = t[t.length - 1];
  const [first, last] = [r[0], r[r.length - 1]];
  if (end === 0) return { kind: "keeps", text: "No motion from there: the field has no value at the start" };
  if (result === "diverged") return { kind: "away", text: `Runs out of all bounds before ${at}` };
  if (result === "no value") return { kind: "away", text: `Followed to ${at} only, from where the field has no value: distance ${say(last)}` };
  if (result === "max steps") {
    const [kind, how] = last < 0.9 * first ? ["closer", "Comes closer"] : last > 1.1 * first ? ["away", "Moves away"] : ["keeps", "Stays about as far"];
    return { kind, text: `${how}: distance ${say(first)} → ${say(last)} by ${at}, then needs more steps than are taken here` };
  }
  if (result !== "ok") return { kind: "away", text: `Followed to ${at} only: distance ${say(last)}` };
  const average = distances.average ? `; the average ends at ${say(distances.average[distances.average.length - 1])}` : "";
  const [early, late] = [range(t, r, end / 2, 0.75 * end), range(t, r, 0.75 * end, end)];
  const change = late[1] / (early[1] || 1);
  if (late[1] < 1e-9 && first < 1e-9) return { kind: "keeps", text: `Starts at rest and stays, to ${at}` };
  if (late[1] < 1e-9) return { kind: "closer", text: `Arrives: distance below 10⁻⁹ by ${at}` };
  if (change < 0.9) return { kind: "closer", text: `Comes closer: distance ${say(first)} → ${say(last)} by ${at}${average}` };
  if (change > 1.1) return { kind: "away", text: `Moves away: distance ${say(first)} → ${say(last)} by ${at}` };
  return { kind: "keeps", text: `Keeps its distance: ${sayRange(late)}, θ alone ${sayRange(range(t, distances.theta, 0.75 * end, end))}, to ${at}${average}` };
}

// ---------------------------------------------------------------- the same elsewhere

const quoted = (text) => (/^[\w.:=,+@%/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
const specs = (state) => state.variants.map((v) => specOf(v, variants.get(v.name), variants.get(v.name).spec));

/** The command line that draws the same. */
export function command(state) {
  const d = state.dim;
  const place = [`--phi0=${state.z0.slice(0, d)}`, `--theta0=${state.z0.slice(d)}`];
  if (state.x0.some((x) => x !== 0)) place.push(`--x0=${state.x0.slice(0, d)}`);
  let motion = `--t1 ${state.t1}`;
  if (isFlow(state) && state.show.includes("ema")) motion += ` --ema-tau ${state.tau}`;
  if (!isFlow(state)) {
    const [name, values] = specOf(state.rule, ruleOf(state), ruleOf(state).spec).split(/:(?=[^:]*$)/);
    motion = `--rule ${name}${(values ?? "").split(",").filter(Boolean).map((v) => ` -r ${v}`).join("")} --steps ${state.steps}`;
  }
  const named = specs(state).map(quoted);
  const verb = named.length > 1 ? `compare-variants ${named.join(" ")}` : `plot --variant ${named[0]}`;
  return `diracgan ${verb} ${place.join(" ")} ${motion}`;
}

/** The Python that computes the same. */
export function python(state) {
  const d = state.dim;
  const literal = (x) => (typeof x === "string" ? JSON.stringify(x) : x === true ? "True" : x === false ? "False" : x);
  const lines = ["import diracgan as dg"];
  let end = `t1=${state.t1}`;
  if (isFlow(state) && state.show.includes("ema")) end += `, ema_tau=${state.tau}`;
  if (!isFlow(state)) {
    const given = Object.entries(state.rule.values).filter(([, x]) => x !== undefined && x !== null);
    lines.push(`rule = dg.rule(${[JSON.stringify(ruleOf(state).spec), ...given.map(([k, x]) => `${k}=${literal(x)}`)].join(", ")})`);
    end = `rule=rule, steps=${state.steps}`;
  }
  const datum = state.x0.some((x) => x !== 0) ? `, x0=[${state.x0.slice(0, d)}]` : "";
  const named = specs(state);
  named.forEach((spec, k) => {
    const n = named.length > 1 ? `_${k + 1}` : "";
    lines.push(`v${n} = dg.variants.parse(${JSON.stringify(spec)})`);
    lines.push(`traj${n} = dg.simulate(v${n}, phi0=[${state.z0.slice(0, d)}], theta0=[${state.z0.slice(d)}]${datum}, ${end})`);
    lines.push(`s${n} = dg.spectrum(v${n}, dim=${d}${datum}${isFlow(state) ? "" : ", rule=rule"})`);
  });
  return `${lines.join("\n")}\n`;
}
