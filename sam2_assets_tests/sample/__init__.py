"""Tests of the built-in sample."""
