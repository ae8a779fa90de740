"""The instructions by which threads sleep and wake, as they are written for the processors that have them."""

from __future__ import annotations

import pytest

from streamfit.kernels import atomics, futex

pytestmark = pytest.mark.jit


def assembly(triple: str) -> str:
    """Write a function that uses all instructions, and translate it for a processor."""
    import llvmlite.binding as llvm
    from llvmlite import ir

    class Context:
        def get_dummy_value(self) -> None:
            return None

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module, word = ir.Module(), ir.IntType(64)
    module.triple = triple
    function = ir.Function(module, ir.FunctionType(word, [word]), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    address, result = function.args[0], word(0)
    for write, count in (
        (futex._write_sleep, 1),
        (futex._write_wake, 1),
        (futex._write_nanoseconds, -1),
        (futex._write_processor, -1),
        (futex._write_get_affinity, 0),
        (futex._write_set_affinity, 0),
        (futex._write_pause, -1),
        (atomics._write_add, 1),
        (atomics._write_replace, 2),
        (atomics._write_read, 0),
        (atomics._write_write, 1),
    ):
        numbers = [word(3)] * max(count, 0)
        arguments = [address, *numbers] if count >= 0 else []
        value = write(None, *arguments)[1](Context(), builder, None, arguments)  # type: ignore[operator]
        result = result if value is None else builder.add(result, value)
    builder.ret(result)
    try:
        machine = llvm.Target.from_triple(triple).create_target_machine()
    except RuntimeError as error:
        pytest.skip(f"this LLVM does not write for {triple}: {error}")
    text: str = machine.emit_assembly(llvm.parse_assembly(str(module)))
    return text


CALLS = ("syscall", "clock_gettime", "sched_getcpu", "sched_getaffinity", "sched_setaffinity")


def test_x86_has_all_instructions() -> None:
    text = assembly("x86_64-unknown-linux-gnu")
    assert all(name in text for name in CALLS)
    assert text.count("$202") == 2
    assert "pause" in text
    assert text.count("lock") >= 2


def test_arm_has_all_instructions() -> None:
    text = assembly("aarch64-unknown-linux-gnu")
    assert all(name in text for name in CALLS)
    assert text.count("#98") == 2
    assert "yield" in text
    assert "ldaxr" in text or "ldadd" in text or "aldadd" in text
