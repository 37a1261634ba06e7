"""The style of the documentation site, with that of its theme."""

from pathlib import Path

import material

DOCS = Path(__file__).parents[2] / "docs"
CONTENT = 748  # pixels between both side bars of the theme, in a window of 1280


def test_a_hundred_columns_fit_between_the_side_bars_of_the_site(open_page, tmp_path):
    theme = Path(material.__file__).parent / "templates" / "assets" / "stylesheets"
    styles = [next(theme.glob("main.*.min.css")).read_text("utf-8"), (DOCS / "site.css").read_text("utf-8")]
    block = f"<div class=highlight><pre><code>{'m' * 100}</code></pre></div>"
    page = tmp_path / "page.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><style>{''.join(styles)}</style><body data-ready=yes>"
        f"<div class=md-typeset style='width: {CONTENT}px'>{block}</div>"
    )
    code = open_page(page, width=1280).locator("pre > code")
    assert code.evaluate("one => one.scrollWidth - one.clientWidth") <= 0
    assert code.evaluate("one => parseFloat(getComputedStyle(one).fontSize)") >= 12
