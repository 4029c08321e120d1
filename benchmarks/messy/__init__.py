"""Tables as people have them: `python -m benchmarks.messy`.

kinds.py   the kinds of mess, each as a function of a clean table
study.py   one mess of one table: trained on, and measured on clean rows
"""
