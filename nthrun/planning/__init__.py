"""From specs and indices to packs."""
