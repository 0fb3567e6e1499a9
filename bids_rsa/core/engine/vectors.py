"""LLVM code for vector registers of doubles, which numba itself does not know.

Arrays are given by pointers (`pointer_to`) and are flat; places in them are 64-bit integers.
Vectors have four lanes unless another number is asked for.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic


def _widest() -> int:
    """Doubles in a register of AVX-512 where the processor has it, else of AVX2."""
    features = config.CPU_FEATURES  # type: ignore[attr-defined]  # what the user set
    if features is None:
        features = get_host_cpu_features()  # type: ignore[no-untyped-call]
    return 8 if "+avx512f" in features.split(",") else 4


LANES = 4
WIDE = _widest()
DOUBLE = ir.DoubleType()
SINGLE = ir.FloatType()
INDEX = ir.IntType(64)
_CACHE_LINE = 64  # bytes
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


def zeros(lanes: int = LANES) -> Vector:
    """Return a vector of zeros."""
    return ir.Constant(ir.VectorType(DOUBLE, lanes), [0.0] * lanes)


def shifted(builder: Builder, at: Any, by: int) -> Any:
    """Return an index some places on."""
    return builder.add(at, constant(by)) if by else at


def pointer_at(builder: Builder, data: Any, at: Any, element: Any = DOUBLE) -> Any:
    """Return the pointer to an element."""
    return builder.gep(data, [at], source_etype=element)


def load_number(builder: Builder, data: Any, at: Any, element: Any = DOUBLE) -> Any:
    """Load one number."""
    return builder.load(pointer_at(builder, data, at, element), typ=element)


def load_vector(
    builder: Builder, data: Any, at: Any, element: Any = DOUBLE, lanes: int = LANES
) -> Vector:
    """Load a vector of numbers that are aligned as one is, as doubles."""
    kind = ir.VectorType(element, lanes)
    pointer = builder.bitcast(pointer_at(builder, data, at, element), kind.as_pointer())
    loaded = builder.load(pointer, align=_size_of(element), typ=kind)
    return _as_doubles(builder, loaded, lanes)


def _size_of(element: Any) -> int:
    """Bytes of a number."""
    return 4 if element == SINGLE else 8


def _as_doubles(builder: Builder, vector: Any, lanes: int) -> Vector:
    """Convert a vector of single precision."""
    if vector.type.element == DOUBLE:
        return vector
    return builder.fpext(vector, ir.VectorType(DOUBLE, lanes))


def load_lanes(
    builder: Builder, mask: Any, data: Any, at: Any, element: Any = DOUBLE, lanes: int = LANES
) -> Vector:
    """Load some lanes of a vector, as doubles; the others are 0, and their places are not read."""
    kind = ir.VectorType(element, lanes)
    pointer = builder.bitcast(pointer_at(builder, data, at, element), kind.as_pointer())
    flag = ir.IntType(32)
    function = ir.FunctionType(kind, [pointer.type, flag, mask.type, kind])
    name = f"llvm.masked.load.v{lanes}f{8 * _size_of(element)}.p0"
    load = cgutils.get_or_insert_function(builder.module, function, name)  # type: ignore[no-untyped-call]
    none = ir.Constant(kind, [0.0] * lanes)
    loaded = builder.call(load, [pointer, ir.Constant(flag, _size_of(element)), mask, none])
    return _as_doubles(builder, loaded, lanes)


def store_vector(builder: Builder, value: Vector, data: Any, at: Any) -> None:
    """Store a vector of doubles."""
    pointer = builder.bitcast(pointer_at(builder, data, at), value.type.as_pointer())
    builder.store(value, pointer, align=8)


def store_lanes(builder: Builder, value: Vector, mask: Any, data: Any, at: Any) -> None:
    """Store some of a vector's doubles; the others' places are not touched."""
    pointer = builder.bitcast(pointer_at(builder, data, at), value.type.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [value.type, pointer.type, ir.IntType(32), mask.type])
    name = f"llvm.masked.store.v{value.type.count}f64.p0"
    store = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    builder.call(store, [value, pointer, ir.Constant(ir.IntType(32), 8), mask])


def lanes_between(builder: Builder, first: Any, end: Any, lanes: int = LANES) -> Any:
    """Return which lanes have a number from first up to, not with, end."""
    numbers = ir.Constant(ir.VectorType(INDEX, lanes), list(range(lanes)))
    above = builder.icmp_signed(">=", numbers, spread_number(builder, first, lanes))
    below = builder.icmp_signed("<", numbers, spread_number(builder, end, lanes))
    return builder.and_(above, below)


def spread_number(builder: Builder, value: Any, lanes: int = LANES) -> Vector:
    """Return a vector of one value."""
    kind = ir.VectorType(value.type, lanes)
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), value, constant(0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), everywhere)


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


@code
def prefetch(typing_context: Any, data: Any, at: Any, n: Any) -> Any:
    """``prefetch(data, at, n)``: have n numbers fetched into the second cache, if they exist."""
    signature = types.void(data, types.int64, types.int64)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        data, at, n = args
        element = SINGLE if signature.args[0].dtype == types.float32 else DOUBLE
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [data.type, flag, flag, flag])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        step = constant(_CACHE_LINE // _size_of(element))
        with cgutils.for_range_slice(builder, at, builder.add(at, n), step) as (k, _):
            place = pointer_at(builder, data, k, element)
            builder.call(fetch, [place, *(ir.Constant(flag, value) for value in (0, 2, 1))])
        return context.get_dummy_value()

    return signature, codegen
