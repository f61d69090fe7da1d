// One variant's run from the start that the page shows: path, distances, spectrum and answer.

import { between, flow } from "./flow.js";
import { system, variants } from "./model.js";
import { spectrum } from "./spectrum.js";
import { isFlow } from "./state.js";
import { iterate } from "./steps.js";
import { outcome, say } from "./words.js";

const [SAMPLES, DRAFT_SAMPLES] = [300, 120];
const known = new Map(); // spectra, which a dragged start does not change

function spectrumOf(state, chosen, made) {
  const rule = isFlow(state) ? null : state.rule;
  const key = JSON.stringify([chosen, rule, state.dim, state.x0]);
  if (!known.has(key)) {
    if (known.size > 200) known.clear();
    known.set(key, spectrum(made, rule));
  }
  return known.get(key);
}

/** How far a path is from the equilibrium, and its generator from the datum: `{t, r, theta, average}`. */
function distancesOf(path, rest, averaged, samples) {
  const players = rest.length;
  const far = (row, from, first = 0) => {
    let square = 0;
    for (let i = first; i < players; i++) square += (row[from + i] - rest[i]) ** 2;
    return Math.sqrt(square);
  };
  const [t, r, theta, average] = [[], [], [], averaged ? [] : null];
  const rows = path.t.length;
  const put = (time, row) => {
    t.push(time);
    r.push(far(row, 0));
    theta.push(far(row, 0, players / 2));
    if (averaged) average.push(far(row, players));
  };
  if (path.v) {
    const row = new Float64Array(path.size);
    const end = path.t[rows - 1];
    for (let k = 0; k <= samples; k++) put((end * k) / samples, between(path, (end * k) / samples, row));
  } else {
    const stride = samples < SAMPLES ? Math.ceil(rows / samples) : 1; // a draft is a chart of a few hundred points
    const shown = Array.from({ length: Math.ceil(rows / stride) }, (_, k) => k * stride);
    if (shown[shown.length - 1] !== rows - 1) shown.push(rows - 1);
    for (const k of shown) put(path.t[k], path.y.subarray(k * path.size, (k + 1) * path.size));
  }
  return { t, r, theta, average };
}

const DRAFT = { rtol: 1e-6, atol: 1e-8 }; // while the start is being dragged: exact to far less than a pixel

/** The run that is there where nothing that it depends on has moved: of four variants, a slider moves one. */
export function renewed(state, index, before, draft) {
  const { dim, x0, z0, t1, tau, rule, steps, show } = state;
  const shown = ["ema", "flow"].filter((what) => show.includes(what));
  const key = JSON.stringify([state.variants[index], dim, x0, z0, t1, tau, rule, steps, shown]);
  return before?.key === key && (draft || !before.draft) ? before : { ...runOf(state, index, draft), key, draft };
}

/** Everything that the page tells of `state.variants[index]`; a draft is followed less closely. */
function runOf(state, index, draft) {
  const chosen = state.variants[index];
  const made = system(chosen, state.dim, state.x0);
  const averaged = state.show.includes("ema");
  const moving = isFlow(state)
    ? flow(made, state.z0, state.t1, { tau: averaged ? state.tau : 0, ...(draft ? DRAFT : {}) })
    : iterate(made, state.rule, state.z0, state.steps);
  const end = moving.t[moving.t.length - 1];
  const beside = !isFlow(state) && state.show.includes("flow") && end > 0 ? flow(made, state.z0, Math.min(end, 1000), draft ? DRAFT : {}) : null;
  const distances = distancesOf(moving, made.rest, averaged, draft ? DRAFT_SAMPLES : SAMPLES);
  return {
    about: variants.get(chosen.name),
    system: made,
    path: moving,
    beside,
    averaged,
    distances,
    linear: spectrumOf(state, chosen, made),
    outcome: outcome(distances, moving.result, isFlow(state) ? `t = ${say(end)}` : `step ${say(moving.t.length - 1)}`),
  };
}
