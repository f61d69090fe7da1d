// The page itself: controls to the left, what they show to the right. All numbers come from Python; what is typed
// goes there as it stands, and what is wrong with it comes back and is written beside its field.

const SVG = "http://www.w3.org/2000/svg";
const SHORT = 4; // variants side by side

function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) {
    if (k.startsWith("on")) made.addEventListener(k.slice(2), v);
    else if (v === true) made.setAttribute(k, "");
    else if (v !== false && v != null) made.setAttribute(k, v);
  }
  made.append(...children.filter((c) => c != null));
  return made;
}

function s(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [k, v] of Object.entries(attributes)) made.setAttribute(k, v);
  made.append(...children);
  return made;
}

const short = (x) => String(Number(Number(x).toPrecision(6)));

function render({ model, el }) {
  const catalogue = model.get("catalogue");
  const state = structuredClone(model.get("state"));
  const messages = new Map(); // key of a field -> where its message stands
  let sent = state.serial;
  let due = false;

  // ---- to Python: one move at a time is under way, and the last one always arrives

  const busy = () => model.get("answer").serial < sent;
  function changed() {
    due = true;
    send();
  }
  function send() {
    if (!due || busy()) return;
    due = false;
    sent += 1;
    state.serial = sent;
    board.dataset.sent = sent;
    model.set("state", structuredClone(state));
    model.save_changes();
  }

  // ---- fields

  function message(key) {
    const place = h("output", { class: "wrong", "data-for": key, "aria-live": "polite" });
    messages.set(key, place);
    return place;
  }

  function field(key, p, typed) {
    const id = `dg-${key}`;
    const now = () => typed[p.name] ?? p.default;
    const set = (value) => {
      typed[p.name] = value;
      changed();
    };
    const label = h("label", { for: id, title: p.help }, p.name);
    if (p.kind === "choice") {
      const list = h("select", { id, onchange: (e) => set(e.target.value) }, ...p.choices.map(option(now())));
      return h("div", { class: "row" }, label, list, message(key));
    }
    if (p.kind === "flag") {
      const on = ["True", "true", "1"].includes(String(now()));
      const box = h("input", { id, type: "checkbox", checked: on, onchange: (e) => set(e.target.checked ? "True" : "False") });
      return h("div", { class: "row" }, label, box, message(key));
    }
    return numeric(key, label, p, now(), set);
  }

  function numeric(key, label, p, now, set) {
    const slider = h("input", { type: "range", min: p.min, max: p.max, step: p.step, tabindex: "0", "aria-label": `${p.name}, slider` });
    const text = h("input", { id: `dg-${key}`, type: "text", inputmode: "decimal", autocomplete: "off", placeholder: "none" });
    const place = (x) => {
      if (Number(x) > Number(slider.max)) slider.max = x; // typed beyond the slider's end: it grows
      slider.value = x === "" ? p.min : x;
    };
    text.value = now ?? "";
    place(text.value);
    slider.addEventListener("input", () => {
      text.value = short(slider.value);
      set(text.value);
    });
    text.addEventListener("input", () => {
      if (text.value.trim() !== "" && Number.isFinite(Number(text.value))) place(text.value);
      set(text.value.trim());
    });
    return h("div", { class: "row" }, label, slider, text, message(key));
  }

  const option = (now) => (name) => h("option", { value: name, selected: String(name) === String(now) }, name);

  // a panel whose list stays while its fields change: who types into the list is not interrupted
  function panel(key, title, names, label, now, fields, extra) {
    const rest = h("div");
    const fill = () => {
      for (const known of messages.keys()) if (known.startsWith(`${key}.`)) messages.delete(known);
      rest.replaceChildren(...fields());
    };
    const list = h("select", { id: `dg-${key}`, "aria-label": label, onchange: (e) => {
      now(e.target.value);
      fill();
      changed();
    } }, ...names.map(option(now())));
    fill();
    return h("fieldset", {}, h("legend", {}, title), h("div", { class: "head" }, list, extra), message(key), rest);
  }

  function slot(own, i) {
    const alone = state.variants.length === 1;
    const choose = (name) => (name === undefined ? own.name : Object.assign(own, { name, typed: {} }));
    const drop = h("button", { type: "button", title: "remove this variant", "aria-label": `remove variant ${i + 1}`, onclick: () => {
      state.variants.splice(i, 1);
      rebuild();
    } }, "×");
    const fields = () => {
      const rows = catalogue.variants[own.name] ?? [];
      const folded = (p) => p.usual && !(p.name in own.typed);
      const each = (p) => field(`${i}.${p.name}`, p, own.typed);
      return [
        h("p", { class: "about" }, catalogue.about[own.name] ?? ""),
        ...rows.filter((p) => !folded(p)).map(each),
        h("details", {}, h("summary", {}, "More penalties and transforms"), ...rows.filter(folded).map(each)),
      ];
    };
    const names = Object.keys(catalogue.variants);
    return panel(`${i}`, alone ? "Variant" : `Variant ${i + 1}`, names, `variant ${i + 1}`, choose, fields, alone ? null : drop);
  }

  function motion() {
    const choose = (name) => {
      if (name === undefined) return state.rule.name;
      const [before, now] = [state.rule.name, name].map((n) => n === "flow");
      if (before !== now) state.length = now ? "40" : "400";
      state.rule = { name, typed: {} };
    };
    const fields = () => {
      const flow = state.rule.name === "flow";
      const end = flow ? { name: "end time", min: 1, max: 200, step: 1 } : { name: "steps", min: 1, max: 5000, step: 1 };
      const label = h("label", { for: "dg-length" }, end.name);
      return [
        h("p", { class: "about" }, flow ? "Continuous time: the limit of small learning rates" : catalogue.about[state.rule.name] ?? ""),
        ...(catalogue.rules[state.rule.name] ?? []).map((p) => field(`rule.${p.name}`, p, state.rule.typed)),
        numeric("length", label, end, state.length, (x) => { state.length = x; changed(); }),
      ];
    };
    return panel("rule", "How the players move", ["flow", ...Object.keys(catalogue.rules)], "rule", choose, fields, null);
  }

  // ---- the start: a plane to drag in, and two fields to type into

  const vector = (text) => String(text).split(",").map(Number);
  const dim = () => (String(state.phi0).includes(",") ? 2 : 1);

  function begin() {
    const size = 220;
    const flat = dim() === 1;
    const points = () => (flat ? [[Number(state.phi0), Number(state.theta0)]] : [vector(state.phi0), vector(state.theta0)]);
    const largest = Math.max(...points().flat().map(Math.abs).filter(Number.isFinite));
    const reach = Math.max(0.5, 1.5 * largest);
    const board = s("svg", { viewBox: `0 0 ${size} ${size}`, class: "plane", role: "group", "aria-label": "plane of the start" });
    const middle = size / 2;
    board.append(s("path", { d: `M0 ${middle}H${size}M${middle} 0V${size}`, stroke: "#bbb" }));
    const note = (x, y, text) => board.append(s("text", { x, y, "font-size": 11, fill: "currentColor" }, text));
    note(4, size - 5, `to ± ${short(reach)}; across ${flat ? "φ" : "the 1st entry"}, up ${flat ? "θ" : "the 2nd"}`);
    const typed = {};
    const write = (k, x, y) => {
      const keep = (v) => short(Math.max(-reach, Math.min(reach, v)).toFixed(3));
      if (flat) [state.phi0, state.theta0] = [keep(x), keep(y)];
      else state[k === 0 ? "phi0" : "theta0"] = `${keep(x)},${keep(y)}`;
      typed.phi0.value = state.phi0;
      typed.theta0.value = state.theta0;
      place();
      changed();
    };
    const marks = (flat ? ["start"] : ["φ", "θ"]).map((name, k) => {
      const mark = s("g", { tabindex: 0, role: "slider", "data-mark": name, "aria-label": `start of ${name}; arrow keys move it` });
      const look = k === 0 ? s("circle", { r: 8, fill: "#0072B2" }) : s("rect", { x: -7, y: -7, width: 14, height: 14, fill: "#D55E00" });
      mark.append(look, s("text", { x: 12, y: k === 0 ? -4 : 14, "font-size": 13, fill: "currentColor" }, name));
      mark.addEventListener("pointerdown", (e) => { mark.setPointerCapture(e.pointerId); mark.dataset.held = "1"; });
      mark.addEventListener("pointerup", () => delete mark.dataset.held);
      mark.addEventListener("pointermove", (e) => {
        if (!mark.dataset.held) return;
        const b = board.getBoundingClientRect();
        write(k, ((2 * (e.clientX - b.left)) / b.width - 1) * reach, (1 - (2 * (e.clientY - b.top)) / b.height) * reach);
      });
      mark.addEventListener("keydown", (e) => {
        const d = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[e.key];
        if (!d) return;
        e.preventDefault();
        const [x, y] = points()[k];
        write(k, x + (d[0] * reach) / 50, y + (d[1] * reach) / 50);
      });
      board.append(mark);
      return mark;
    });
    function place() {
      points().forEach(([x, y], k) => {
        if (!Number.isFinite(x) || !Number.isFinite(y)) return;
        const held = (v) => Math.max(-reach, Math.min(reach, v)) / reach;
        marks[k].setAttribute("transform", `translate(${(held(x) + 1) * middle},${(1 - held(y)) * middle})`);
        marks[k].setAttribute("aria-valuetext", `${x}, ${y}`);
        marks[k].setAttribute("aria-valuenow", x);
      });
    }
    place();
    const line = (key, name) => {
      typed[key] = h("input", { id: `dg-${key}`, type: "text", autocomplete: "off", oninput: (e) => {
        state[key] = e.target.value.trim();
        place();
        changed();
      } });
      typed[key].value = state[key];
      return h("div", { class: "row" }, h("label", { for: `dg-${key}` }, name), typed[key], message(key));
    };
    const usual = { 1: ["0.5", "0.5"], 2: ["0.1,0.2", "0.2,0.1"] };
    const choose = (d) => h("label", { class: "radio" }, h("input", { type: "radio", name: "dg-dim", value: d, checked: dim() === d, onchange: () => {
      [state.phi0, state.theta0] = usual[d];
      rebuild();
    } }), ` ${d}`);
    return h(
      "fieldset", {},
      h("legend", {}, "Start"),
      h("div", { class: "head", role: "radiogroup", "aria-label": "dimension" }, "dimension", choose(1), choose(2)),
      h("p", { class: "about" }, "Drag the start, move it with the arrow keys, or type it."),
      board, line("phi0", "critic φ"), line("theta0", "generator θ"),
    );
  }

  const controls = h("form", { class: "controls", "aria-label": "what is shown", onsubmit: (e) => e.preventDefault() });
  function build() {
    const held = controls.getRootNode().activeElement?.id;
    messages.clear();
    const add = h("button", { type: "button", class: "add", disabled: state.variants.length >= SHORT, onclick: () => {
      const unused = Object.keys(catalogue.variants).find((n) => !state.variants.some((v) => v.name === n));
      state.variants.push({ name: unused ?? state.variants[0].name, typed: {} });
      rebuild();
    } }, `Compare another variant (up to ${SHORT})`);
    controls.replaceChildren(...state.variants.map(slot), add, motion(), begin());
    if (held) controls.querySelector(`[id="${held}"]`)?.focus();
    told();
  }
  function rebuild() {
    build();
    changed();
  }

  // ---- from Python

  const picture = h("img", { alt: "path of the players, distances over time, eigenvalues" });
  const rows = h("tbody");
  const command = h("pre", { "data-what": "command" });
  const code = h("pre", { "data-what": "code" });
  const trouble = h("p", { class: "trouble", role: "alert" });

  function shown(image, trait) {
    const bytes = model.get(trait);
    if (!bytes?.byteLength) return image.removeAttribute("src");
    const old = image.src;
    image.src = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    if (old) URL.revokeObjectURL(old);
  }

  function told() {
    const { wrong, trouble: said, serial } = model.get("answer");
    for (const [key, place] of messages) {
      place.textContent = wrong[key] ?? "";
      const input = controls.querySelector(`[id="dg-${key}"]`);
      if (key in wrong) input?.setAttribute("aria-invalid", "true");
      else input?.removeAttribute("aria-invalid");
    }
    trouble.textContent = said;
    board.classList.toggle("old", Object.keys(wrong).length > 0 || said !== "");
    board.dataset.serial = serial;
    board.dataset.sent = sent;
  }

  function tabled() {
    const { lines, command: c, code: p, query } = model.get("answer");
    const verdicts = model.get("verdicts");
    rows.replaceChildren(...lines.map((line, k) => h(
      "tr", {},
      h("th", { scope: "row" }, line.label),
      h("td", {}, line.status), h("td", {}, line.leading), h("td", {}, line.end),
      h("td", { class: "verdict" }, verdicts[k] || "being followed …"),
    )));
    command.textContent = c;
    code.textContent = p;
    const url = new URL(window.location);
    for (const [k, v] of Object.entries(query)) url.searchParams.set(k, v);
    if (url.href !== window.location.href) window.history.replaceState(window.history.state, "", url);
  }

  const copy = (from, name) => h("button", { type: "button", onclick: async (e) => {
    const button = e.currentTarget;
    await navigator.clipboard.writeText(from.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = name; }, 1200);
  } }, name);
  const ask = (what) => model.send({ do: what });
  const fetch = (name, what) => h("button", { type: "button", onclick: () => ask(what) }, name);

  const live = h("img", { alt: "the real GAN's path and distance beside the Dirac game's" });
  const words = h("p", { "aria-live": "polite" });
  const train = h("button", { type: "button", onclick: () => ask(model.get("live").running ? "stop" : "train") });
  function ran() {
    const { running, text } = model.get("live");
    train.textContent = running ? "Stop" : "Train the real GAN";
    words.textContent = text;
  }

  const board = h(
    "div", { class: "board" },
    h("section", { class: "picture", "aria-label": "picture" }, trouble, picture),
    controls,
    h(
      "section", { class: "words", "aria-label": "numbers, commands and a live run" },
      h("div", { class: "wide" }, h(
        "table", {},
        h("thead", {}, h("tr", {}, ...["variant", "eigenvalues say", "leading", "at the end", "what truly happens"].map((t) => h("th", { scope: "col" }, t)))),
        rows,
      )),
      h("h2", {}, "The same on the command line"), command, copy(command, "Copy the command"),
      h("h2", {}, "The same in Python"), code, copy(code, "Copy the code"),
      h("h2", {}, "Keep it"),
      fetch("Download the picture", "picture"), fetch("Download the data", "data"),
      h("h2", {}, "A real GAN beside its prediction"),
      h("p", { class: "about" }, "Two networks and one data point (the problem “point”), trained with the first variant and the chosen rule, and the Dirac game from the same start. Left out of the prediction: that networks change as they learn, and that real and fake samples overlap, which damps them."),
      train, words, live,
    ),
  );
  el.classList.add("diracgan");
  el.append(h("h1", {}, "diracgan explorer"), board);

  model.on("change:answer", () => { told(); tabled(); send(); });
  model.on("change:png", () => shown(picture, "png"));
  model.on("change:verdicts", tabled);
  model.on("change:live", ran);
  model.on("change:live_png", () => shown(live, "live_png"));
  model.on("msg:custom", (content, buffers) => {
    if (content.kind !== "file") return;
    const url = URL.createObjectURL(new Blob([buffers[0]], { type: content.type }));
    h("a", { href: url, download: content.name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
  build();
  tabled();
  ran();
  shown(picture, "png");
  shown(live, "live_png");
}
export default { render };
