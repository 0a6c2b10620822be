"""From folders, ZIP files and label tables to samples."""
