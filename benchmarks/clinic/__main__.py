"""`python -m benchmarks.clinic`: see the package's docstring."""

from benchmarks.clinic.command import main

if __name__ == "__main__":
    main()
