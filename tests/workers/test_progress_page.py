"""The note of which load is under way, read by another process."""

from __future__ import annotations

import os

from streamfit.workers.recovery.progress_page import Load, ProgressPage


def test_reader_sees_what_the_writer_is_at() -> None:
    reader = ProgressPage()
    writer = ProgressPage(os.dup(reader.fd))
    assert (reader.under_way(), reader.begun()) == (None, 0)
    writer.begin(3, 1 << 40, 2)
    assert (reader.under_way(), reader.begun()) == (Load(3, 1 << 40, 2), 1)
    writer.set_preparing(True)
    assert reader.is_preparing()
    writer.set_preparing(False)
    assert not reader.is_preparing()
    writer.end()
    assert (reader.under_way(), reader.begun()) == (None, 1)
    writer.begin(3, 7, 1)
    writer.close()
    assert (reader.under_way(), reader.begun()) == (Load(3, 7, 1), 2)
    reader.close()
