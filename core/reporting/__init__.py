"""Reports: plain values in, one self-contained HTML file out. Knows no database and no model."""
