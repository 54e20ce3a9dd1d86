"""Figures as SVG inside of a page: small, in the page's colours, and without a link to anywhere."""

import base64
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PIXELS_PER_INCH = 96


def svg_of(figure: "Figure", name: str) -> str:
    """One `<svg>` element.

    Black becomes the colour of the page's text, and the background that of the page. A group with a `gid` gets it as
    its class, so that a page finds the same line in several figures.

    **Arguments:**

    - `figure`: A figure whose lines have a `gid` that begins with `network-`, or none.
    - `name`: Makes identities unique on the page.
    """
    import matplotlib

    text = io.StringIO()
    # A fixed salt: the same figure is the same text.
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path", "image.composite_image": False}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<svg[^>]*?(viewBox=\"[^\"]*\")[^>]*>", rf"<svg \1 {_size_of(figure)}>", svg, count=1)
    svg = re.sub(r'id="(network-\d+)"', r'class="\1"', svg)
    prefix = re.sub(r"\W", "-", name)
    svg = _with_needed_identities(svg, prefix)
    svg = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', svg).replace("url(#", f"url(#{prefix}-")
    svg = svg.replace("xlink:href=", "href=").replace("#000000", "currentColor")
    svg = re.sub(r'href="data:image/png;base64,([^"]*)"', lambda match: f'href="{_smaller(match[1])}"', svg)
    svg = re.sub(r' d="[^"]*"', lambda match: re.sub(r"(\.\d\d)\d+", r"\1", match[0]), svg)
    return re.sub(r"\n\s*", "\n", svg).strip()


def _with_needed_identities(svg: str, prefix: str) -> str:
    """Each identity that something refers to, once; the others are left out."""
    needed = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg))
    open_ones = {name for names in needed for name in names if name}

    def renamed(match: re.Match[str]) -> str:
        if match[1] not in open_ones:
            return ""
        open_ones.remove(match[1])
        return f' id="{prefix}-{match[1]}"'

    return re.sub(r' id="([^"]*)"', renamed, svg)


def _size_of(figure: "Figure") -> str:
    width, height = (round(_PIXELS_PER_INCH * size) for size in figure.get_size_inches())
    return f'width="{width}" height="{height}"'


def _smaller(encoded: str) -> str:
    """The same picture with a palette, if it has no more than 256 colours."""
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    colours = image.getcolors(256)
    if colours is None:
        return f"data:image/png;base64,{''.join(encoded.split())}"
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for _, colour in colours for value in colour])  # pyright: ignore
    file = io.BytesIO()
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
