"""Rollout files that tests drill."""

from tests.router.rollouts import BY_PLANE, GUARDS

BY_KEY = f"{BY_PLANE}  strategy:\n"
ERRORS = f"""{GUARDS}
    - {{name: errors, query: error_rate, max: 0.01, minSamples: 50, interval: 1s}}
"""
CANARY = f"""{BY_KEY}
    canary:
      steps: [{{setWeight: 30}}, {{pause: {{}}}}, {{setWeight: 100}}]
      background: {{templates: [guards]}}
{ERRORS}    - {{name: outputs, query: psi, max: 0.2, minSamples: 100, interval: 1s}}
"""
