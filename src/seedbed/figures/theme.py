"""How every chart looks: colours, dashes, letters, sizes. All colours and fonts are defined
here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.figures.grammar import Spec

PANEL_WIDTH = 400
PANEL_HEIGHT = 280

# The second channel beside colour, so that a chart can be read in black and white.
PART_NAMES = {"train": "training rows", "test": "test rows"}
DASHES = {"train": [4, 3], "test": [1, 0]}

# vl-convert contains the first of these and measures text with it; a browser without it uses the
# next.
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"


@dataclass(frozen=True)
class Theme:
    """The colours of one scheme.

    Attributes:
        palette: safe for the colour-blind, the first three the most distinct: Okabe and Ito (2008)
            without their yellow, which fades on white, then three of Paul Tol's, and two more.
        background, ink, faint_ink, rule: paper, text, quiet text, axis and grid lines.
        zone: an area in the background, for instance that of differences that don't matter.
        risks: shades for groups of rows, the highest risk first; no candidate has these shades.
        better, worse, unsure: colours of verdicts, also distinct for the colour-blind. No model has
            these.
    """

    palette: tuple[str, ...]
    background: str
    ink: str
    faint_ink: str
    rule: str
    zone: str
    better: str
    worse: str
    unsure: str
    risks: tuple[str, ...]


_COLOURS = {  # light, dark
    "background": ("white", "#14171A"),
    "ink": ("#222222", "#ECEDEE"),
    "faint_ink": ("#555555", "#A9AFB5"),
    "rule": ("#DDDDDD", "#343A40"),
    "zone": ("#EFEFEF", "#23282D"),
    "better": ("#0072B2", "#56ABE0"),
    "worse": ("#C24E00", "#F08A45"),
    "unsure": ("#767676", "#9AA0A6"),
}
_RISKS = (
    ("#000000", "#4F4F4F", "#7F7F7F", "#A6A6A6"),
    ("#FFFFFF", "#BCC1C6", "#8F969D", "#6C747C"),
)
_PALETTES = (
    (
        "#0072B2",
        "#D55E00",
        "#009E73",
        "#CC79A7",
        "#E69F00",
        "#56B4E9",
        "#332288",
        "#882255",
        "#777777",
        "#999933",
        "#8A5A3C",
        "#8E7CC3",
    ),
    (
        "#56ABE0",
        "#F08A45",
        "#2CC79A",
        "#E49BC6",
        "#F0B53A",
        "#9AD4F7",
        "#A79CF0",
        "#E07AA5",
        "#B4B4B4",
        "#CFCB6B",
        "#C79A7B",
        "#CDBDF7",
    ),
)

LIGHT, DARK = (
    Theme(
        palette=_PALETTES[at],
        risks=_RISKS[at],
        **{name: both[at] for name, both in _COLOURS.items()},
    )
    for at in range(2)
)


_VARIABLES = {
    name: f"--{name.replace('_', '-')}" for name in _COLOURS
}  # in a style sheet
PAGE = Theme(
    palette=tuple(f"var(--series-{number})" for number in range(len(LIGHT.palette))),
    risks=tuple(f"var(--risk-{number})" for number in range(len(LIGHT.risks))),
    **{name: f"var({variable})" for name, variable in _VARIABLES.items()},
)
"""Colours that the surrounding page decides. Only a browser can draw such a chart."""


def css_variables(theme: Theme) -> str:
    """Return declarations of the colours by the names that `PAGE` refers to. The style sheet of a
    page then decides how a chart looks on light and dark screens and on paper."""
    colours = {
        f"--series-{number}": colour for number, colour in enumerate(theme.palette)
    }
    colours |= {f"--risk-{number}": colour for number, colour in enumerate(theme.risks)}
    colours |= {variable: getattr(theme, name) for name, variable in _VARIABLES.items()}
    return " ".join(f"{name}: {colour};" for name, colour in colours.items())


def css_themes() -> str:
    """Return the colours of a page: those of the reader's system or of its button; on paper always
    the light ones."""
    themes = {"light": LIGHT, "dark": DARK}
    light, dark = (
        f"color-scheme: {name}; {css_variables(theme)}"
        for name, theme in themes.items()
    )
    return (
        f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
        f":root[data-theme=light] {{ {light} }}\n:root[data-theme=dark] {{ {dark} }}\n"
        f"@media print {{ :root, :root[data-theme] {{ {light} }} }}\n"
    )


_RECOMMENDED = 2  # in the palette: neither blue nor red, which are verdicts
_MODELS = (4, 6, 3, 10, 9, 7, 11, 8)


def colours(
    names: Sequence[str], theme: Theme = LIGHT, recommended: str = ""
) -> dict[str, str]:
    """Return a colour for each model by its position, the same in every chart of a summary; the
    recommended one is green."""
    others = [name for name in names if name != recommended]
    of = {
        name: theme.palette[_MODELS[number % len(_MODELS)]]
        for number, name in enumerate(others)
    }
    return of | {recommended: theme.palette[_RECOMMENDED]} if recommended else of


def chart_config(theme: Theme = LIGHT) -> Spec:
    """Return the configuration of a chart with a theme."""
    label = {"labelColor": theme.faint_ink, "labelFontSize": 12}
    title = {"titleColor": theme.ink, "titleFontSize": 12, "titleFontWeight": "normal"}
    subtitle = {"subtitleColor": theme.faint_ink, "subtitleFontSize": 12}
    lines = {
        "domainColor": theme.faint_ink,
        "gridColor": theme.rule,
        "tickColor": theme.faint_ink,
    }
    # Without its opacity, the legend would be as pale as the bands.
    symbol = {
        "symbolOpacity": 1,
        "symbolSize": 500,
        "symbolStrokeWidth": 2.5,
        "symbolType": "stroke",
    }
    return {
        "font": _FONT,
        "background": "transparent" if theme is PAGE else theme.background,
        "padding": 12,
        "view": {"stroke": None},
        "title": {
            "anchor": "start",
            "color": theme.ink,
            "fontSize": 13,
            "fontWeight": "bold",
            **subtitle,
            "offset": 12,
        },
        "axis": {**label, **title, **lines, "labelFlush": False, "titlePadding": 8},
        "legend": {
            **label,
            **title,
            **symbol,
            "labelColor": theme.ink,
            "labelLimit": 0,
            "offset": 8,
            "padding": 6,
        },
        "concat": {"spacing": 36},
    }
