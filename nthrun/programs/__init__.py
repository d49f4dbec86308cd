"""Programs: any function or command, each of whose runs is a process of its own; no torch."""
