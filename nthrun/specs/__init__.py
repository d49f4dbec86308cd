"""What is asked for: spec files, the sweep and its indices, seeds, fingerprints."""
