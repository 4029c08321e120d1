"""`from network import Network` in a checkout; the network itself is in chainrule/network.py."""

from chainrule.network import Network as Network
