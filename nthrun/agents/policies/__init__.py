"""Policies: distributions over actions whose parameters a network puts out."""
