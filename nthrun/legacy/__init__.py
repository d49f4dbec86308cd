"""What the field's earlier tool left, read as nthrun's own: results and spec files."""
