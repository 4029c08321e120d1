"""`python -m chainrule` is the command `chainrule`."""

from chainrule_command import main

if __name__ == "__main__":
    main()
