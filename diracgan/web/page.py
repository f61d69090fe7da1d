"""The explorer's page: a marimo notebook, served by ``diracgan explore``; `marimo edit` opens it as one."""

import marimo  # pyright: ignore[reportMissingImports]

app = marimo.App(width="full", app_title="diracgan explorer", css_file="frame.css")


@app.cell
def _():
    import marimo as mo  # pyright: ignore[reportMissingImports]

    from diracgan.web import controls, session

    return controls, mo, session


@app.cell
def _(controls, mo, session):
    controls.load_files()
    # a thread that never starts: marimo tells it, and so those that do, when this tab is closed
    here = session.Session(mo.query_params().to_dict(), closed=mo.Thread())
    page = mo.ui.anywidget(here.page)
    return here, page


@app.cell
def _(page):
    page  # noqa: B018  # pyright: ignore[reportUnusedExpression]
    return


if __name__ == "__main__":
    app.run()
