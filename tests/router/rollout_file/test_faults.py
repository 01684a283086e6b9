"""A rollout file is refused whole: every fault at once, with its place, its code and a mend."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from modelwire_router.rollout.plan import Measure, Query
from modelwire_router.rollout_file.reading import Wanted, read_rollouts, rollouts
from modelwire_schemas.errors import NotFound, Rejected, RejectedFile
from modelwire_schemas.limits import MAX_PLAN

NOW = 1_800_000_000_000
HEAD = """\
apiVersion: modelwire.io/v1
kind: Rollout
metadata: {name: late}
spec:
"""
BOTH = '  stable: "7"\n  candidate: "8"\n'
SPLIT = "  split: {salt: late-2026}\n"
TEMPLATE = """\
apiVersion: modelwire.io/v1
kind: AnalysisTemplate
metadata: {name: guard}
spec:
  metrics:
"""


def compiled(text: str, now: int | None = NOW) -> tuple[Wanted, ...]:
    return rollouts([("late.yaml", text.encode())], now)


def told(text: str) -> list[str]:
    """Return the faults of a file, each a line, without the file's name."""
    with pytest.raises(RejectedFile) as caught:
        compiled(text)
    lines = str(caught.value).split("\n")
    assert all(re.match(r"late\.yaml:\d+:\d+: E_[A-Z_]+: \S", line) for line in lines)
    assert len(lines) == len(caught.value.faults)
    return [line.removeprefix("late.yaml:") for line in lines]


def canary(*steps: str, more: str = "") -> str:
    listed = "".join(f"        - {step}\n" for step in steps)
    return f"{HEAD}{BOTH}{SPLIT}{more}  strategy:\n    canary:\n      steps:\n{listed}"


def basic(more: str = "", versions: str = BOTH) -> str:
    return f"{HEAD}{versions}{more}  strategy: {{basic: {{}}}}\n"


def metric(text: str) -> str:
    return f"{TEMPLATE}    - {{name: errors, {text}}}\n"


def shadow(match: str) -> str:
    return f"{HEAD}{BOTH}  strategy:\n    shadow:\n      match: {match}\n"


def clause(text: str) -> str:
    return shadow(f"{{matchExpressions: [{{{text}}}]}}")


def ab(*routes: str, more: str = "") -> str:
    listed = "".join(f"    - {route}\n" for route in routes)
    return f"{HEAD}{BOTH}  strategy: {{ab: {{{more}}}}}\n  routes:\n{listed}"


def deep(levels: int) -> str:
    leaf = "{matchLabels: {event.a: b}}"
    return "{not: " * levels + leaf + "}" * levels


ARMS = 'to: [{version: "7", weight: 50}, {version: "8", weight: 50}]'
EXACT: dict[str, tuple[str, str]] = {
    "an unknown field": (
        basic("  onFailed: pause\n"),
        "7:3: E_UNKNOWN_FIELD: unknown field onFailed; expected one of model, stable, candidate, "
        "requireReady, readyDeadline, onFailure, mirror, hooks, strategy, schedule; "
        "did you mean onFailure?",
    ),
    "a wrong kind": (
        HEAD.replace("Rollout", "Rolout") + BOTH,
        "2:7: E_KIND: kind 'Rolout'; expected Rollout or AnalysisTemplate; did you mean Rollout?",
    ),
    "no kind": ("a: 1\n", "1:1: E_KIND: no kind; expected Rollout or AnalysisTemplate"),
    "another version of the form": (
        basic().replace("/v1", "/v2"),
        "1:13: E_WORD: 'modelwire.io/v2'; expected 'modelwire.io/v1'",
    ),
    "a weight out of range": (
        canary("setWeight: 101"),
        "11:22: E_WEIGHT: 101 percent; expected 0 to 100, with at most two decimals",
    ),
    "a weight below 0": (
        canary("setWeight: -1"),
        "11:22: E_WEIGHT: -1 percent; expected 0 to 100, with at most two decimals",
    ),
    "a weight that is too fine": (
        canary("setWeight: 0.125"),
        "11:22: E_WEIGHT: 0.125 percent; expected 0 to 100, with at most two decimals",
    ),
    "a weight in quotes": (
        canary('setWeight: "5"'),
        "11:22: E_WEIGHT: '5' is no percent; expected a number from 0 to 100",
    ),
    "a starting step out of range": (
        canary("setWeight: 5", "pause: {}")
        + "      background: {templates: [guard], startingStep: 2}\n---\n"
        + metric("query: error_rate, max: 1"),
        "13:54: E_STEP: there is no step 2; expected 0 to 1: steps are counted from 0",
    ),
    "no step at all": (
        f"{HEAD}{BOTH}{SPLIT}  strategy: {{canary: {{steps: []}}}}\n",
        "8:30: E_RANGE: []; expected 1 at least",
    ),
    "two things in a step": (
        canary("{setWeight: 5, pause: {}}"),
        "11:11: E_STEP: setWeight and pause in one step; "
        "expected one of setWeight, exposure, pause, analysis, mirror; a step of its own for each",
    ),
    "a budget of nothing": (
        canary("exposure: {changedPerHour: 0, output: late}"),
        "11:38: E_RANGE: 0; expected 1 or more",
    ),
    "a budget without its output": (
        canary("exposure: {changedPerHour: 9}"),
        "11:11: E_MISSING: no output; add output",
    ),
    "an output that is none": (
        canary("exposure: {changedPerHour: 9, output: 7}"),
        '11:49: E_OUTPUT: 7 is no text; expected text, such as "late"',
    ),
    "a threshold that is no number": (
        canary("exposure: {changedPerHour: 9, output: late, threshold: .nan}"),
        "11:66: E_RANGE: nan; expected a finite number",
    ),
    "a budget that gives nothing": (
        canary("exposure: {changedPerHour: 9, output: late, upTo: 0}"),
        "11:61: E_EXPOSURE: with upTo: 0 the candidate gets nothing; expected a percent; "
        "a mirror shows as much",
    ),
    "a budget below the weight before": (
        canary("setWeight: 60", "exposure: {changedPerHour: 9, output: late}"),
        "12:21: E_EXPOSURE: the candidate has 60 percent before, and 50 at the most here; "
        "expected upTo: 60 or more",
    ),
    "two thresholds of one output": (
        canary(
            "exposure: {changedPerHour: 9, output: late, threshold: 0.5, duration: 1h}",
            "exposure: {changedPerHour: 99, output: late, threshold: 0.3}",
        ),
        "12:21: E_EXPOSURE: late with another threshold than at an earlier step; "
        "expected threshold: 0.5",
    ),
    "setWeight on a blue/green": (
        f"{HEAD}{BOTH}  strategy: {{blueGreen: {{setWeight: 5}}}}\n",
        "7:26: E_UNKNOWN_FIELD: unknown field setWeight; expected one of autoPromotion, "
        "prePromotionAnalysis, postPromotionAnalysis, keepWarm; setWeight is a step of a canary",
    ),
    "steps on a blue/green": (
        f"{HEAD}{BOTH}  strategy:\n    blueGreen:\n      steps: [{{setWeight: 5}}]\n",
        "9:7: E_UNKNOWN_FIELD: unknown field steps; expected one of autoPromotion, "
        "prePromotionAnalysis, postPromotionAnalysis, keepWarm; steps belong to a canary",
    ),
    "an analysis that names no template": (
        canary("analysis: {templates: [guards]}") + "---\n" + metric("query: error_rate, max: 1"),
        "11:34: E_TEMPLATE: there is no AnalysisTemplate guards; expected one of guard; "
        "did you mean guard?",
    ),
    "an analysis of nothing": (
        canary("analysis: {templates: []}"),
        "11:33: E_RANGE: []; expected 1 at least",
    ),
    "a condition that is too deep": (
        shadow(deep(8)),
        "9:14: E_TOO_COMPLEX: a condition of 9 nodes and 9 levels; expected at most 64 nodes "
        "and 8 levels; simplify it, or compute a field for it before the event is sent",
    ),
    "a condition that is too large": (
        shadow("{any: [" + "{matchLabels: {event.a: b}}, " * 64 + "]}"),
        "9:14: E_TOO_COMPLEX: a condition of 65 nodes and 2 levels; expected at most 64 nodes "
        "and 8 levels; simplify it, or compute a field for it before the event is sent",
    ),
    "a condition with too many values": (
        clause(f"key: event.a, operator: In, values: [{', '.join(['b'] * 1001)}]"),
        "9:34: E_TOO_COMPLEX: In of a with 1,001 values; expected at most 64 nodes, 8 levels, "
        "1,000 values, 256 bytes a literal; put the decision into a field of the event",
    ),
    "a condition that says nothing": (
        shadow("{}"),
        "9:14: E_MATCH: the condition says nothing; expected matchExpressions, or another",
    ),
    "a regular expression": (
        clause('key: event.a, operator: Regex, values: ["N.*"]'),
        "9:59: E_OPERATOR: Regex would be a regular expression; expected one of In, NotIn, "
        "Exists, DoesNotExist, Gt, Lt, Ge, Le, Prefix; use Prefix or In, or compute a field "
        "before the event is sent",
    ),
    "an operator that is none": (
        clause("key: event.a, operator: notIn, values: [b]"),
        "9:59: E_OPERATOR: 'notIn' is no operator; expected one of In, NotIn, Exists, "
        "DoesNotExist, Gt, Lt, Ge, Le, Prefix; did you mean NotIn?",
    ),
    "an expression": (
        shadow("{cel: event.a > 5}"),
        "9:15: E_UNKNOWN_FIELD: unknown field cel; expected one of matchLabels, matchExpressions, "
        "all, any, not; no expressions on the event path: use matchExpressions",
    ),
    "a number as text": (
        clause('key: event.a, operator: Lt, values: ["500"]'),
        "9:34: E_TYPE: Lt of a with '500'; expected a number; mend the condition",
    ),
    "a field without its kind": (
        clause("key: a, operator: Exists"),
        "9:40: E_FIELD: 'a' is neither a field nor a header; expected event.a or header.a",
    ),
    "an unquoted NO": (
        clause("key: event.a, operator: In, values: [SE, NO]"),
        '9:76: E_YAML: NO is read as false; expected "NO" for text, or false; put it in quotes',
    ),
    "an unquoted yes": (
        clause("key: event.a, operator: In, values: [yes]"),
        '9:72: E_YAML: yes is read as true; expected "yes" for text, or true; put it in quotes',
    ),
    "an unquoted on as a key": (
        shadow("{matchLabels: {event.a: b}, on: 5}"),
        '9:42: E_YAML: key on is no text; expected "on"',
    ),
    "an unquoted on in labels": (
        shadow("{matchLabels: {event.a: on}}"),
        '9:38: E_TEXT: on is a bool; expected "on"; put it in quotes',
    ),
    "version 8.10": (
        basic(versions='  stable: "7"\n  candidate: 8.10\n'),
        '6:14: E_VERSION: 8.10 is a number; expected "8.10"; put it in quotes',
    ),
    "version 7": (
        basic(versions='  stable: 7\n  candidate: "8"\n'),
        '5:11: E_VERSION: 7 is a number; expected "7"; put it in quotes',
    ),
    "version 012": (
        basic(versions='  stable: 012\n  candidate: "8"\n'),
        '5:11: E_VERSION: 012 is a number; expected "012"; put it in quotes',
    ),
    "version on": (
        basic(versions='  stable: on\n  candidate: "8"\n'),
        '5:11: E_VERSION: on is a bool; expected "on"; put it in quotes',
    ),
    "a number in base 8": (
        canary("setWeight: 010"),
        '11:22: E_YAML: 010 is read as 8; expected "010" for text, or 8; put it in quotes',
    ),
    "a number in base 60": (
        canary("setWeight: 1:30"),
        '11:22: E_YAML: 1:30 is read as 90; expected "1:30" for text, or 90; put it in quotes',
    ),
    "a key twice": (
        basic("  onFailure: pause\n  onFailure: none\n"),
        "8:3: E_YAML: key 'onFailure' stands twice; expected plain YAML; keep one of them",
    ),
    "an alias": (
        basic("  mirror: [{version: &v x, salt: *v}]\n"),
        "7:34: E_YAML: an alias (*) repeats a part; expected plain YAML; write the part out",
    ),
    "the same version twice": (
        basic(versions='  stable: "8"\n  candidate: "8"\n'),
        "6:14: E_CANDIDATE: the candidate is the stable version, 8; expected another version",
    ),
    "no salt": (
        canary("setWeight: 5").replace("{salt: late-2026}", "{key: event.a}"),
        "7:3: E_MISSING: no salt; add salt",
    ),
    "no split": (
        canary("setWeight: 5").replace(SPLIT, ""),
        "4:1: E_MISSING: no split; add split",
    ),
    "an empty salt": (
        canary("setWeight: 5").replace("late-2026", '""'),
        "7:17: E_SALT: salt ''; expected 1 to 100 printable characters without a |; "
        "choose another salt",
    ),
    "a salt with a bar": (
        canary("setWeight: 5").replace("late-2026", "a|b"),
        "7:17: E_SALT: salt 'a|b'; expected 1 to 100 printable characters without a |; "
        "choose another salt",
    ),
    "a salt that two draws share": (
        canary("mirror: {percent: 5, salt: late-2026}"),
        "5:3: E_SALT: shadow 8 samples with the salt 'late-2026' of another draw; "
        "expected a salt of its own; give the shadow another salt",
    ),
    "a route without a salt": (
        ab(f"{{name: all, {ARMS}}}"),
        "9:7: E_SALT: a split without a salt; expected split: {salt: NAME-OF-THE-TEST}",
    ),
    "a schedule in the past": (
        basic("  schedule: {at: 2013-01-01T00:00:00Z, clock: event}\n"),
        "7:18: E_SCHEDULE: the time is in the past; expected a time to come; mend the time",
    ),
    "a schedule without a zone": (
        basic("  schedule: {at: 2100-01-01 00:00, clock: event}\n"),
        "7:18: E_TIME: '2100-01-01 00:00' has no zone; expected 2100-01-01T00:00:00Z",
    ),
    "a schedule that is no time": (
        basic("  schedule: {at: tomorrow, clock: event}\n"),
        "7:18: E_TIME: 'tomorrow' is no time; expected 2026-12-01T00:00:00Z, or ms since 1970 UTC",
    ),
    "another clock": (
        basic("  schedule: {at: 2100-01-01T00:00:00Z, clock: wall}\n"),
        "7:47: E_WORD: 'wall'; expected 'event'",
    ),
    "a schedule of a canary": (
        canary("setWeight: 5", more="  schedule: {at: 2100-01-01T00:00:00Z, clock: event}\n"),
        "8:3: E_UNKNOWN_FIELD: unknown field schedule; expected one of model, stable, candidate, "
        "requireReady, readyDeadline, onFailure, mirror, hooks, strategy, split",
    ),
    "a duration without a unit": (
        canary("pause: {duration: 10}"),
        '11:29: E_DURATION: 10 is no text; expected text, such as "10m"',
    ),
    "a duration in no order": (
        canary("pause: {duration: 30m1h}"),
        "11:29: E_DURATION: '30m1h' is no duration; expected 10m, 1h30m, 500ms: largest first",
    ),
    "a duration of years": (
        canary("pause: {duration: 999d}"),
        "11:29: E_DURATION: 999d is more than a year; expected 366d at most",
    ),
    "a share without percent": (
        basic("  requireReady: 90\n"),
        '7:17: E_SHARE: 90 is no text; expected text, such as "90%"',
    ),
    "a share of nobody": (
        basic("  requireReady: 0%\n"),
        "7:17: E_SHARE: '0%' is no share of the fleet; expected all, or 90%",
    ),
    "no strategy": (
        f"{HEAD}{BOTH}  strategy: {{}}\n",
        "7:13: E_STRATEGY: nothing as a strategy; "
        "expected one of basic, blueGreen, canary, rolling, shadow, ab",
    ),
    "two strategies": (
        f"{HEAD}{BOTH}  strategy: {{basic: {{}}, shadow: {{}}}}\n",
        "7:13: E_STRATEGY: basic and shadow as a strategy; "
        "expected one of basic, blueGreen, canary, rolling, shadow, ab",
    ),
    "a status": (
        basic() + "status: {phase: done}\n",
        "8:1: E_UNKNOWN_FIELD: unknown field status; expected one of apiVersion, kind, metadata, "
        "spec; a file says what is wanted, never how it stands",
    ),
    "a metric without a limit": (
        metric("query: error_rate"),
        "6:7: E_METRIC: a metric without a limit; expected max, min, or both",
    ),
    "a metric without a source": (
        metric("max: 1"),
        "6:7: E_METRIC: a metric has one source; expected query, or provider",
    ),
    "limits that exclude each other": (
        metric("query: error_rate, max: 1, min: 2"),
        "6:54: E_METRIC: min 2 is above max 1; expected min below max",
    ),
    "a ratio of what compares anyway": (
        metric("query: psi(late), max: 1.2, compare: relative"),
        "6:59: E_METRIC: psi gives no ratio to the stable version's value; expected absolute; "
        "limit the value itself",
    ),
    "a ratio of what others tell": (
        metric("provider: {web: {url: http://a}}, max: 1.2, compare: relative"),
        "6:75: E_METRIC: a provider gives no ratio to the stable version's value; "
        "expected absolute; limit the value itself",
    ),
    "a limit that is no number": (
        metric("query: error_rate, max: .nan"),
        "6:46: E_RANGE: nan; expected a finite number",
    ),
    "no samples": (
        metric("query: error_rate, max: 1, minSamples: 0"),
        "6:61: E_RANGE: 0; expected 1 or more",
    ),
    "a query that is none": (
        metric("query: errorrate, max: 1"),
        "6:29: E_QUERY: 'errorrate' is no query; expected one of error_rate, p99(latency), psi, "
        "ks, disagreement, mean_difference, log_loss, auc, brier, calibration, mae, event_rate, "
        "input_drift, outliers; of one output: psi(late), of one field: outliers(age); "
        "did you mean error_rate?",
    ),
    "a web hook of no web": (
        metric('provider: {web: {url: "file:///etc/passwd"}}, max: 1'),
        "6:44: E_URL: 'file:///etc/passwd' is no address; expected http://host:port/path, or https",
    ),
    "two providers": (
        metric(
            'provider: {web: {url: "http://a"}, prometheus: {address: "http://a", query: up}}, '
            "max: 1"
        ),
        "6:32: E_METRIC: a provider is one of two; expected prometheus, or web",
    ),
    "a hook that nobody knows": (
        basic("  hooks: [{type: pre-rollout, url: http://a}]\n"),
        "7:18: E_WORD: 'pre-rollout'; expected 'confirm-rollout', 'confirm-traffic-increase', "
        "'confirm-promotion', 'rollback', 'event' or 'retrain-wanted'",
    ),
    "weights that miss the whole": (
        ab('{name: all, split: {salt: s}, to: [{version: "8", weight: 60}]}'),
        "9:41: E_WEIGHT: weights that make 60 percent; expected 100",
    ),
    "a variant twice": (
        ab(f"{{name: all, split: {{salt: s}}, {ARMS.replace('7', '8')}}}"),
        "9:70: E_VARIANTS: 8 stands twice; expected every name once",
    ),
    "a route that hides others": (
        ab(
            f"{{name: all, split: {{salt: s}}, {ARMS}}}",
            f"{{name: some, match: {{matchLabels: {{event.a: b}}}}, split: {{salt: s}}, {ARMS}}}",
        ),
        "9:7: E_RULES: route all matches all, so nothing behind it is asked; expected a match",
    ),
    "a layer that misses the whole": (
        ab(
            "{name: all, layer: {name: ui, holdout: 21, experiments: "
            '[{name: e, weight: 80, to: [{version: "8", weight: 100}]}]}}'
        ),
        "9:63: E_WEIGHT: weights that make 101 percent; expected 100 at most",
    ),
    "a layer without a name": (
        ab(
            "{name: all, layer: {experiments: "
            '[{name: e, weight: 100, to: [{version: "8", weight: 100}]}]}}'
        ),
        "9:19: E_MISSING: no name; add name",
    ),
    "a layer with a salt": (
        ab(
            "{name: all, split: {salt: s}, layer: {name: ui, experiments: "
            '[{name: e, weight: 100, to: [{version: "8", weight: 100}]}]}}'
        ),
        "9:26: E_SALT: a layer draws by its name and needs no split; "
        "leave it out; layer.key names the key",
    ),
    "a layer whose name is none": (
        ab(
            '{name: all, layer: {name: "u|i", experiments: '
            '[{name: e, weight: 100, to: [{version: "8", weight: 100}]}]}}'
        ),
        "9:33: E_NAME: name 'u|i' is no valid name; expected 1 to 100 of A-Z a-z 0-9 . _ - and a "
        "letter or digit first; choose another name",
    ),
    "a holdout of no percent": (
        ab(
            "{name: all, layer: {name: ui, holdout: 5%, experiments: "
            '[{name: e, weight: 80, to: [{version: "8", weight: 100}]}]}}'
        ),
        "9:46: E_WEIGHT: '5%' is no percent; expected a number from 0 to 100",
    ),
    "an experiment of a layer twice": (
        ab(
            "{name: all, layer: {name: ui, experiments: "
            '[{name: e, weight: 10, to: [{version: "8", weight: 100}]}, '
            '{name: e, weight: 10, to: [{version: "8", weight: 100}]}]}}'
        ),
        "9:109: E_VARIANTS: e stands twice; expected every name once",
    ),
    "the salt of a layer": (
        ab(f"{{name: all, split: {{salt: 'layer:ui'}}, {ARMS}}}"),
        "9:33: E_SALT: salt 'layer:ui' is a layer's; expected a salt of its own; "
        "write layer: {name: ui, …}",
    ),
    "a weight that leaves no room for the holdout": (
        canary("setWeight: 96").replace("2026}", "2026, holdout: 5}"),
        "11:22: E_WEIGHT: 96 percent beside a holdout of 5; expected 95 at most, or 100",
    ),
    "an exposure that leaves no room for the holdout": (
        canary("exposure: {changedPerHour: 9, output: late, upTo: 100}").replace(
            "2026}", "2026, holdout: 5}"
        ),
        "11:61: E_WEIGHT: 100 percent beside a holdout of 5; expected 95",
    ),
    "a layer beside variants": (
        ab(
            f"{{name: all, {ARMS}, layer: {{name: ui, experiments: "
            '[{name: e, weight: 100, to: [{version: "8", weight: 100}]}]}}'
        ),
        "9:7: E_VARIANTS: a route has variants or a layer; expected to, or layer",
    ),
    "an arm of less than a bucket": (
        ab(
            "{name: all, layer: {name: ui, holdout: 99.99, experiments: "
            f"[{{name: e, weight: 0.01, {ARMS}}}]}}}}"
        ),
        "5:3: E_WEIGHT: e.7 would get a part of a bucket; "
        "expected weights whose product has two decimals of a percent; round one of them",
    ),
    "a route twice": (
        ab(
            f"{{name: a, match: {{matchLabels: {{event.a: b}}}}, split: {{salt: s}}, {ARMS}}}",
            f"{{name: a, split: {{salt: s}}, {ARMS}}}",
        ),
        "10:14: E_RULES: route a twice; expected every name once",
    ),
    "a candidate that nobody gets": (
        ab('{name: all, to: [{version: "9", weight: 100}]}'),
        "6:14: E_CANDIDATE: no route gives events to the candidate, 8; "
        "expected a version of the routes",
    ),
    "a header that would force two versions": (
        ab(
            '{name: a, match: {matchLabels: {event.a: b}}, to: [{name: n, version: "8", '
            "weight: 100}]}",
            '{name: b, to: [{name: n, version: "7", weight: 100}]}',
            more="forced: {header: x-variant}",
        ),
        "5:3: E_VARIANTS: a header cannot force n: it is two versions; "
        "expected variants with a name of their own; name them apart",
    ),
    "a rollout twice": (
        f"{basic()}---\n{basic()}",
        "11:18: E_TWICE: Rollout late twice; expected each once",
    ),
    "nothing": ("# to do\n", "1:1: E_EMPTY: the file says nothing; expected kind: Rollout"),
    "a null": ("null\n", "1:1: E_EMPTY: the file says nothing; expected kind: Rollout"),
    "only marks": ("---\n---\n", "1:1: E_EMPTY: the file says nothing; expected kind: Rollout"),
    "a tab": (
        HEAD + "\tstable: x\n",
        "5:1: E_YAML: found character '\\t' that cannot start any token; expected plain YAML; "
        "indent with spaces",
    ),
    "a control character": (
        "kind: Rollout\na: \0\n",
        "2:1: E_YAML: a control character, 0x00; expected plain YAML",
    ),
    "no YAML": (f"{HEAD}  a: [\n", "6:1: E_YAML: "),
}


@pytest.mark.parametrize(("text", "fault"), EXACT.values(), ids=list(EXACT))
def test_a_fault_has_its_place_its_code_and_a_mend(text: str, fault: str) -> None:
    (line,) = told(text)
    assert line == fault or (fault.endswith(": ") and line.startswith(fault))


MANY = f"""\
{HEAD}  stable: 7
  candidate: 8.10
  spilt: {{}}
  split: {{key: tailnum}}
  onFailure: explode
  strategy:
    canary:
      steps:
        - setWeight: 101
        - pause: {{duration: 10}}
        - analysis: {{templates: [guards]}}
        - {{setWeight: 5, pause: {{}}}}
        - mirror:
            match:
              all: [{deep(8)}]
              matchExpressions:
                - {{key: event.a, operator: Regex, values: [b]}}
                - {{key: event.b, operator: In, values: [NO]}}
      background: {{templates: [guard], startingStep: 9}}
  hooks: [{{type: rollback, url: nowhere, url: else}}]
---
kind: Rolout
---
{metric("query: sorcery, min: 3, max: 2, compare: sideways")}"""


def test_every_fault_is_told_at_once() -> None:
    assert [line.split(": ")[:2] for line in told(MANY)] == [
        ["5:11", "E_VERSION"],
        ["6:14", "E_VERSION"],
        ["7:3", "E_UNKNOWN_FIELD"],
        ["8:3", "E_MISSING"],
        ["8:16", "E_FIELD"],
        ["9:14", "E_WORD"],
        ["13:22", "E_WEIGHT"],
        ["14:29", "E_DURATION"],
        ["15:34", "E_TEMPLATE"],
        ["16:11", "E_STEP"],
        ["19:15", "E_TOO_COMPLEX"],
        ["21:44", "E_OPERATOR"],
        ["22:57", "E_YAML"],
        ["23:54", "E_STEP"],
        ["24:33", "E_URL"],
        ["24:42", "E_YAML"],
        ["26:7", "E_KIND"],
        ["33:29", "E_QUERY"],
        ["33:43", "E_METRIC"],
        ["33:63", "E_WORD"],
    ]


def test_a_flood_of_faults_is_cut_off() -> None:
    flood = "".join(f"  f{i}: 1\n" for i in range(3000))
    lines = told(basic(flood))
    assert len(lines) == 1000
    assert lines[0].startswith("7:3: E_UNKNOWN_FIELD: unknown field f0;")


def test_templates_may_stand_in_another_file() -> None:
    guard = metric("query: p99.9(latency), compare: relative, max: 1.5").encode()
    late = canary("analysis: {templates: [guard]}").encode()
    (wanted,) = rollouts([("late.yaml", late), ("guard.yaml", guard)], NOW)
    assert wanted.plan.templates[0].metrics[0].source == Query(Measure.LATENCY, quantile=0.999)
    with pytest.raises(RejectedFile, match=r"^late.yaml:\d+:\d+: E_TEMPLATE"):
        rollouts([("late.yaml", late)], NOW)


def test_a_template_that_is_wrong_is_not_missing_as_well() -> None:
    text = canary("analysis: {templates: [guard]}") + "---\n" + metric("query: error_rate")
    (line,) = told(text)
    assert "E_METRIC" in line


def test_faults_come_in_the_order_of_the_files() -> None:
    files = [(name, basic("  a: 1\n").encode()) for name in ("z.yaml", "a.yaml")]
    with pytest.raises(RejectedFile) as caught:
        rollouts(files, NOW)
    assert [fault.file for fault in caught.value.faults] == ["z.yaml", "a.yaml"]


def test_a_route_may_stand_in_two_namespaces() -> None:
    spaces = ["prod", "staging"]
    texts = [basic().replace("{name: late}", f"{{name: late, namespace: {s}}}") for s in spaces]
    assert [wanted.namespace for wanted in compiled("---\n".join(texts))] == spaces


def test_experiments_of_a_layer_share_one_draw() -> None:
    layer = (
        "layer: {name: ui, key: event.tailnum, holdout: 10, experiments: ["
        '{name: hours, weight: 40, to: [{name: new, version: "8", weight: 25}, '
        '{name: old, version: "7", weight: 75}]}, '
        '{name: fares, weight: 50, to: [{name: new, version: "9", weight: 100}]}]}'
    )
    (wanted,) = compiled(ab(f"{{name: all, {layer}}}"))
    (rule,) = wanted.plan.rules
    assert (rule.split.salt, rule.split.field) == ("layer:ui", "tailnum")
    assert [(v.name, v.version, v.buckets) for v in rule.variants] == [
        ("holdout", "7", ((0, 1000),)),
        ("hours.new", "8", ((1000, 2000),)),
        ("hours.old", "7", ((2000, 5000),)),
        ("fares.new", "9", ((5000, 10_000),)),
    ]


def test_without_a_time_a_schedule_may_lie_in_the_past() -> None:
    text = basic("  schedule: {at: 2013-01-01T00:00:00Z, clock: event}\n")
    assert compiled(text, now=None)[0].plan.at == 1_356_998_400_000


def test_a_canary_ends_with_everything() -> None:
    (wanted,) = compiled(canary("setWeight: 5", "pause:"))
    assert [getattr(step, "weight", None) for step in wanted.plan.steps] == [500, None, 10_000]


def test_a_plan_that_would_not_travel_is_refused() -> None:
    arms = ", ".join(f'{{name: {i}{"n" * 90}, version: "8", weight: 10}}' for i in range(10))
    values = ", ".join(f"v{i}{'x' * 50}" for i in range(200))
    routes = [
        f"{{name: r{i}, split: {{salt: s}}, to: [{arms}], match: {{matchExpressions: "
        f"[{{key: event.a, operator: In, values: [{values}]}}]}}}}"
        for i in range(8)
    ]
    (line,) = told(ab(*routes))
    assert f"expected at most {MAX_PLAN:,}; take steps, values or templates out of it" in line


@pytest.mark.parametrize("names", [["none.yaml"], ["."]])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, names: Sequence[str]) -> None:
    with pytest.raises((NotFound, Rejected)):
        read_rollouts([tmp_path / name for name in names], NOW)


@pytest.mark.parametrize(
    "query",
    [
        "p99(latency), compare: relative",
        "psi(late)",
        "mean_difference(late)",
        "outliers(age), compare: relative",
    ],
)
def test_nothing_is_compared_with_the_stable_version_when_it_has_no_event(query: str) -> None:
    steps = ("mirror: {percent: 1}", "analysis: {templates: [guard]}", "setWeight: 100")
    text = f"{canary(*steps)}---\n{metric(f'query: {query}, max: 1')}"
    assert rollouts([("late.yaml", text.encode())], NOW)
    late = text.replace("100\n", "100\n        - analysis: {templates: [guard]}\n", 1)
    with pytest.raises(RejectedFile, match="E_NO_STABLE"):
        rollouts([("late.yaml", late.encode())], NOW)


def test_pairs_want_a_shadow() -> None:
    steps = ("setWeight: 5", "analysis: {templates: [guard]}", "setWeight: 100")
    guard = metric("query: disagreement, max: 0.1")
    assert told(f"{canary(*steps)}---\n{guard}") == [
        "5:3: E_METRIC: errors is never measured: no step mirrors events to 8; "
        "add a `mirror` step before it"
    ]
    mirrored = canary("mirror: {percent: 1}", *steps)
    assert compiled(f"{mirrored}---\n{guard}")


def test_partitions_have_no_planned_share_that_a_pace_is_held_against() -> None:
    rolling = (
        f"{HEAD}{BOTH}  strategy:\n    rolling: {{topic: flights, partitions: 4, batch: 2, "
        "analysis: {templates: [guard]}}\n"
    )
    pace = "query: event_rate, min: 0.8"
    (wrong,) = told(f"{rolling}---\n{metric(f'{pace}, compare: relative')}")
    assert "E_METRIC: errors is never measured: partitions have no planned share" in wrong
    assert compiled(f"{rolling}---\n{metric(pace)}")


@pytest.mark.parametrize("query", ["error_rate", "input_drift", "outliers(age)"])
def test_an_absolute_limit_may_be_watched_after_the_last_step(query: str) -> None:
    steps = ("setWeight: 100", "analysis: {templates: [guard]}")
    text = f"{canary(*steps)}---\n{metric(f'query: {query}, max: 1')}"
    assert rollouts([("late.yaml", text.encode())], NOW)
