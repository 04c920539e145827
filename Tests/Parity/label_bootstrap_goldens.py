"""A plain bootstrap with scikit-learn on the resamples of `LabelBootstrap`
→ SequenceModelsTests/Fixtures/label_bootstrap.json.

    python Tests/Parity/label_bootstrap_goldens.py          # numpy, scipy, scikit-learn
"""

import json
import pathlib

import numpy as np
from scipy.stats import norm, t
from sklearn.metrics import average_precision_score

FILE = pathlib.Path(__file__).parent.parent / "SequenceModelsTests/Fixtures/label_bootstrap.json"
BITS = 2**64 - 1


class SplitMix64:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & BITS
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & BITS
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & BITS
        return z ^ (z >> 31)

    def below(self, count):
        return (self.next() * count) >> 64


def precisions(truth, scores, clips):
    return [
        average_precision_score(truth[clips, i], scores[clips, i]) if truth[clips, i].any() else np.nan
        for i in range(truth.shape[1])
    ]


def student(freedom):
    """97.5 % quantile of Student's t distribution, by the expansion of `ClusteredProportion`."""
    z = 1.959963985
    exact = (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    found = z + exact + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    assert abs(found / t.ppf(0.975, freedom) - 1) < 0.004
    return found


def interval(values, sources):
    """Percentiles, expanded for few sources."""
    tail = 100 * norm.sf(student(sources - 1) * (sources / (sources - 1)) ** 0.5)
    return list(np.percentile([v for v in values if not np.isnan(v)], [tail, 100 - tail]))


def corrected(share, sources):
    """A p-value, corrected as the percentiles are."""
    return 2 * t.sf(norm.isf(share / 2) / (sources / (sources - 1)) ** 0.5, sources - 1) if share < 1 else 1


def union(values, sources, found):
    """The union of the percentile and the basic interval."""
    lower, upper = interval(values, sources)
    return [max(0, min(lower, 2 * found - upper)), min(1, max(upper, 2 * found - lower))]


def case(rng, count, classes, sources, seed, resamples):
    groups = [None if rng.random() < 0.2 else f"source {rng.integers(sources)}" for _ in range(count)]
    truth = (rng.random((count, classes)) < 0.3).astype(int)
    truth[:, 0] = 0
    truth[0, 0] = 1  # some resamples lack the first label
    runs = [np.round(1 / (1 + np.exp(-rng.standard_normal(truth.shape) - gain * truth)), 2) for gain in (0.5, 1.2)]
    members = {}
    for clip, group in enumerate(groups):
        members.setdefault(group or clip, []).append(clip)
    members = list(members.values())
    outer = SplitMix64(seed)
    drawn = []
    for _ in range(resamples):
        inner = SplitMix64(outer.next())
        clips = sum((members[inner.below(len(members))] for _ in members), [])
        drawn.append([precisions(truth, run, clips) for run in runs])
    drawn = np.array(drawn)
    gains = drawn[:, 1] - drawn[:, 0]
    means = np.nanmean(gains, 1)
    found = [np.nanmean(precisions(truth, run, np.arange(count))) for run in runs]
    sources = len(members)
    return {
        "groups": groups, "truth": ["".join(map(str, row)) for row in truth], "runs": [run.tolist() for run in runs],
        "seed": seed, "resamples": resamples, "gain": interval(means, sources),
        "intervals": [union(np.nanmean(drawn[:, i], 1), sources, found[i]) for i in range(2)],
        "gains": [interval(gains[:, i], sources) for i in range(classes)],
        "probability": corrected(2 * (min((means <= 0).sum(), (means >= 0).sum()) + 1) / (resamples + 1), sources),
    }


if __name__ == "__main__":
    rng = np.random.default_rng(2)
    cases = [
        case(rng, 30, 4, 10, 1, 200), case(rng, 50, 2, 40, 7, 150), case(rng, 24, 6, 3, 3, 100),
        case(rng, 60, 3, 3, 4, 300),
    ]
    FILE.write_text(json.dumps(cases))
