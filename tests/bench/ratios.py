"""From turns of load to ratios that a noisy machine leaves alone.

The machine's speed swings while we measure, by far more than what we look for. So nothing is compared with a number
from another minute: each turn of a server is compared with what the floor would have done at that moment, which is
read off the straight line between the floor's turn before it and the one after it. (Tried on the floor against itself,
on a machine with a load of 9: the middle half of the ratios of CPU time lay within 0.076 so, within 0.082 of the nearest
turn or of the mean of both, within 0.091 of the turn before.) What is left is the noise of single turns, against which
there are many of them, and a median.
"""

import bisect
import statistics

STEADY = (0.99, 1.01)  # where the floor against itself has to come out
SELDOM = 5  # competitors between two turns of the floor: at 80 ms each they are half a second apart


def order_of_turns(floor, competitors, seldom=SELDOM):
    """Two rounds: floor A B C D E floor F G H I, as even as can be, and then all that backwards.

    Who comes right after another finds the caches as that leaves them; so each server comes both before and after its
    neighbours, and so does the floor.
    """
    groups = -(-len(competitors) // seldom)
    dealt = [competitors[group::groups] for group in range(groups)]
    turns = []
    for group in [*dealt, *(group[::-1] for group in reversed(dealt))]:
        turns += [floor, *group]
    return turns


def groups_that_fit(competitors, connections, descriptors, beside=1):
    """Splits them where one load generator cannot have its connections to all and to `beside` others in each group."""
    most = (descriptors - 100) // max(connections, 1) - beside
    if most < 1:
        raise ValueError(f"{connections} connections each are too many for {descriptors} descriptors")
    groups = max(1, -(-len(competitors) // most))
    return [competitors[group::groups] for group in range(groups)]


def rate(turn):
    return turn["messages"] / turn["seconds"]


def cpu(turn):
    """Microseconds of the server's time for each message; None if they were not asked for."""
    spent = turn.get("cpu_seconds")
    return None if spent is None else spent * 1e6 / turn["messages"]


def p50(turn):
    return turn["p50"]


def p99(turn):
    return turn["p99"]


def middle(turn):
    return turn["begun"] + turn["seconds"] / 2


def usable(turns):
    """In a turn in which nothing came back there is nothing to measure (the machine stood still)."""
    return sorted((turn for turn in turns if turn["messages"] > 0 and turn["seconds"] > 0), key=middle)


def to_floor(turns, floor_turns, value):
    """What `value` is in each turn, as a ratio to the floor's at that moment."""
    floor = [turn for turn in usable(floor_turns) if value(turn) is not None]
    turns = [turn for turn in usable(turns) if value(turn) is not None]
    if not floor:
        return []
    moments = [middle(turn) for turn in floor]
    ratios = []
    for turn in turns:
        after = bisect.bisect(moments, middle(turn))
        if 0 < after < len(floor):
            span = moments[after] - moments[after - 1]
            share = (middle(turn) - moments[after - 1]) / span if span else 0.5
            reference = (1 - share) * value(floor[after - 1]) + share * value(floor[after])
        else:
            reference = value(floor[min(after, len(floor) - 1)])
        if reference > 0:
            ratios.append(value(turn) / reference)
    return ratios


def spread(values):
    """{"median", "q1", "q3"}, or None of nothing."""
    if not values:
        return None
    if len(values) == 1:
        return dict.fromkeys(("median", "q1", "q3"), values[0])
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "q1": q1, "q3": q3}


def median_of(turns, value):
    values = [value(turn) for turn in turns]
    return None if not values or None in values else statistics.median(values)


def absolute(targets):
    """A server's own figures: medians over all its turns, and how it treated its connections."""
    turns = usable(turn for target in targets for turn in target["turns"])
    shares = [target["least_served"] / target["mean_served"] for target in targets
              if target.get("least_served") is not None and target.get("mean_served")]
    return {
        "rate_absolute": median_of(turns, rate),
        "cpu_us_per_message": median_of(turns, cpu),
        "p50": median_of(turns, p50),
        "p99": median_of(turns, p99),
        "least_served_share": min(shares) if shares else None,
        "errors": sum(target["errors"] for target in targets),
    }


def compared(pairs):
    """All that is said of one server in one case, of (its target, the floor's target) in each run it took part in."""
    found = {name: spread([ratio for target, floor in pairs
                           for ratio in to_floor(target["turns"], floor["turns"], value)])
             for name, value in (("rate", rate), ("cpu", cpu), ("p99_ratio", p99))}
    return {**found, **absolute([target for target, _ in pairs])}


def unsteady(floor_against_itself):
    """What is wrong with a case in which the floor does not come out as fast as itself; "" if nothing is."""
    wrong = []
    for name, words in (("rate", "rate"), ("cpu", "CPU time")):
        found = floor_against_itself[name]
        if found is None:
            wrong.append(f"its {words} was not measured")
        elif not STEADY[0] <= round(found["median"], 3) <= STEADY[1]:
            wrong.append(f"{found['median']:.3f} in {words}")
    return f"the floor against itself is {' and '.join(wrong)}, not {STEADY[0]} to {STEADY[1]}" if wrong else ""
