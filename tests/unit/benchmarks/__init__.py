"""Tests of the benchmarks' arithmetic and pages; no benchmark is run here."""
