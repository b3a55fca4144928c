"""A rectangle inside a frame, and one drawn by its share of the area and its shape.

The draw is that of Inception's training (C. Szegedy et al., Going Deeper with Convolutions, CVPR 2015) as torchvision's
RandomResizedCrop and RandomErasing made it common: the area uniform, the ratio of the sides uniform in its logarithm,
ten tries to find one that fits.
"""

import math
from dataclasses import dataclass

import numpy as np

TRIES = 10


@dataclass(frozen=True)
class Rectangle:
    """Whole pixels: rows from `top` and columns from `left`, `height` and `width` of them."""

    top: int
    left: int
    height: int
    width: int

    @property
    def rows(self) -> slice:
        """The rows inside."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """The columns inside."""
        return slice(self.left, self.left + self.width)


def draw_rectangle(
    generator: np.random.Generator,
    size: tuple[int, int],
    *,
    area: tuple[float, float],
    aspect: tuple[float, float],
) -> Rectangle | None:
    """Draw a rectangle inside a frame.

    Args:
        generator: of the draws.
        size: H and W of the frame in pixels.
        area: least and most share of the frame's area.
        aspect: least and most width over height.

    Returns:
        The rectangle; None when none of `TRIES` fitted.
    """
    height, width = size
    for _ in range(TRIES):
        target = height * width * generator.uniform(*area)
        ratio = math.exp(generator.uniform(math.log(aspect[0]), math.log(aspect[1])))
        across, down = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < across <= width and 0 < down <= height:
            top = int(generator.integers(height - down + 1))
            return Rectangle(top, int(generator.integers(width - across + 1)), down, across)
    return None
