"""A campaign as a YAML file: its fields, presets, starting files and JSON schema."""
