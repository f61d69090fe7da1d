// What plays and how it moves: the traced programs, put together with the numbers of the page.

export const variants = new Map();
export const rules = new Map();

/** Called once for each variant that the page knows; `forms` holds its programs by choices and dimension. */
export function variant(meta, forms) {
  variants.set(meta.name, { ...meta, forms });
}

/** Called once for each rule that the page knows. */
export function rule(meta, forms) {
  rules.set(meta.name, { ...meta, forms });
}

/** The value of a parameter as given, or its default. */
export function valueOf(parameter, values) {
  const given = values[parameter.name];
  return given === undefined ? parameter.default : given;
}

/** Whether a parameter says nothing: critic steps count only where the players take turns. */
export function isIdle(known, p, values) {
  return p.name === "n_critic" && known.parameters.some((q) => q.name === "alternating" && valueOf(q, values) === false);
}

function formOf(known, values) {
  const python = (x) => (x === true ? "True" : x === false ? "False" : x);
  const chosen = known.parameters.filter((p) => p.choices);
  const wanted = chosen.map((p) => `${p.name}=${python(valueOf(p, values))}`).join(",");
  return known.forms[wanted] ?? known.forms[Object.keys(known.forms)[0]];
}

/**
 * A variant with its numbers: the vector field and all that was traced beside it.
 *
 * @param {{name: string, values: object}} chosen
 * @param {number} dim 1 or 2
 * @param {number[]} x0 the datum
 */
export function system(chosen, dim, x0) {
  const known = variants.get(chosen.name);
  const form = formOf(known, chosen.values);
  const numbers = Object.fromEntries(known.parameters.map((p) => [p.name, valueOf(p, chosen.values)]));
  const p = Float64Array.from([...form.names.map((n) => numbers[n]), ...x0.slice(0, dim)]);
  const code = form[dim];
  const { velocity } = code;
  const field =
    dim === 1
      ? (z, o) => velocity(z[0], z[1], p, o)
      : (z, o) => velocity(z[0], z[1], z[2], z[3], p, o);
  const motion = code.motion ? (z, o) => code.motion(z, p, o) : field;
  const project = code.project ?? ((...args) => {
    const o = args[args.length - 1];
    for (let k = 0; k < 2 * dim; k++) o[k] = args[k];
  });
  const rest = Float64Array.from([...Array(dim).fill(0), ...x0.slice(0, dim)]);
  return { dim, size: 2 * dim, p, code, field, motion, project, rest, sites: code.sites ?? 0, faces: code.faces ?? 0 };
}

/**
 * A rule with its numbers over a system.
 *
 * @returns `{size, begin(z) -> state, step(state, next), linear(state, next)}`; players first, averages last.
 */
export function optimiser(chosen, moved, velocity = moved.code.velocity, project = moved.project) {
  const known = rules.get(chosen.name);
  const form = formOf(known, chosen.values);
  const lr = chosen.values.lr ?? 0.1;
  const numbers = Object.fromEntries(known.parameters.map((p) => [p.name, valueOf(p, chosen.values)]));
  Object.assign(numbers, { lr, lr_d: chosen.values.lr_d ?? lr, lr_g: chosen.values.lr_g ?? lr });
  numbers.ema = chosen.values.ema ?? 0;
  const q = Float64Array.from(form.names.map((n) => numbers[n]));
  const code = form[moved.dim];
  const made = code.make(velocity, project, new Float64Array(moved.size));
  const { p } = moved;
  return {
    size: code.size,
    whole: code.whole,
    h: numbers.lr_g,
    begin: (z) => {
      const state = new Float64Array(code.size);
      made.begin(z, p, q, state);
      return state;
    },
    step: (s, o) => made.step(s, p, q, o),
    linear: (s, o) => made.linear(s, p, q, o),
  };
}
