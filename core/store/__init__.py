"""SQLite: the only room that speaks SQL; knows no torch."""
