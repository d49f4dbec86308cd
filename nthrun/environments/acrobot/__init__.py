"""Acrobots: swing the tip of two links up by the torque between them."""
