"""Import of results that the field's earlier tool left, as records."""
