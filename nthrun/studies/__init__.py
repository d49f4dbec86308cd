"""Studies: searches whose next setting depends on how earlier ones scored."""
