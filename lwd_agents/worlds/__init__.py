"""What evolves: one module per world, all behind the contract of ``lwd_agents.engine.World``."""
