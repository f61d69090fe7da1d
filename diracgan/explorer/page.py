"""The explorer's page: a marimo notebook, served by ``diracgan explore``; `marimo edit` opens it as one."""

import marimo  # pyright: ignore[reportMissingImports]

app = marimo.App(width="full", app_title="diracgan explorer")


@app.cell
def _():
    import marimo as mo  # pyright: ignore[reportMissingImports]

    from diracgan.dynamics import rules
    from diracgan.errors import InputError
    from diracgan.explorer import controls, scene

    return InputError, controls, mo, rules, scene


@app.cell
def _(InputError, controls, mo, scene):
    controls.load_files()
    given = mo.query_params().to_dict()
    try:
        first, trouble = scene.scene(given), ""
    except InputError as error:
        first, trouble = scene.Scene(), str(error)
    names = controls.names(first)
    chosen = mo.ui.multiselect(
        controls.choices(), value=names, max_selections=scene.MOST, label="Variants (up to 4)"
    )
    dim = mo.ui.radio(["1", "2"], value=str(first.dim), label="Dimension", inline=True)
    mo.md("# diracgan explorer")
    return chosen, dim, first, trouble


@app.cell
def _(first, mo, rules):
    rule = mo.ui.dropdown(["flow", *rules()], value=first.rule.partition(":")[0] or "flow", label="Rule")
    return (rule,)


@app.cell
def _(chosen, controls, first, mo):
    knobs = mo.ui.dictionary({name: controls.of_variant(mo, name, first) for name in chosen.value or ["ns"]})
    return (knobs,)


@app.cell
def _(controls, first, mo, rule):
    of_rule = controls.of_rule(mo, "" if rule.value == "flow" else rule.value, first)
    longest, usual = (200.0, 40.0) if rule.value == "flow" else (5000.0, 400.0)
    kept = first.length if bool(first.rule) == (rule.value != "flow") else usual
    length = mo.ui.slider(
        longest / 200, longest, longest / 200, value=min(kept, longest), include_input=True, debounce=False,
        label="End time" if rule.value == "flow" else "Steps",
    )  # fmt: skip
    return length, of_rule


@app.cell
def _(controls, dim, first, mo):
    pad = mo.ui.anywidget(controls.pad(int(dim.value), first))
    return (pad,)


@app.cell
def _(InputError, chosen, controls, knobs, length, of_rule, pad, rule, scene):
    try:
        specs = [controls.spec(name, knobs.value[name]) for name in chosen.value or ["ns"]]
        moved = "" if rule.value == "flow" else controls.spec(rule.value, of_rule.value)
        shown = scene.scene(
            {"v": ";".join(specs), "rule": moved, "length": length.value, **controls.start(pad.value)}
        )
        wrong = ""
    except InputError as error:
        shown, wrong = None, str(error)
    return shown, wrong


@app.cell
def _(InputError, controls, mo, scene, shown, wrong):
    found, image, said = None, mo.md(""), wrong
    if shown is not None:
        try:
            found = scene.answers(shown)
            image = mo.image(
                controls.png(scene.picture(shown, found)), alt="path, distance, eigenvalues", width="100%"
            )
        except InputError as error:
            said = str(error)
        params = mo.query_params()
        for key, value in scene.query(shown).items():
            if params.get(key) != value:
                params.set(key, value)
    return found, image, said


@app.cell
def _(chosen, dim, knobs, length, mo, of_rule, pad, rule):
    # apart from the picture, which is large and changes with every move
    where = mo.md("Drag the start, or move it with the arrow keys:")
    mo.sidebar([chosen, knobs, rule, of_rule, length, dim, where, pad], width="24rem")
    return


@app.cell
def _(image, mo, said, trouble):
    notes = [mo.callout(mo.md(text), kind="danger") for text in (trouble, said) if text]
    mo.vstack([*notes, image])
    return


@app.cell
def _(mo):
    judge = mo.ui.run_button(label="What truly happens?")
    return (judge,)


@app.cell
def _(InputError, judge, mo, scene, shown):
    try:
        rows = scene.judged(shown) if judge.value and shown is not None else []
    except InputError as error:
        rows = [("", str(error))]
    mo.vstack([judge, mo.md("\n".join(f"- **{label}**: {text}" for label, text in rows))])
    return


@app.cell
def _(controls, found, mo, scene, shown):
    mo.stop(shown is None or found is None)
    mo.vstack(
        [
            mo.md(f"The same on the command line and in Python:\n```sh\n{scene.command(shown)}\n```\n"
                  f"```python\n{scene.code(shown)}```"),
            mo.hstack(
                [
                    mo.download(lambda: controls.png(scene.picture(shown, found), 160), "diracgan.png", label="PNG"),
                    mo.download(lambda: scene.data(shown, found).encode(), "diracgan.csv", label="CSV"),
                ],
                justify="start",
            ),
        ]
    )  # fmt: skip
    return


if __name__ == "__main__":
    app.run()
