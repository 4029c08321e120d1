"""Models of tables: what their files hold, what goes in, what comes out, and how good it is.

metadata.py     what a model's file says about its table, its target and its scores
table_model.py  a model loaded from its file, and its predictions batch by batch
inputs.py       batches converted to the model's columns, and the issues found in them
predictor.py    the columns of predictions, written for whole tables
scores.py       how good predictions are
baselines.py    simple models to compare with, and the importance of columns
"""
