"""Structured output: from a Python type to the schema a model has to keep to, and from its reply back to the type."""
