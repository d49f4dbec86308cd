"""Mountain cars: drive a weak car out of a valley."""
