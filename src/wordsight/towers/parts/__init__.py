"""The parts that several towers are made of."""
