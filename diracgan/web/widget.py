"""The page in a notebook: what `diracgan page` writes, in a frame, with its address on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import not_installed

if TYPE_CHECKING:
    from ..variants import Variant

# The frame is loaded from a blob, whose address can hold the state; Python and the page write it to each other.
_ESM = """
export default {
  render({ model, el }) {
    const blob = URL.createObjectURL(new Blob([model.get("html")], { type: "text/html" }));
    const frame = document.createElement("iframe");
    frame.title = "The Dirac GAN, running: drag the start, move every hyperparameter";
    frame.style.cssText = `width: 100%; height: ${model.get("height")}px; border: 1px solid #8884; border-radius: 4px`;
    frame.src = `${blob}#${model.get("address")}`;
    const told = (event) => {
      if (event.source !== frame.contentWindow || typeof event.data?.diracgan !== "string") return;
      model.set("address", event.data.diracgan);
      model.save_changes();
    };
    const moved = () => frame.contentWindow?.postMessage({ diracgan: model.get("address") }, "*");
    window.addEventListener("message", told);
    model.on("change:address", moved);
    el.append(frame);
    return () => {
      window.removeEventListener("message", told);
      model.off("change:address", moved);
      URL.revokeObjectURL(blob);
    };
  },
};
"""


def widget(*variants: Variant, address: str = "", height: int = 720) -> Any:
    """The page of `diracgan page` as a widget for Jupyter, Colab or VS Code.

    Args:
        variants: those that can be chosen; every registered one unless given.
        address: the state to begin with, as the page's own address has it after its ``#``.
        height: in pixels.

    Returns:
        An anywidget whose ``address`` is what the page shows, and can be set.

    Raises:
        InputError: where anywidget is not installed, or for a variant that cannot run in a page.

    Example:
        >>> import diracgan as dg
        >>> shown = widget(dg.variant("ns"), address="v=ns:r1=0.3&d=1")  # doctest: +SKIP
        >>> shown.address  # doctest: +SKIP
        'v=ns:r1=0.3&d=1'
    """
    try:
        import anywidget  # pyright: ignore[reportMissingImports]
        import traitlets  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise not_installed("the widget", "anywidget", "explore") from None

    from ..variants import check_variant, parse, variants as registered
    from .bundle import page

    for v in variants:
        check_variant(v)

    class PageWidget(anywidget.AnyWidget):
        """The page in a frame."""

        _esm = _ESM
        html: Any = traitlets.Unicode().tag(sync=True)
        address: Any = traitlets.Unicode().tag(sync=True)
        height: Any = traitlets.Int().tag(sync=True)

    return PageWidget(html=page(variants or map(parse, registered())), address=address, height=height)
