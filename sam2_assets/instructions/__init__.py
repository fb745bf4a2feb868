"""Frames and objects become questions and answers: the canonical dataset, and its views in other tools' formats."""
