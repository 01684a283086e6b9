"""How the rollout files of tests begin: the flights' model, from version 1 to 2, by plane."""

BY_PLANE = """
apiVersion: modelwire.io/v1
kind: Rollout
metadata: {name: flights-late}
spec:
  stable: "1"
  candidate: "2"
  split: {key: event.tailnum, salt: late}
"""
