"""`python -m benchmarks.tables`: see the package's docstring."""

from benchmarks.tables.command import main

if __name__ == "__main__":
    main()
