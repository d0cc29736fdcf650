"""Triage without a language model: rules, the desk's own model, how it learns, and how both are measured."""
