"""Label tables: files of any encoding and program to rows, rows to files of the source."""
