"""`python -m benchmarks`: how fast chainrule is, beside its peers. See benchmarks/speed."""

from benchmarks.speed.command import main

if __name__ == "__main__":
    main()
