"""LLVM code for vector registers of four doubles, which numba itself does not know.

Arrays are given by pointers (`pointer_to`) and are flat; places in them are 64-bit integers.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 4  # eight (AVX-512) gain nothing: sums of windows and ranks take most of the time
DOUBLE = ir.DoubleType()
SINGLE = ir.FloatType()
INDEX = ir.IntType(64)
VECTOR = ir.VectorType(DOUBLE, LANES)
# a product and the sum it enters may become one fused operation
FUSED = ("contract",)

Vector = Any
Builder = Any


def code(function: Callable[..., Any]) -> Any:
    """Make a function that writes LLVM code one that kernels can call."""
    return intrinsic(function)


def variable(builder: Builder, value: Any) -> Any:
    """Make a variable; LLVM keeps it in a register."""
    return cgutils.alloca_once_value(builder, value)  # type: ignore[no-untyped-call]


def constant(value: int) -> Any:
    """Return an index constant."""
    return ir.Constant(INDEX, value)


def zeros() -> Vector:
    """Return a vector of zeros."""
    return ir.Constant(VECTOR, [0.0] * LANES)


def shifted(builder: Builder, at: Any, by: int) -> Any:
    """Return an index some places on."""
    return builder.add(at, constant(by)) if by else at


def pointer_at(builder: Builder, data: Any, at: Any, element: Any = DOUBLE) -> Any:
    """Return the pointer to an element."""
    return builder.gep(data, [at], source_etype=element)


def load_number(builder: Builder, data: Any, at: Any, element: Any = DOUBLE) -> Any:
    """Load one number."""
    return builder.load(pointer_at(builder, data, at, element), typ=element)


def load_vector(builder: Builder, data: Any, at: Any, element: Any = DOUBLE) -> Vector:
    """Load a vector of numbers that are aligned as one is, as doubles."""
    kind = ir.VectorType(element, LANES)
    pointer = builder.bitcast(pointer_at(builder, data, at, element), kind.as_pointer())
    loaded = builder.load(pointer, align=4 if element == SINGLE else 8, typ=kind)
    return loaded if element == DOUBLE else builder.fpext(loaded, VECTOR)


def store_vector(builder: Builder, value: Vector, data: Any, at: Any) -> None:
    """Store a vector of doubles."""
    pointer = builder.bitcast(pointer_at(builder, data, at), VECTOR.as_pointer())
    builder.store(value, pointer, align=8)


def store_lanes(builder: Builder, value: Vector, mask: Any, data: Any, at: Any) -> None:
    """Store some of a vector's doubles; the others' places are not touched."""
    pointer = builder.bitcast(pointer_at(builder, data, at), VECTOR.as_pointer())
    kind = ir.FunctionType(
        ir.VoidType(), [VECTOR, pointer.type, ir.IntType(32), ir.VectorType(ir.IntType(1), LANES)]
    )
    name = f"llvm.masked.store.v{LANES}f64.p0"
    store = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    builder.call(store, [value, pointer, ir.Constant(ir.IntType(32), 8), mask])


def load_lanes(builder: Builder, mask: Any, data: Any, at: Any) -> Vector:
    """Load some lanes of a vector of doubles; the others are 0, and their places are not read."""
    pointer = builder.bitcast(pointer_at(builder, data, at), VECTOR.as_pointer())
    lanes = ir.VectorType(ir.IntType(1), LANES)
    kind = ir.FunctionType(VECTOR, [pointer.type, ir.IntType(32), lanes, VECTOR])
    name = f"llvm.masked.load.v{LANES}f64.p0"
    load = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    return builder.call(load, [pointer, ir.Constant(ir.IntType(32), 8), mask, zeros()])


def lanes_between(builder: Builder, first: Any, end: Any) -> Any:
    """Return which lanes have a number from first up to, not with, end."""
    numbers = ir.Constant(ir.VectorType(INDEX, LANES), list(range(LANES)))
    above = builder.icmp_signed(">=", numbers, spread_number(builder, first))
    return builder.and_(above, builder.icmp_signed("<", numbers, spread_number(builder, end)))


def spread_number(builder: Builder, value: Any) -> Vector:
    """Return a vector of one value."""
    kind = ir.VectorType(value.type, LANES)
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), value, constant(0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), lanes)


@code
def pointer_to(typing_context: Any, array: Any) -> Any:
    """``pointer_to(array)``: its data, to be indexed by one number.

    Kernels hand pointers on instead of arrays, whose references numba counts at every turn. The
    array itself must outlive them: it is an argument or a variable of the kernel that is called.
    """
    signature = types.CPointer(array.dtype)(array)  # type: ignore[no-untyped-call]

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return signature, codegen


@code
def put(typing_context: Any, pointer: Any, at: Any, value: Any) -> Any:
    """``put(pointer, at, value)``: store a number.

    Unlike ``pointer[at] = value`` it is never taken for dead code, which numba does to an item of
    a tuple that a piece of a kernel has made.
    """
    signature = types.void(pointer, types.int64, pointer.dtype)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        data, at, value = args
        kind = context.get_data_type(signature.args[0].dtype)
        builder.store(value, pointer_at(builder, data, at, kind))
        return context.get_dummy_value()

    return signature, codegen
