"""Stands in for progress bars."""


def tqdm(items, *args, **kwargs):
    """Show nothing."""
    return items
