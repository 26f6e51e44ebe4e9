#!/usr/bin/env python
"""Run a management command, with the embedded servers if it needs them and none are given."""

import os
import signal
import sys

# Commands that touch no server: they should not start one for their half second.
WITHOUT_SERVERS = {
    "check",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "findstatic",
    "help",
    "makemessages",
    "version",
}


def needs_servers(arguments: list[str]) -> bool:
    """Tell from the command line whether a database may be asked."""
    if len(arguments) < 2 or arguments[1].startswith("-") or arguments[1] in WITHOUT_SERVERS:
        return False
    return not {"--help", "-h"} & set(arguments)


def main() -> None:
    """Run the command that the arguments name; interrupted, also while it loads, exit with 130."""
    try:
        execute()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        # What is done is done, and said: only the process ends now.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def execute() -> None:
    """Run it, or exit with a sentence where the environment or the servers are in the way."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")
    from config.commands import execute_on_platform
    from config.embedded import EmbeddedError
    from config.environment import InvalidEnvironment
    from config.servers import join_if_embedded

    try:
        if needs_servers(sys.argv):
            join_if_embedded()
        execute_on_platform(sys.argv)
    except (InvalidEnvironment, EmbeddedError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
