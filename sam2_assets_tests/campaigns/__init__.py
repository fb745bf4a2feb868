"""Campaigns: many seeded hostile inputs against the importer and the checks, each in a process of its own.

``make campaign`` runs ten thousand; the test suite runs a slice. A case is its seed: ``--only SEED`` runs one again.
"""
