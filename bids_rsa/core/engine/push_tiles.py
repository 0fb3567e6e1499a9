"""Register tiles that add their sums to the centres that are pending.

As in `tiles`, a tile is a block of pairs of conditions, whose terms are summed over voxels. Here
it has as many conditions as a register has lanes, by up to three registers of others. Patterns are
packed into **slabs**: a slab has ``WIDE`` conditions, one register for each voxel, one voxel after
the other, and the next slab starts ``slab`` values on. A tile reads few streams of memory, and
each of them in order.

Where a neighborhood's columns become shorter, what has been summed so far belongs to some of the
centres whose windows hold this position. The tile adds it to their **accumulators**, which stay in
the nearest cache while a tile goes along a row.
"""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils

from bids_rsa.core.engine.tiles import _add, _add_all, _multiply
from bids_rsa.core.engine.vectors import (
    DOUBLE,
    FUSED,
    INDEX,
    SINGLE,
    WIDE,
    Builder,
    Vector,
    code,
    constant,
    lanes_between,
    load_lanes,
    load_number,
    load_vector,
    pointer_at,
    shifted,
    spread_number,
    store_vector,
    variable,
    zeros,
)

MOMENT_SLABS = 4  # of a tile of sums and sums of squares

Terms = Callable[[Builder, Any, list[Vector]], list[Vector]]


def _square(builder: Builder, x: Vector, y: Vector) -> Vector:
    """(x - y)^2."""
    difference = builder.fsub(x, y)
    return _multiply(builder, difference, difference)


def _pairs(term: Callable[[Builder, Vector, Vector], Vector]) -> Terms:
    """One term for each pair of a condition and a vector of others."""

    def terms(builder: Builder, x: Any, ys: list[Vector]) -> list[Vector]:
        values = (load_number(builder, x, constant(a)) for a in range(WIDE))
        spread = (spread_number(builder, value, WIDE) for value in values)
        return [term(builder, value, y) for value in spread for y in ys]

    return terms


def _powers(builder: Builder, _: Any, ys: list[Vector]) -> list[Vector]:
    """Return y and y^2 for each vector."""
    return [power for y in ys for power in (y, _multiply(builder, y, y))]


def _pushing_tile(n_y: int, n_sums: int, terms: Terms) -> Any:
    """Make ``tile(packed, x, y, slab, lines, at, n_groups, pending, first, reach, room, base)``.

    It sums terms of the slab that starts at ``packed[x]`` and of the n_y from ``packed[y]`` on,
    over the voxels of one position; group g of voxels has the lines from ``lines[at + g]`` to
    ``lines[at + g + 1]``. Group g's accumulators stand at ``pending[first + g * reach]``: the
    number of those that begin here, the number of all, and their slots, new ones first. A slot has
    a tile's sums, vector by vector, from ``room[base]`` on.
    Cost: n_y + WIDE loads and one term per sum for each voxel, one load, addition and store per
    sum for each accumulator.
    """

    @code
    def tile(
        typing_context: Any, packed: Any, x: Any, y: Any, slab: Any, lines: Any, at: Any,
        n_groups: Any, pending: Any, first: Any, reach: Any, room: Any, base: Any,
    ) -> Any:  # fmt: skip
        index = types.int64
        signature = types.void(
            packed, index, index, index, lines, index, index, pending, index, index, room, index
        )

        def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
            packed, x, y, slab, lines, at, n_groups, pending, first, reach, room, base = args
            x = pointer_at(builder, packed, x)
            starts = [builder.add(y, builder.mul(slab, constant(b))) for b in range(n_y)]
            streams = [pointer_at(builder, packed, start) for start in starts]
            sums = [variable(builder, zeros(WIDE)) for _ in range(n_sums)]
            with cgutils.for_range(builder, n_groups) as group:
                here = builder.add(at, group.index)
                begin = load_number(builder, lines, here, INDEX)
                end = load_number(builder, lines, shifted(builder, here, 1), INDEX)
                _sum_lines(builder, sums, terms, x, streams, begin, end)
                row = builder.add(first, builder.mul(group.index, reach))
                _push(builder, sums, pending, row, room, base)
            return context.get_dummy_value()

        return signature, codegen

    return tile


def _sum_lines(
    builder: Builder, sums: list[Any], terms: Terms, x: Any, streams: list[Any], begin: Any,
    end: Any,
) -> None:  # fmt: skip
    """Add the terms of some lines to a tile's sums."""
    width = constant(WIDE)
    places = builder.mul(begin, width), builder.mul(end, width)
    with cgutils.for_range_slice(builder, *places, width) as (line, _):
        ys = [load_vector(builder, stream, line, lanes=WIDE) for stream in streams]
        _add_all(builder, sums, terms(builder, pointer_at(builder, x, line), ys))


def _push(builder: Builder, sums: list[Any], pending: Any, row: Any, room: Any, base: Any) -> None:
    """Store a tile's sums in new accumulators, and add them to those of others."""
    size = constant(len(sums) * WIDE)

    def places(slot: Any) -> list[Any]:
        start = builder.add(base, builder.mul(slot, size))
        return [shifted(builder, start, k * WIDE) for k in range(len(sums))]

    n_new = load_number(builder, pending, row, INDEX)
    n_slots = load_number(builder, pending, shifted(builder, row, 1), INDEX)
    slots = pointer_at(builder, pending, shifted(builder, row, 2), INDEX)
    with cgutils.for_range(builder, n_new) as new:
        slot = load_number(builder, slots, new.index, INDEX)
        for total, place in zip(sums, places(slot), strict=True):
            store_vector(builder, builder.load(total), room, place)
    with cgutils.for_range_slice(builder, n_new, n_slots, constant(1)) as (other, _):
        slot = load_number(builder, slots, other, INDEX)
        for total, place in zip(sums, places(slot), strict=True):
            before = load_vector(builder, room, place, lanes=WIDE)
            after = builder.fadd(before, builder.load(total), flags=FUSED)
            store_vector(builder, after, room, place)


def add_parts(builder: Builder, room: Any, parts: Any, at: Any) -> Vector:
    """Add up the vectors at ``room[part + at]`` of all parts."""
    places = (builder.extract_value(parts, k) for k in range(3))
    own, before, after = (
        load_vector(builder, room, builder.add(place, at), lanes=WIDE) for place in places
    )
    return _add(builder, _add(builder, own, before), after)


@code
def add_up_parts(typing_context: Any, room: Any, parts: Any, at: Any, n_vectors: Any) -> Any:
    """``add_up_parts(room, parts, at, n_vectors)``: ``room[at]`` and on become the sums of parts.

    Cost: three loads and a store a vector.
    """
    signature = types.void(room, parts, types.int64, types.int64)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        room, parts, at, n_vectors = args
        end = builder.mul(n_vectors, constant(WIDE))
        with cgutils.for_range_slice(builder, constant(0), end, constant(WIDE)) as (place, _):
            total = add_parts(builder, room, parts, place)
            store_vector(builder, total, room, builder.add(at, place))
        return context.get_dummy_value()

    return signature, codegen


push_products = tuple(_pushing_tile(n_y, WIDE * n_y, _pairs(_multiply)) for n_y in (1, 2, 3))
push_squares = tuple(_pushing_tile(n_y, WIDE * n_y, _pairs(_square)) for n_y in (1, 2, 3))
push_moments = _pushing_tile(MOMENT_SLABS, 2 * MOMENT_SLABS, _powers)


@code
def pack_slabs(
    typing_context: Any, patterns: Any, source: Any, n: Any, shift: Any, scale: Any, packed: Any,
    target: Any, slab: Any,
) -> Any:  # fmt: skip
    """``pack_slabs(patterns, source, n, shift, scale, packed, target, slab)``: (x - shift) scale.

    It writes a voxel's n values into the slabs, from ``packed[target]`` on, and zeros up to the
    end of the last. Shifts and scales have zeros there. Cost: one copy.
    """
    index = types.int64
    signature = types.void(patterns, index, index, shift, scale, packed, index, index)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        patterns, source, n, shift, scale, packed, target, slab = args
        element = SINGLE if signature.args[0].dtype == types.float32 else DOUBLE
        place = variable(builder, target)

        def write(k: Any, value: Vector) -> None:
            moved = builder.fsub(value, load_vector(builder, shift, k, lanes=WIDE))
            scaled = builder.fmul(moved, load_vector(builder, scale, k, lanes=WIDE))
            store_vector(builder, scaled, packed, builder.load(place))
            builder.store(builder.add(builder.load(place), slab), place)

        n_full = builder.and_(n, constant(-WIDE))
        with cgutils.for_range_slice(builder, constant(0), n_full, constant(WIDE)) as (k, _):
            at = builder.add(source, k)
            write(k, load_vector(builder, patterns, at, element, WIDE))
        with builder.if_then(builder.icmp_signed("<", n_full, n)):
            mask = lanes_between(builder, constant(0), builder.sub(n, n_full), WIDE)
            at = builder.add(source, n_full)
            write(n_full, load_lanes(builder, mask, patterns, at, element, WIDE))
        return context.get_dummy_value()

    return signature, codegen


@code
def add_lines(
    typing_context: Any, lines: Any, first: Any, n_lines: Any, packed: Any, target: Any
) -> Any:
    """``add_lines(lines, first, n_lines, packed, target)``: write the sum of lines of a slab.

    Cost: one load and one addition a line.
    """
    index = types.int64
    signature = types.void(lines, index, index, packed, index)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        lines, first, n_lines, packed, target = args
        total = variable(builder, zeros(WIDE))
        end = builder.add(first, builder.mul(n_lines, constant(WIDE)))
        with cgutils.for_range_slice(builder, first, end, constant(WIDE)) as (at, _):
            _add_all(builder, [total], [load_vector(builder, lines, at, lanes=WIDE)])
        store_vector(builder, builder.load(total), packed, target)
        return context.get_dummy_value()

    return signature, codegen
