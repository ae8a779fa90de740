"""The layout of graphs: rows in the direction of the edges, nothing upon anything else."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit.utils.layered_layout import Layout, layered_layout

GAP = (5.0, 7.0)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[float, float]], list[tuple[int, int]]]:
    count = draw(st.integers(1, 9))
    length = st.integers(1, 30).map(float)
    sizes = draw(st.lists(st.tuples(length, length), min_size=count, max_size=count))
    ends = st.integers(0, count - 1)
    links = draw(st.lists(st.tuples(ends, ends), max_size=12, unique=True))
    return sizes, links


def overlap(layout: Layout, sizes: list[tuple[float, float]], a: int, b: int) -> bool:
    return all(
        abs(layout.centres[a][axis] - layout.centres[b][axis])
        < (sizes[a][axis] + sizes[b][axis]) / 2 + GAP[axis] - 1e-6
        for axis in (0, 1)
    )


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_boxes_keep_their_distance_and_stand_inside_the_picture(
    graph: tuple[list[tuple[float, float]], list[tuple[int, int]]],
) -> None:
    sizes, links = graph
    layout = layered_layout(sizes, links, GAP)
    count = len(sizes)
    assert not any(overlap(layout, sizes, a, b) for a in range(count) for b in range(a))
    for centre, size in zip(layout.centres, sizes, strict=True):
        for axis in (0, 1):
            assert size[axis] / 2 - 1e-6 <= centre[axis] <= layout.size[axis] - size[axis] / 2 + 1e-6
    assert len(layout.paths) == len(links)


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_links_lead_from_row_to_row_past_all_boxes(
    graph: tuple[list[tuple[float, float]], list[tuple[int, int]]],
) -> None:
    sizes, links = graph
    links = [(a, b) for a, b in links if a < b]
    layout = layered_layout(sizes, links, GAP)
    for (source, target), path in zip(links, layout.paths, strict=True):
        assert layout.centres[source][1] < layout.centres[target][1]
        assert all(before[1] <= after[1] for before, after in pairwise(path))
        for (x, top), (_, bottom) in zip(path[1::2], path[2::2], strict=False):  # in the rows between
            for number, (centre, size) in enumerate(zip(layout.centres, sizes, strict=True)):
                if number not in (source, target) and top <= centre[1] <= bottom:
                    assert abs(x - centre[0]) >= size[0] / 2 + GAP[0] - 1e-6


def test_a_chain_is_one_straight_line() -> None:
    layout = layered_layout([(10, 4), (30, 4), (6, 4)], [(0, 1), (1, 2)], GAP)
    assert {x for x, _ in layout.centres} == {15.0}
    assert [y for _, y in layout.centres] == [2.0, 13.0, 24.0]


def test_rows_are_sorted_so_that_links_do_not_cross() -> None:
    links = [(0, 5), (1, 4), (2, 3)]  # in the order of the boxes all three would cross
    layout = layered_layout([(10, 4)] * 6, links, GAP)
    across = [x for x, _ in layout.centres]
    assert sorted(range(3), key=across.__getitem__) == sorted(range(3), key=lambda i: across[5 - i])


def test_a_link_over_rows_is_straight_beside_them_and_no_boxes_need_no_room() -> None:
    links = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)]
    path = layered_layout([(20, 4)] * 5, links, GAP).paths[4]
    assert len({x for x, _ in path[1:-1]}) == 1
    assert layered_layout([], [], GAP) == Layout([], [], (0.0, 0.0))
