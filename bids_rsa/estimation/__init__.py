"""From BOLD and events to condition images: events, timing, confounds, design, fit."""
