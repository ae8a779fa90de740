"""streamfit's side of the transport benchmark: a pool of processes that lives from epoch to epoch."""

from __future__ import annotations

from collections.abc import Iterator

from transport_common import Batch, Batches, options, serve

from streamfit.workers import make_pool


class Loader(Batches):
    """The loader in the form that the pool expects."""

    def load(self, ticket: int) -> Batch:
        """Return batch ``ticket``."""
        return self[ticket]


def main() -> None:
    """Serve epochs; each is a run of the same pool."""
    chosen = options(ahead=10)
    loader = Loader(chosen.size)
    with make_pool("processes", chosen.workers, chosen.ahead) as pool:

        def epoch(count: int) -> Iterator[Batch]:
            for loaded in pool.open(loader, range(count)):
                yield loaded.value

        serve(epoch, 40)


if __name__ == "__main__":
    main()
