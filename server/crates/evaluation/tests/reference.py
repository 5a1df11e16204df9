"""Prints the reference values that tests/reference.rs compares with, as JSON.

    pip install scikit-learn scipy statsmodels
    python tests/reference.py > tests/reference.json

Scores are multiples of 1/256, so that they are the same numbers in 32 and in 64 bits and some are tied.
"""

import json

import numpy as np
import scipy
import sklearn
import statsmodels
from scipy import stats
from sklearn import metrics
from sklearn.calibration import calibration_curve
from statsmodels.stats.proportion import proportion_confint

Z = stats.norm.ppf(0.975)


def wins(positive, negative):
    """One row a positive, one column a negative: 1 above, 0.5 tied, 0 below."""
    a, b = positive[:, None], negative[None, :]
    return (a > b) + 0.5 * (a == b)


def delong(scores, truth):
    won = wins(scores[truth], scores[~truth])
    m, n = won.shape
    spread = won.mean(1).var(ddof=1) / m + won.mean(0).var(ddof=1) / n
    value = metrics.roc_auc_score(truth, scores)
    return [value, value - Z * spread**0.5, min(1.0, value + Z * spread**0.5)]


def matched(scores, truth, strata):
    total, spread, v10, kept, unmatched, used = 0.0, 0.0, [], np.zeros(len(truth), bool), 0, 0
    for stratum in np.unique(strata):
        here = strata == stratum
        m, n = int(truth[here].sum()), int((~truth[here]).sum())
        if m == 0 or n < 2:
            unmatched += m
            continue
        used += 1
        total += m * metrics.roc_auc_score(truth[here], scores[here])
        won = wins(scores[here & truth], scores[here & ~truth])
        v10.extend(won.mean(1))
        spread += m**2 * won.mean(0).var(ddof=1) / n
        kept |= here
    m = len(v10)
    value = total / m
    spread = np.var(v10, ddof=1) / m + spread / m**2
    return {
        "strata": used,
        "fractures": m,
        "others": int(kept.sum()) - m,
        "unmatched": unmatched,
        "auc": [value, value - Z * spread**0.5, min(1.0, value + Z * spread**0.5)],
        "plain": delong(scores[kept], truth[kept]),
    }


class Lcg:
    """Knuth's generator, the same in the Rust test."""

    def __init__(self, state):
        self.state = state

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


def clusters(called, truth, patients):
    rows = []
    for patient in np.unique(patients):
        here = patients == patient
        c, t = called[here], truth[here]
        rows.append([int((c & t).sum()), int((c & ~t).sum()), int((~c & ~t).sum()), int((~c & t).sum())])
    return np.array(rows)


def f1_of(counts):
    tp, fp, _, fn = counts
    return 2 * tp / (2 * tp + fp + fn)


def threshold(scores, wanted):
    """Halfway between the last score called positive and the next below it."""
    values = np.unique(scores)[::-1]
    at = int(np.argmax(wanted))
    return float((values[at] + values[at + 1]) / 2)


def operating_points(scores, truth, prevalence):
    """By scikit-learn at every score, the highest first."""
    values = np.unique(scores)[::-1]
    weights = np.where(truth, prevalence / truth.sum(), (1 - prevalence) / (~truth).sum())
    recall = np.array([metrics.recall_score(truth, scores >= v) for v in values])
    precision = np.array([metrics.precision_score(truth, scores >= v, sample_weight=weights) for v in values])
    balance = np.array([metrics.balanced_accuracy_score(truth, scores >= v) for v in values])
    least = 0.9 * precision[0]
    return {
        "sensitivity": [[x, threshold(scores, recall >= x)] for x in (0.5, 0.9, 0.95)],
        "precision": [[x, threshold(scores, np.append(precision[1:] < x, True))] for x in (least, 0.5 * least)],
        "balance": threshold(scores, balance >= balance.max() - 1e-12),
        "prevalence": prevalence,
    }


def overlaps():
    """Boxes on a grid, and scikit-learn's Jaccard index of their pixels."""
    rng, out = np.random.default_rng(7), []
    for _ in range(12):
        boxes, masks = [], []
        for _ in range(2):
            x0, y0 = rng.integers(0, 30, 2)
            x1, y1 = x0 + rng.integers(5, 30), y0 + rng.integers(5, 30)
            mask = np.zeros((60, 60), bool)
            mask[y0:y1, x0:x1] = True
            boxes.append([int(v) for v in (x0, y0, x1, y1)])
            masks.append(mask.ravel())
        out.append([*boxes, float(metrics.jaccard_score(*masks))])
    return out


def main():
    rng = np.random.default_rng(20170101)
    n = 600
    truth = rng.random(n) < 0.2
    strata = rng.integers(0, 150, n)
    logit = rng.normal(0, 1.3, n) + np.where(truth, 1.6, -1.4) + 0.4 * (strata % 3)
    scores = np.round(256 / (1 + np.exp(-logit))) / 256
    patients = np.arange(n) // 2
    called = scores >= 0.5

    precision, recall, thresholds = metrics.precision_recall_curve(truth, scores)
    fpr, tpr, roc_thresholds = metrics.roc_curve(truth, scores, drop_intermediate=False)
    observed, mean_score = calibration_curve(truth, scores, n_bins=10, strategy="uniform")
    bin_of = np.searchsorted(np.linspace(0, 1, 11)[1:-1], scores)
    sizes = np.bincount(bin_of, minlength=10)
    sizes = sizes[sizes > 0]

    rows = clusters(called, truth, patients)
    lcg, drawn = Lcg(42), []
    for _ in range(500):
        drawn.append(f1_of(sum(rows[lcg.below(len(rows))] for _ in range(len(rows)))))
    def f1_statistic(index):
        return f1_of(rows[index.astype(int)].sum(axis=0))

    by_scipy = stats.bootstrap(
        (np.arange(len(rows)),),
        f1_statistic,
        vectorized=False,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval

    where = rng.integers(0, 3, 200)
    found = np.where(rng.random(200) < 0.7, where, rng.integers(0, 3, 200))
    overlap = np.round(np.clip(rng.normal(0.87, 0.06, 150), 0, 1) * 256) / 256
    t = stats.t.interval(0.95, len(overlap) - 1, overlap.mean(), stats.sem(overlap))
    trials = [(330, 348), (0, 20), (20, 20), (5, 12), (2990, 2997), (1, 3), (1, 1), (348, 3354), (17, 100000)]

    result = {
        "versions": {
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
            "statsmodels": statsmodels.__version__,
        },
        "scores": scores.tolist(),
        "truth": truth.tolist(),
        "strata": strata.tolist(),
        "delong": delong(scores, truth),
        "roc": {"fpr": fpr.tolist(), "tpr": tpr.tolist(), "thresholds": roc_thresholds[1:].tolist()},
        "precision_recall": {
            "precision": precision[:-1].tolist(),
            "recall": recall[:-1].tolist(),
            "thresholds": thresholds.tolist(),
        },
        "average_precision": metrics.average_precision_score(truth, scores),
        "brier": metrics.brier_score_loss(truth, scores),
        "calibration": {
            "observed": observed.tolist(),
            "mean_score": mean_score.tolist(),
            "hips": sizes.tolist(),
            "expected_error": float((np.abs(observed - mean_score) * sizes).sum() / n),
        },
        "histogram": {
            "fractures": np.histogram(scores[truth], bins=20, range=(0, 1))[0].tolist(),
            "others": np.histogram(scores[~truth], bins=20, range=(0, 1))[0].tolist(),
        },
        "at_half": {
            "accuracy": metrics.accuracy_score(truth, called),
            "precision": metrics.precision_score(truth, called),
            "recall": metrics.recall_score(truth, called),
            "specificity": metrics.recall_score(~truth, ~called),
            "f1": metrics.f1_score(truth, called),
        },
        "f1_bootstrap": {
            "clusters": rows.tolist(),
            "lcg": [float(np.percentile(drawn, q)) for q in (2.5, 97.5)],
            "scipy": list(by_scipy),
        },
        "operating_points": operating_points(scores, truth, 0.1),
        "overlaps": overlaps(),
        "matched": matched(scores, truth, strata),
        "clopper_pearson": [
            [k, size, *(float(v) for v in proportion_confint(k, size, alpha=0.05, method="beta"))]
            for k, size in trials
        ],
        "confusion": {
            "truth": where.tolist(),
            "found": found.tolist(),
            "matrix": metrics.confusion_matrix(where, found).tolist(),
        },
        "mean": {"values": overlap.tolist(), "interval": [overlap.mean(), *t], "deviation": overlap.std(ddof=1)},
    }
    print(json.dumps(result))


main()
