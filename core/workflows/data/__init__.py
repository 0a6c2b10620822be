"""What people do with datasets: import, look, edit, check, split, export."""
