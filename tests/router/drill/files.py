"""Rollout files that tests drill."""

HEAD = """
apiVersion: modelwire.io/v1
kind: Rollout
metadata: {name: flights-late}
spec:
  stable: "1"
  candidate: "2"
  SPLIT
  strategy:
"""
BY_KEY = HEAD.replace("SPLIT", "split: {key: event.tailnum, salt: late}")
TEMPLATE = """
---
apiVersion: modelwire.io/v1
kind: AnalysisTemplate
metadata: {name: guardrails}
spec:
  metrics:
    - {name: errors, query: error_rate, max: 0.01, minSamples: 50, interval: 1s}
    - {name: outputs, query: psi, max: 0.2, minSamples: 100, interval: 1s}
"""
CANARY = f"""{BY_KEY}
    canary:
      steps: [{{setWeight: 30}}, {{pause: {{}}}}, {{setWeight: 100}}]
      background: {{templates: [guardrails]}}
{TEMPLATE}"""
