"""Nipype interfaces: load, call, save; no science."""
