"""Touchstone without its user interface: nothing in here knows Streamlit."""
