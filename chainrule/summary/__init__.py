"""A network as a table, and how reports are shown on a terminal and in a notebook."""

from chainrule.summary.table import html_of_network, summarize

__all__ = ["html_of_network", "summarize"]
