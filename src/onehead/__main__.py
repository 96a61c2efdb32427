"""`python -m onehead` is the command `onehead`."""

from onehead.cli import main

if __name__ == "__main__":
    main()
