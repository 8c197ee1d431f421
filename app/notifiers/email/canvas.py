"""A canvas for charts in e-mails."""

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from PIL import Image, ImageDraw, ImageFont

_SCALE: Final = 2
# Drawn larger and scaled down, because Pillow's lines are not anti-aliased.
_SUPER: Final = 2
_TEXT, _DASH, _DOT = 14, 5, 4
_COLOURS: Final = 64

Point = tuple[float, float]


class Canvas:
    """Draws in CSS pixels, and gives an image with twice as many, for high-resolution screens."""

    def __init__(self, width: int, height: int, paper: str) -> None:
        self._factor = _SCALE * _SUPER
        self._image = Image.new("RGB", (width * self._factor, height * self._factor), paper)
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(_TEXT * self._factor)

    def frame(self, colour: str) -> None:
        width, height = self._image.size
        self._draw.rectangle((0, 0, width - 1, height - 1), outline=colour, width=self._factor)

    def line(self, points: Sequence[Point], colour: str, width: float) -> None:
        self._draw.line(self._scaled(points), fill=colour, width=round(width * self._factor), joint="curve")

    def dashed(self, start: Point, end: Point, colour: str, width: float) -> None:
        (x0, y0), (x1, y1) = start, end
        pieces = max(round(max(abs(x1 - x0), abs(y1 - y0)) / _DASH), 1)
        marks = [(x0 + (x1 - x0) * n / pieces, y0 + (y1 - y0) * n / pieces) for n in range(pieces + 1)]
        for piece in list(pairwise(marks))[::2]:
            self.line(piece, colour, width)

    def area(self, points: Sequence[Point], colour: str) -> None:
        self._draw.polygon(self._scaled(points), fill=colour)

    def dot(self, at: Point, colour: str) -> None:
        x, y = at
        self._draw.ellipse(self._scaled([(x - _DOT, y - _DOT), (x + _DOT, y + _DOT)]), fill=colour)

    def text(self, at: Point, text: str, anchor: str, colour: str) -> None:
        ((x, y),) = self._scaled([at])
        self._draw.text((x, y), text, fill=colour, font=self._font, anchor=anchor)

    def width_of(self, text: str) -> float:
        return self._font.getlength(text) / self._factor

    def png(self) -> bytes:
        target = io.BytesIO()
        width, height = self._image.size
        small = self._image.resize((width // _SUPER, height // _SUPER), Image.Resampling.LANCZOS)
        small.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
            target, "PNG", optimize=True
        )
        return target.getvalue()

    def _scaled(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._factor, y * self._factor) for x, y in points]
