"""A campaign on one machine: an embedded store, and runs that can be taken up again."""
