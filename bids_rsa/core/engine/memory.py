"""Asking for memory before it is read."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from bids_rsa.core.engine.vectors import Builder, code, pointer_at


@code
def prefetch(typing_context: Any, pointer: Any, at: Any) -> Any:
    """``prefetch(pointer, at)``: ask for what will be read; any place will do."""
    signature = types.void(pointer, types.int64)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        kind = context.get_data_type(signature.args[0].dtype)
        place = pointer_at(builder, args[0], args[1], kind)
        place = builder.bitcast(place, ir.IntType(8).as_pointer())
        flag = ir.IntType(32)
        function = ir.FunctionType(ir.VoidType(), [place.type, flag, flag, flag])
        name = "llvm.prefetch.p0"
        ask = cgutils.get_or_insert_function(builder.module, function, name)  # type: ignore[no-untyped-call]
        # to read; into the nearest cache; data
        builder.call(ask, [place, *(ir.Constant(flag, value) for value in (0, 3, 1))])
        return context.get_dummy_value()

    return signature, codegen
