"""Everything at once: kills, power cuts, cut wires, half answers, late commits, a clock that jumps."""
