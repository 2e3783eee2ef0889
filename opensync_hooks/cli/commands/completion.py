"""`completion`: prints a script that completes commands and options in a shell.

The scripts are generated from the parser, so they know what the parser knows.
"""

import argparse
from collections.abc import Iterator

from opensync_hooks.cli import main
from opensync_hooks.cli.commands.command import Command

_BASH = """\
# In ~/.{shell}rc: eval "$(opensync-hooks completion {shell})"
{prelude}_opensync_hooks() {{
    local words=""
    case "$COMP_CWORD:${{COMP_WORDS[1]}}" in
        1:*) words="{commands}" ;;
{options}
    esac
    case "${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}
    esac
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _opensync_hooks opensync-hooks
"""
_ZSH = "autoload -U +X compinit bashcompinit && compinit -u && bashcompinit\n"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def _completion(arguments: argparse.Namespace) -> int:
    commands = [main.load_command(name) for name in main.COMMANDS]
    if arguments.shell == "fish":
        print("\n".join(_fish(commands)))
    else:
        print(_bash(commands, arguments.shell), end="")
    return 0


def _bash(commands: list[Command], shell: str) -> str:
    actions = {command.name: [*_actions(command)] for command in commands}
    words = {
        name: [
            text for action in actions[name] for text in action.option_strings or _values(action)
        ]
        for name in actions
    }
    options = (action for name in actions for action in actions[name])
    values = {name: _values(action) for action in options for name in action.option_strings}
    return _BASH.format(
        shell=shell,
        prelude=_ZSH if shell == "zsh" else "",
        commands=" ".join(words),
        options=_bash_cases(words, "*:"),
        values=_bash_cases(values, ""),
    )


def _bash_cases(words: dict[str, list[str]], prefix: str) -> str:
    cases = (f'{prefix}{name}) words="{" ".join(words[name])}" ;;' for name in words if words[name])
    return "\n".join(f"        {case}" for case in cases)


def _fish(commands: list[Command]) -> Iterator[str]:
    yield "# In ~/.config/fish/config.fish: opensync-hooks completion fish | source"
    complete = "complete -c opensync-hooks"
    for command in commands:
        yield f"{complete} -n __fish_use_subcommand -f -a {command.name} -d {_quote(command.help)}"
        used = f"{complete} -n '__fish_seen_subcommand_from {command.name}'"
        for action in _actions(command):
            values = f" -x -a {_quote(' '.join(_values(action)))}" if _values(action) else ""
            values = values or (" -r" if action.nargs != 0 else "")
            help_text = f" -d {_quote(action.help)}" if action.help else ""
            names = (name.lstrip("-") for name in action.option_strings)
            options = "".join(f" -{'s' if len(name) == 1 else 'l'} {name}" for name in names)
            if options or _values(action):
                yield used + options + values + help_text


def _actions(command: Command) -> Iterator[argparse.Action]:
    parser = main.subparser(command.name)
    return (action for action in parser._actions if action.help != argparse.SUPPRESS)  # noqa: SLF001 - argparse has no public list


def _values(action: argparse.Action) -> list[str]:
    """Return the words that the argument allows, such as the names of subcommands."""
    return [str(value) for value in action.choices or ()]


def _quote(text: str) -> str:
    """Quote a text for fish, where only these two characters need an escape."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


COMPLETION = Command(
    "completion",
    "print a script that completes commands in your shell",
    _completion,
    "opensync-hooks completion zsh",
    _add_arguments,
)
