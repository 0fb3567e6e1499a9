"""What register tiles do with their sums: products, additions, and rows of cells."""

from typing import Any

from bids_rsa.core.engine.vectors import (
    FUSED,
    Builder,
    Vector,
    constant,
    shifted,
    store_vector,
)


def _multiply(builder: Builder, x: Vector, y: Vector) -> Vector:
    """Return x y."""
    return builder.fmul(x, y, flags=FUSED)


def _add(builder: Builder, x: Vector, y: Vector) -> Vector:
    """Return x + y."""
    return builder.fadd(x, y, flags=FUSED)


def _add_all(builder: Builder, sums: list[Any], terms: list[Vector]) -> None:
    """Add each term to its sum."""
    for total, term in zip(sums, terms, strict=True):
        builder.store(_add(builder, builder.load(total), term), total)


def _row_start(builder: Builder, rows: Any, a: int) -> Any:
    """Return ``base + a stride - bend a (a + 3) / 2`` of rows (base, stride, bend)."""
    base, stride, bend = (builder.extract_value(rows, k) for k in range(3))
    straight = builder.add(base, builder.mul(stride, constant(a)))
    return builder.sub(straight, builder.mul(bend, constant(a * (a + 3) // 2)))


def _store_rows(builder: Builder, cells: list[Vector], n_y: int, out: Any, rows: Any) -> None:
    """Store the rows of cells."""
    for k, value in enumerate(cells):
        start = _row_start(builder, rows, k // n_y)
        store_vector(builder, value, out, shifted(builder, start, k % n_y * value.type.count))
