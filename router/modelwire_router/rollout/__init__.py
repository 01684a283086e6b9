"""How a rollout goes on, step by step; pure."""
