"""How well the analysis decides: simulated rollouts, judged by the functions of the product."""
