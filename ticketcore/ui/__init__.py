"""Streamlit pieces that several pages share, and what must not live in a page's globals."""
