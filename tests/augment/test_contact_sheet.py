"""The page of all transforms in the documentation has all of them."""

from __future__ import annotations

from pathlib import Path

import contact_sheet
import pytest

from streamfit import augment

# No pictures of their own: what is made of other transforms, and what only changes numbers.
WITHOUT = {"Transform", "normalize", "rescale", "to_float", "audio", "series"}
WITHOUT |= {"chain", "function", "maybe", "one_of", "some_of"}


def test_every_transform_is_on_the_page() -> None:
    drawn = {text.partition("(")[0] for text in contact_sheet.TRANSFORMS}
    assert drawn == set(augment.__all__) - WITHOUT


@pytest.mark.jit
def test_the_page_is_drawn(tmp_path: Path) -> None:
    contact_sheet.draw(tmp_path / "page.png", contact_sheet.TRANSFORMS[:2])
    assert (tmp_path / "page.png").stat().st_size > 10_000
