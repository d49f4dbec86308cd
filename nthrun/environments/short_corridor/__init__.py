"""The short corridor: three cells that look alike, in one of which left is right."""
