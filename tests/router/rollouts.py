"""How the rollout files of tests begin, and the head of their templates."""

PLAIN = """
apiVersion: modelwire.io/v1
kind: Rollout
metadata: {name: flights-late}
spec:
  stable: "1"
  candidate: "2"
"""
"""The flights' model, from version 1 to 2."""

BY_PLANE = f"{PLAIN}  split: {{key: event.tailnum, salt: late}}\n"

GUARDS = """\
---
apiVersion: modelwire.io/v1
kind: AnalysisTemplate
metadata: {name: guards}
spec:
  metrics:
"""

HALF = f"""\
  strategy:
    canary:
      steps:
        - setWeight: 50
        - analysis: {{templates: [guards]}}
        - setWeight: 100
{GUARDS}"""
"""Half of the keys, then all of them if the metrics that follow pass."""
