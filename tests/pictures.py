"""What every picture must be: whole labels, none over another."""

from __future__ import annotations

from itertools import combinations

from matplotlib.text import Text

from opskit.show.topology import Picture


def texts_of(picture: Picture) -> list[Text]:
    """The texts a person sees."""
    return [text for text in picture.axes[0].texts if text.get_text()]


def assert_legible(picture: Picture) -> None:
    """No label is cut or covers another."""
    texts = texts_of(picture)
    extents = [text.get_window_extent() for text in texts]
    for text, extent in zip(texts, extents, strict=True):
        assert extent.x0 >= 0, text
        assert extent.y0 >= 0, text
        assert extent.x1 <= picture.bbox.width, text
        assert extent.y1 <= picture.bbox.height, text
    for (one, first), (other, second) in combinations(zip(texts, extents, strict=True), 2):
        assert not first.overlaps(second), (one, other)
