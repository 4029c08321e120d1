"""`python -m chainrule` is the command `chainrule`."""

from chainrule.command import main

if __name__ == "__main__":
    raise SystemExit(main())
