"""The page of all options, made from the parser."""

import argparse
import sys

from bids_rsa.options.parser import build_parser

HEAD = """# Options

`bids_rsa BIDS_DIR OUTPUT_DIR {participant,group} [options]`

Made from the parser by `python -m bids_rsa.options.options_page > docs/options.md`; a test says
whether they agree. Options may be written with `-` or `_` between their words. An option that takes
several values is best put behind the three positional arguments. The same names, without the
leading dashes, are the keys of a TOML file for `--config-file`.
"""


def options_page() -> str:
    """Write the page of all options as Markdown."""
    parser = build_parser()
    parts = [HEAD]
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help]
        if actions:
            title = (group.title or "").capitalize()
            rows = "\n".join(f"| {_names(action)} | {_text(action)} |" for action in actions)
            parts.append(f"## {title}\n\n| option | meaning |\n| --- | --- |\n{rows}\n")
    return "\n".join(parts)


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
