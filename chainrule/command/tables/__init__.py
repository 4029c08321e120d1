"""Tables in and predictions out: files of separated values and Parquet, compressed or piped.

csv_format.py      how a file of separated values is written
open_file.py       files and pipes, decompressed and decoded
reader.py          the columns and rows of a table, all at once or in batches
training_table.py  the checked table that `train` and `doctor` learn from
task.py            whether the target is a class or a number
writer.py          predictions written to a file, batch by batch
"""
