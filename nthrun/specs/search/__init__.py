"""The search: which settings an experiment may try, each of them addressed by its number."""
