"""Bars as plain SVG, with attributes for lengths and classes for colors: pages allow no styles."""

from collections.abc import Sequence

from opensync_hooks.server.html import Html, element, join

_HEIGHT, _GAP = 120, 1
_WIDTH = 1_000


def columns(label: str, bars: Sequence[tuple[str, Sequence[float]]]) -> Html:
    """Return a chart of stacked columns; each bar has a text for the pointer, and its values.

    The n-th value of each has the class `part-n`. Whoever cannot see it reads the label.
    """
    highest = max((sum(values) for _, values in bars), default=0)
    if highest <= 0:
        return Html()
    width = _WIDTH / len(bars)
    drawn = []
    for number, (text, values) in enumerate(bars):
        left, top = number * width, float(_HEIGHT)
        rects = [element("title", text), _rect("hover", left, 0, width, _HEIGHT)]
        for part, value in enumerate(values):
            height = max(value, 0) / highest * _HEIGHT
            top -= height
            if height:
                rects.append(_rect(f"part-{part}", left, top, max(width - _GAP, 0.5), height))
        drawn.append(element("g", *rects))
    return element(
        "svg", *drawn, class_="columns", viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none", role="img", aria_label=label,
    )  # fmt: skip


def bar(values: Sequence[float], highest: float) -> Html:
    """Return one stacked bar, as long as its share of the highest sum."""
    left, rects = 0.0, []
    for part, value in enumerate(values):
        width = max(value, 0) / highest * 100 if highest else 0
        if width:
            rects.append(_rect(f"part-{part}", left, 0, width, 8))
        left += width
    attributes = {"viewBox": "0 0 100 8", "preserveAspectRatio": "none", "aria_hidden": "true"}
    return element("svg", *rects, class_="share", **attributes)


def legend(labels: Sequence[str]) -> Html:
    keys = (
        element("span", _swatch(part), label, class_="key") for part, label in enumerate(labels)
    )
    return element("p", join(keys, " "), class_="about")


def _swatch(part: int) -> Html:
    rect = _rect(f"part-{part}", 0, 0, 8, 8)
    return element("svg", rect, class_="swatch", viewBox="0 0 8 8", aria_hidden="true")


def _rect(class_name: str, left: float, top: float, width: float, height: float) -> Html:
    size = {"x": left, "y": top, "width": width, "height": height}
    written = {name: f"{number:.2f}".rstrip("0").rstrip(".") for name, number in size.items()}
    return element("rect", class_=class_name, **written)
