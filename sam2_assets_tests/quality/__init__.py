"""Tests of the quality checks and of the report."""
