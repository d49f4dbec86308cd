"""A firm that pays dividends and issues equity, whose cash is hit by lasting and passing shocks."""
