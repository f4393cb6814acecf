"""Characters, ids, batches. Knows no network."""
