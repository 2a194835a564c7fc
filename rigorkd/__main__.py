"""`python -m rigorkd`: the same as the `rigorkd` command."""

from rigorkd.cli.main import main

if __name__ == "__main__":
    main()
