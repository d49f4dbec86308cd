"""Access control: which customers of a queue to give one of ten servers; it has no episodes."""
