"""The files of datasets: compared with what was imported, answered for, followed to a new place."""
