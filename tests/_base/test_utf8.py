"""Texts as one buffer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamfit._base.utf8 import utf8

ANY = st.text(st.characters(codec=None, exclude_categories=()))


@given(st.lists(ANY, max_size=9))
def test_each_text_is_between_its_start_and_the_next(texts: list[str]) -> None:
    data, starts = utf8(texts)
    assert len(starts) == len(texts) + 1
    found = [data[starts[i] : starts[i + 1]].tobytes() for i in range(len(texts))]
    # Halves of a pair that stand in two neighbouring texts stay apart.
    assert found == [text.encode("utf-8", "surrogatepass") for text in texts]
    assert starts[-1] == len(data)
