"""Reports of models: as text for a terminal, and as an HTML page with figures.

phrases.py   numbers, columns and networks in words
text.py      what `train`, `evaluate` and `inspect` print
page.py      the page of `train --report`
"""
