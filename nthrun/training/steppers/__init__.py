"""Steppers: the ways to run the steps of a program, one a backend."""
