"""The ticket desk without its screens: the only code that knows SQL or a language model."""
