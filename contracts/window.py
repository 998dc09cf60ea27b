"""Windows that slide over an image: which inputs each output of a convolution or a pooling sees.

Images are flat on their edge, rows first and channels last: value (y, x, c) of an edge of shape
(height, width, channels) stands at ``(y * width + x) * channels + c``. A sequence is an image of
height 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from naetrigger.contracts.fixed_point import Integers

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """A window of a convolution or a pooling.

    size, stride : (vertical, horizontal), in pixels
    padding : pixels added at the (top, left, bottom, right)
    """

    size: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def problems(self) -> list[str]:
        """What makes it no window."""
        if min(*self.size, *self.stride) < 1:
            return [f"a window's size and stride are at least 1: {self.size}, {self.stride}"]
        top, left, bottom, right = self.padding
        if min(self.padding) < 0 or max(top, bottom) >= self.size[0]:
            return [f"padding {self.padding} does not fit a window of {self.size}"]
        if max(left, right) >= self.size[1]:
            return [f"padding {self.padding} does not fit a window of {self.size}"]
        return []

    def output(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the output; 0 or less where the window is larger than the image."""
        top, left, bottom, right = self.padding
        return (
            (height + top + bottom - self.size[0]) // self.stride[0] + 1,
            (width + left + right - self.size[1]) // self.stride[1] + 1,
        )

    def pixels(self, height: int, width: int) -> Integers:
        """The pixel (y * width + x) under each place of the window, -1 in the padding.

        Shape (outputs, places): outputs row by row, places row by row.
        """
        rows, columns = self.output(height, width)
        y = np.arange(rows)[:, None] * self.stride[0] - self.padding[0] + np.arange(self.size[0])
        x = np.arange(columns)[:, None] * self.stride[1] - self.padding[1] + np.arange(self.size[1])
        inside = ((y >= 0) & (y < height))[:, None, :, None] & ((x >= 0) & (x < width))[:, None, :]
        pixel = y[:, None, :, None] * width + x[None, :, None, :]
        return np.where(inside, pixel, -1).reshape(rows * columns, -1).astype(np.int64)


def same_padding(
    size: tuple[int, int], stride: tuple[int, int], height: int, width: int
) -> tuple[int, int, int, int]:
    """Padding (top, left, bottom, right) that Keras calls 'same': ceil(n / stride) outputs."""
    missing = [
        max((-(-n // s) - 1) * s + k - n, 0)
        for n, s, k in zip((height, width), stride, size, strict=True)
    ]
    top, left = (total // 2 for total in missing)
    return top, left, missing[0] - top, missing[1] - left
