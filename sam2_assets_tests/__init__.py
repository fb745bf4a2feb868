"""Tests: the folders mirror sam2_assets."""
