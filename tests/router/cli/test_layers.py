"""Layers from the terminal: apply, diff, lint and explain name them, and say who is in the way."""

from pathlib import Path

import pytest

from tests.router.cli.desk import Desk

FILE = """
apiVersion: modelwire.io/v1
kind: Rollout
metadata: {{name: {route}}}
spec:
  stable: "1"
  candidate: "2"
  strategy: {{ab: {{forced: {{header: x-variant}}}}}}
  routes:
    - name: everyone
      layer:
        name: planes
        key: event.tailnum
        holdout: {holdout}
        experiments:
          - name: {name}
            weight: {weight}
            to: [{{name: new, version: "2", weight: 50}}, {{name: old, version: "1", weight: 50}}]
"""


@pytest.fixture
def both(route: Desk) -> Desk:
    """Return a terminal with two routes that serve version 1."""
    route.publish("1", "2", name="flights-early")
    route.ok("flip", "flights-early", "1")
    return route


def write(desk: Desk, route: str, name: str, weight: int, holdout: int = 5) -> Path:
    text = FILE.format(route=route, name=name, weight=weight, holdout=holdout)
    return desk.write(f"{name}.yaml", text)


def explained(desk: Desk, route: str, plane: int) -> dict[str, str]:
    later = "2100-01-01T00:00:00Z"
    event = f'{{"tailnum": "N{plane}"}}'
    (row,) = desk.data("explain", route, "--event", event, "--at", later)
    return row  # type: ignore[no-any-return]


def test_two_rollouts_of_one_layer_share_no_key_and_every_look_names_it(both: Desk) -> None:
    hours = write(both, "flights-late", "hours", 40)
    fares = write(both, "flights-early", "fares", 55)
    assert "layer planes: hours 40 %, 5 % held out" in both.ok("lint", hours).out
    assert "layer planes: hours 40 %, 5 % held out" in both.ok("apply", "-f", hours).err
    both.ok("apply", "-f", fares)
    for file in (hours, fares):
        assert "no difference" in both.ok("diff", "-f", file).err
    for name in ("flights-late", "flights-early"):
        assert both.data("status", name)[0]["shares"].startswith("2 0 %"), "not before it is warm"
        both.ok("promote", name)
    seen: set[tuple[str, str]] = set()
    for plane in range(30):
        late, early = (explained(both, r, plane) for r in ("flights-late", "flights-early"))
        seen.add((late["layer"], early["layer"]))
        assert late["bucket"] == early["bucket"]
        assert late["version"] == "1" or early["version"] == "1"
    assert seen == {
        ("hours of layer planes", "outside of layer planes"),
        ("outside of layer planes", "fares of layer planes"),
        ("held out of layer planes", "held out of layer planes"),
    }


def test_a_header_forces_an_arm_and_never_a_holdout(both: Desk) -> None:
    both.ok("apply", "-f", write(both, "flights-late", "hours", 40))
    both.ok("promote", "flights-late")
    names = both.data("status", "flights-late")[0]["shares"]
    assert "forced-hours.new: 2 100 %" in names
    assert "forced-holdout" not in names
    words = ("--event", '{"tailnum": "N1"}', "--at", "2100-01-01T00:00:00Z")
    (row,) = both.data("explain", "flights-late", *words, "--header", "x-variant=hours.new")
    assert (row["version"], row["rule"], row["layer"]) == ("2", "forced-hours.new", "")


def test_what_does_not_fit_is_refused_with_who_is_in_the_way_and_nothing_is_written(
    both: Desk,
) -> None:
    both.ok("apply", "-f", write(both, "flights-late", "hours", 40))
    end = both.end()
    full = write(both, "flights-early", "fares", 60)
    other = write(both, "flights-early", "meals", 10, holdout=6)
    faults = {
        full: "E_LAYER_FULL: layer planes has 55 % left and the experiments want 60 %; "
        "it is held by hours of flights-late",
        other: "E_HOLDOUT: layer planes holds out 5 % on route flights-late, and 6 % here",
    }
    for file, fault in faults.items():
        for verb in ("apply", "diff", "plan"):
            said = both(verb, "-f", file)
            assert (said.code, said.err[: len(fault)]) == (5, fault)
    assert both.end() == end
    both.ok("abort", "flights-late")
    both.ok("apply", "-f", full)


def test_a_canarys_holdout_is_told(route: Desk) -> None:
    file = route.write(
        "canary.yaml",
        FILE.split("  strategy", maxsplit=1)[0].format(route="flights-late")
        + "  split: {key: event.tailnum, salt: late, holdout: 5}\n"
        "  strategy: {canary: {steps: [{setWeight: 95}, {pause: {}}]}}\n",
    )
    assert "5 % held out" in route.ok("lint", file).out
    route.ok("apply", "-f", file)
    route.ok("promote", "flights-late")
    found = {explained(route, "flights-late", plane)["layer"] for plane in range(60)}
    assert found == {"", "held out"}
