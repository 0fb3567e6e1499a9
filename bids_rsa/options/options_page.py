"""The page of all options, made from the parser."""

import argparse
import sys

from bids_rsa import errors
from bids_rsa.options.parser import build_parser

HEAD = """# Options

`bids_rsa BIDS_DIR OUTPUT_DIR {participant,group} [options]`

Generated from the parser by `python -m bids_rsa.options.options_page > docs/options.md`.
Words in option names may be joined by `-` or `_`. Put options that take several values after the
three positional arguments. The keys of a TOML file for `--config-file` are the option names without
the leading dashes.
"""

# next to those of the errors
DONE = (0, "Success, or nothing left to do.")
SOME_FAILED = (
    1,
    "Some participants failed and others succeeded, or they failed for different reasons; the log "
    "names each. Also an error in bids_rsa itself.",
)
STOPPED = ("130, 143", "Stopped by SIGINT or SIGTERM; the same command resumes the run.")


def options_page() -> str:
    """Write the page of all options as Markdown."""
    parser = build_parser()
    parts = [HEAD]
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help]
        if actions:
            title = group.title or ""
            rows = "\n".join(f"| {_names(action)} | {_text(action)} |" for action in actions)
            heading = f"## {title[:1].upper()}{title[1:]}"
            parts.append(f"{heading}\n\n| option | meaning |\n| --- | --- |\n{rows}\n")
    return "\n".join([*parts, _exit_codes()])


def _exit_codes() -> str:
    """Write what each exit code means, those of the errors in their own words."""
    kinds = [
        (kind.exit_code, (kind.__doc__ or "").partition("\n")[0])
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.BidsRsaError)
        and errors.BidsRsaError in kind.__bases__
    ]
    rows = "\n".join(
        f"| {code} | {meaning} |" for code, meaning in (DONE, SOME_FAILED, *kinds, STOPPED)
    )
    return f"## Exit codes\n\n| code | meaning |\n| --- | --- |\n{rows}\n"


def _names(action: argparse.Action) -> str:
    """Write all spellings of an option, and what it takes."""
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = ""
    if action.nargs != 0 and not isinstance(action, argparse._CountAction):
        takes = action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()
        value = f" {takes}" + (" ..." if action.nargs == "+" else "")
    return ", ".join(f"`{option}{value}`" for option in action.option_strings).replace("|", "\\|")


def _text(action: argparse.Action) -> str:
    """Write what an option means."""
    return (action.help or "").replace("%%", "%").replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(options_page())
