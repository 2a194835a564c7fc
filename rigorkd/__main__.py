"""`python -m rigorkd`: the same as the `rigorkd` command."""

from rigorkd.cli.main import main

if __name__ == "__main__":
    try:
        main()
    finally:
        # Where Ctrl-C meets code from a string, as dataclasses make when imported, CPython remembers it
        # though it was caught, and `-m` would end by the signal, not the exit code; this forgets it.
        exec("")
