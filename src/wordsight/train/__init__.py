"""Learning two towers: typed recipes, the loop, checkpoints that continue bit for bit.  Needs the extra "train"."""
