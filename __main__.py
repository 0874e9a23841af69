"""``python -m fakeoff``: the command where no script was installed for it."""

from fakeoff.cli import main

if __name__ == "__main__":
    main()
