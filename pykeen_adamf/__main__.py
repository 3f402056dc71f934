"""The command line, as ``python -m pykeen_adamf``."""

from .cli import main

if __name__ == "__main__":
    main(prog_name="pykeen-adamf")
