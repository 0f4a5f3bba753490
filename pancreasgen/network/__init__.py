"""Word × organ → ducts: growth inside the organ, the network and its measures."""
