"""The instructions that change the floating-point mode, for several kinds of processors."""

from __future__ import annotations

import pytest

from streamfit.kernels.float_mode import write_flush, write_restore

pytestmark = pytest.mark.jit


def assembly(triple: str) -> str:
    """Write a function that changes and restores the mode, and translate it for a processor."""
    import llvmlite.binding as llvm
    from llvmlite import ir

    class Context:
        def get_dummy_value(self) -> None:
            return None

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = ir.Module()
    module.triple = triple
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), []), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    mode = write_flush(None)[1](Context(), builder, None, ())
    write_restore(None, None)[1](Context(), builder, None, (mode,))
    builder.ret_void()
    try:
        machine = llvm.Target.from_triple(triple).create_target_machine()
    except RuntimeError as error:
        pytest.skip(f"this LLVM does not write for {triple}: {error}")
    text: str = machine.emit_assembly(llvm.parse_assembly(str(module)))
    return text.lower()


@pytest.mark.parametrize("triple", ["x86_64-unknown-linux-gnu", "x86_64-pc-windows-msvc"])
def test_x86_reads_sets_and_restores_its_register(triple: str) -> None:
    text = assembly(triple)
    assert (text.count("stmxcsr"), text.count("ldmxcsr")) == (1, 2)
    assert "32832" in text or "8040" in text  # bits 15 and 6


@pytest.mark.parametrize("triple", ["aarch64-unknown-linux-gnu", "arm64-apple-darwin"])
def test_arm_reads_sets_and_restores_its_register(triple: str) -> None:
    lines = [line.split() for line in assembly(triple).splitlines() if "fpcr" in line]
    assert [line[0] for line in lines] == ["mrs", "msr", "msr"]
    assert "#0x1000000" in assembly(triple)  # bit 24


def test_elsewhere_nothing_is_changed() -> None:
    text = assembly("riscv64-unknown-linux-gnu")
    assert not any(word in text for word in ("csr", "fpcr", "call"))
