"""Environments: a contract, and one folder each with a declaration and a program."""
