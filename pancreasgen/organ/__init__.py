"""Where ducts may grow: the organ as a signed distance with an axis, landmarks and regions."""
