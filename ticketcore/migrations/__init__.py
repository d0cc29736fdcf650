"""Alembic's home: the steps that build every database, the tests' included."""
