"""Algorithm 2 on one point, in vector registers, for mixtures of more than two components.

The loop over B components is too short for the compiler to vectorise well: what it adds around the
loop costs more than the loop. This writes the same arithmetic as straight-line vector code.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

REGISTER = 8  # float64 numbers in a register of 512 bits; narrower machines use several
_FAST = ("contract", "nsz", "reassoc")


def _update_row(
    typing: Any, registers: Any, p: Any, lane: Any, table: Any, place: Any, loss: Any,
    keep: Any, gain: Any,
) -> Any:  # fmt: skip
    """p[lane] <- keep p[lane] + gain o - loss[lane], o the ownership of the point table[place].

    To be called from compiled code. All rows are 8 * len(registers) float64 numbers wide.

    Returns:
        1 where a new weight is not positive, else 0.
    """
    width = REGISTER * len(registers)
    number, whole = ir.DoubleType(), ir.IntType(64)
    vector, mask = ir.VectorType(number, width), ir.IntType(width)
    signature = types.int64(
        registers, p, types.int64, table, types.int64, loss, types.float64, types.float64
    )

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, p_array, lane, table_array, place, loss_array, keep, gain = arguments

        def row(kind: Any, array: Any, index: Any) -> Any:
            data = context.make_array(kind)(context, builder, array).data
            start = builder.mul(index, ir.Constant(whole, width))
            return builder.bitcast(builder.gep(data, [start]), vector.as_pointer())

        def loaded(pointer: Any) -> Any:
            value = builder.load(pointer)
            value.align = 8
            return value

        def spread(value: Any) -> Any:
            nothing, first = ir.Constant(vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
            one = builder.insert_element(nothing, value, first)
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
            return builder.shuffle_vector(one, nothing, zeros)

        target = row(signature.args[1], p_array, lane)
        old = loaded(target)
        product = builder.fmul(old, loaded(row(signature.args[3], table_array, place)), flags=_FAST)
        add_up = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(number, [number, vector]),
            f"llvm.vector.reduce.fadd.v{width}f64",
        )
        total = builder.call(add_up, [ir.Constant(number, 0.0), product], fastmath=_FAST)
        scale = spread(builder.fdiv(gain, total, flags=_FAST))
        taken = builder.fsub(
            builder.fmul(scale, product, flags=_FAST),
            loaded(row(signature.args[5], loss_array, lane)),
            flags=_FAST,
        )
        new = builder.fadd(builder.fmul(spread(keep), old, flags=_FAST), taken, flags=_FAST)
        builder.store(new, target).align = 8
        bad = builder.fcmp_ordered("<=", new, ir.Constant(vector, [0.0] * width))
        any_bad = builder.icmp_unsigned("!=", builder.bitcast(bad, mask), ir.Constant(mask, 0))
        return builder.zext(any_bad, whole)

    return signature, generate


update_row: Any = intrinsic(_update_row)


def _fetch_row(typing: Any, registers: Any, table: Any, place: Any) -> Any:
    """Ask for the row table[place] to be brought near: rows are read at random, and far away."""
    signature = types.void(registers, table, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, array, place = arguments
        data = context.make_array(signature.args[1])(context, builder, array).data
        byte, code = ir.IntType(8).as_pointer(), ir.IntType(32)
        fetch = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte, code, code, code]),
            "llvm.prefetch.p0i8",
        )
        to_read, near, of_data = (ir.Constant(code, number) for number in (0, 3, 1))
        for line in range(len(registers)):
            at = builder.mul(place, ir.Constant(ir.IntType(64), REGISTER * len(registers)))
            at = builder.add(at, ir.Constant(ir.IntType(64), REGISTER * line))
            pointer = builder.bitcast(builder.gep(data, [at]), byte)
            builder.call(fetch, [pointer, to_read, near, of_data])
        return context.get_dummy_value()

    return signature, generate


fetch_row: Any = intrinsic(_fetch_row)
