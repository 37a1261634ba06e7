"""The style of the documentation site, with that of its theme."""

from pathlib import Path

import material

DOCS = Path(__file__).parents[2] / "docs"
CONTENT = 748  # pixels between both side bars of the theme, in a window of 1280


def test_a_block_of_the_site_fits_a_hundred_columns_and_is_copied_as_commands_alone(open_page, tmp_path):
    theme = Path(material.__file__).parent / "templates" / "assets" / "stylesheets"
    styles = [next(theme.glob("main.*.min.css")).read_text("utf-8"), (DOCS / "site.css").read_text("utf-8")]
    session = "<span class=gp>$ </span>seedbed report run\n<span class=go>Use auto</span>\n"
    blocks = [f"<div class=highlight><pre><code>{one}</code></pre></div>" for one in ("m" * 100, session)]
    page = tmp_path / "page.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><style>{''.join(styles)}</style><body data-ready=yes>"
        f"<div class=md-typeset style='width: {CONTENT}px'>{''.join(blocks)}</div>"
    )
    code, commands = open_page(page, width=1280).locator("pre > code").all()
    assert code.evaluate("one => one.scrollWidth - one.clientWidth") <= 0
    assert code.evaluate("one => parseFloat(getComputedStyle(one).fontSize)") >= 12
    copied = "one => { one.toggleAttribute('data-md-copying'); return one.innerText.trim(); }"  # as the theme does it
    assert [commands.evaluate(copied) for _ in range(2)] == ["seedbed report run", "$ seedbed report run\nUse auto"]
