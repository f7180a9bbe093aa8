"""Berth's engine beside Docker's on one machine: `make bench`, or `python -m benchmarks --help`."""
