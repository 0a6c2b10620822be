"""Compute every number of a report again, from its table of probabilities alone.

    python tests/recompute_report.py report.html report.csv

Uses pandas, scikit-learn and scipy and nothing of this program, so that an auditor can run or
rewrite it. Numbers are found by `<data data-measure="…" value="…">`; a measure that this script
does not know is an error, too.
"""

import html.parser
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize, stats
from sklearn import metrics

EXACT = 1e-6
FITTED = 0.01
# Some bounds are quantiles of random draws: where those of the report may lie among ours. Four
# standard errors of a share of 2.5%, of the report's 1,000 and of our own draws. Why shares and no
# distance: what few parts give jumps from draw to draw.
REPLICAS = 3000
REACH = 4 * np.sqrt(0.025 * 0.975 * (1 / 1000 + 1 / REPLICAS))
NO_SPREAD = 1e-24  # a variance below is rounding
FEWEST = 20  # draws that must have a value at all
ORDER = {"accept": 0, "to a person": 1, "reject": 2}


class Numbers(html.parser.HTMLParser):
    """Collects the marked numbers and the decision rule of a report."""

    def __init__(self):
        super().__init__()
        self.marked: list[tuple[str, float | None]] = []
        self.rule: dict = {}

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "data":
            text = given["value"]
            # Why: reports before 0.2 call the Matthews correlation by its whole name.
            name = given["data-measure"].replace("matthews", "mcc")
            self.marked.append((name, float(text) if text else None))
        if "data-rule" in given:
            self.rule = json.loads(given["data-rule"])

    @property
    def found(self) -> dict[str, float | None]:
        """By name; a number may stand in several places."""
        return dict(self.marked)


def read_report(path: Path) -> Numbers:
    numbers = Numbers()
    numbers.feed(path.read_text(encoding="utf-8"))
    return numbers


def mismatches(report: Path, table: Path) -> list[str]:
    """One line for every number that is not what the table says; empty if all agree."""
    numbers = read_report(report)
    rows = pd.read_csv(table, encoding="utf-8-sig", keep_default_na=False, na_values=[])
    again = Recomputed(rows, numbers.rule)
    wrong = []
    for name, shown in numbers.marked:
        try:
            value = again.value(name)
        except KeyError:
            wrong.append(f"{name}: not known to this script")
            continue
        if not _agree(name, shown, value):
            wrong.append(f"{name}: the report says {shown}, the table {value}")
    return wrong + again.wrong_decisions()


def _agree(name, shown, value):
    """Whether a number is the value, or within the range (low, high) where it is drawn."""
    if shown is None or value is None:
        return shown is None and value is None
    low, high = value if isinstance(value, tuple) else (value, value)
    fitted = name in ("calibration.temperature", "calibration.ece_after")
    tolerance = (FITTED if fitted else EXACT) * max(1.0, abs(low))
    return low - tolerance <= shown <= high + tolerance


def exact(k, n, confidence=0.95):
    if n == 0:
        return None, None
    bounds = stats.binomtest(int(k), int(n)).proportion_ci(confidence, "exact")
    return bounds.low, bounds.high


def _cell(name):
    """The name as it stands in a cell: one that a spreadsheet would run has a quote in front."""
    return f"'{name}" if name[:1] in tuple("=+-@\t\r") else name


class Recomputed:
    def __init__(self, rows, rule):
        self.names = [c.removeprefix("p:") for c in rows.columns if c.startswith("p:")]
        cells = {
            ("'" + n if n[:1] in tuple("=+-@\t\r") else n): i for i, n in enumerate(self.names)
        }
        self.rule = rule
        self.rows = rows[rows["subset"] == "test"].reset_index(drop=True)
        self.validation = rows[rows["subset"] == "validation"]
        self.classes = cells
        self.p = self._matrix(self.rows)
        self.y = self.rows["true_class"].map(cells).to_numpy()
        self.said = self.p.argmax(axis=1)
        self.part = self.rows["part"].to_numpy()
        self.values: dict[str, float | None] = {}
        for fill in (
            self._summary,
            self._classes,
            self._decisions,
            self._calibration,
            self._comparison,
        ):
            fill()

    def value(self, name):
        return self.values[name]

    def _matrix(self, rows):
        return rows[[f"p:{n}" for n in self.names]].to_numpy(float)

    def _rate(self, name, k, n):
        low, high = exact(k, n)
        self.values |= {
            name: k / n if n else None,
            f"{name}.k": k,
            f"{name}.n": n,
            f"{name}.low": low,
            f"{name}.high": high,
        }

    def _any(self, flags, keys):
        """How many groups of `keys` have a flag, and how many groups there are."""
        grouped = pd.Series(np.asarray(flags)).groupby(keys).any()
        return int(grouped.sum()), len(grouped)

    def _summary(self):
        y, said, p = self.y, self.said, self.p
        wrong, n = self._any(y != said, self.part)
        self.values |= {"pictures": len(y), "parts": n}
        self._rate("accuracy", n - wrong, n)
        self.present = sorted(set(y))
        scores = {"labels": self.present, "average": "macro", "zero_division": 0}
        weighted = scores | {"average": "weighted"}
        known = [c for c in self.present if (y != c).any()]
        areas = [metrics.roc_auc_score(y == c, p[:, c]) for c in known]
        precisions = [metrics.average_precision_score(y == c, p[:, c]) for c in known]
        positives = [len(set(self.part[y == c])) for c in known]
        truth = np.eye(len(self.names))[y]
        losses = -np.log(np.clip(p[np.arange(len(y)), y], 1e-12, 1))
        distances = ((p - truth) ** 2).sum(axis=1)
        self.values |= {
            "balanced_accuracy": metrics.recall_score(y, said, **scores),
            "macro_precision": metrics.precision_score(y, said, **scores),
            "macro_f1": metrics.f1_score(y, said, **scores),
            "weighted_precision": metrics.precision_score(y, said, **weighted),
            "weighted_f1": metrics.f1_score(y, said, **weighted),
            "kappa": metrics.cohen_kappa_score(y, said) if len({*y, *said}) > 1 else None,
            "mcc": metrics.matthews_corrcoef(y, said)
            if min(len(set(y)), len(set(said))) > 1
            else None,
        }
        self.values |= {"ece": _ece(p, y), "ece.low": None, "ece.high": None}
        order = np.argsort(-p, axis=1, kind="stable")
        ranks = (order == y[:, None]).argmax(axis=1)
        for k in (1, 2, 3, 5):
            self._rate(f"top{k}_error", *self._any(ranks >= k, self.part))
        self._mean_of_images("log_loss", losses, most=np.inf)
        self._mean_of_images("brier", distances, most=2.0)
        self._mean_of_classes(
            "roc_area", areas, [_roc_bounds(p[:, c], y == c, self.part) for c in known]
        )
        self._mean_of_classes(
            "average_precision",
            precisions,
            [_share_bounds(a, n) for a, n in zip(precisions, positives, strict=True)],
        )

    def _mean_of_images(self, name, values, most):
        """Mean with a t interval whose spread is that between parts, from 0 to `most`."""
        mean = values.mean()
        sums = pd.Series(values - mean).groupby(self.part).sum()
        n = len(sums)
        if n < 2:
            self.values |= {name: mean, f"{name}.low": None, f"{name}.high": None}
            return
        reach = stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1) * (sums**2).sum()) / len(values)
        self.values |= {
            name: mean,
            f"{name}.low": max(0.0, mean - reach),
            f"{name}.high": min(most, mean + reach),
        }

    def _mean_of_classes(self, name, values, bounds):
        """Mean with an interval from those of the classes (Zou and Donner 2008)."""
        if not values:
            self.values |= dict.fromkeys((name, f"{name}.low", f"{name}.high"))
            return
        mean, (low, high) = np.mean(values), np.array(bounds).T
        down = np.sqrt(((values - low) ** 2).sum()) / len(values)
        up = np.sqrt(((high - values) ** 2).sum()) / len(values)
        self.values |= {
            name: mean,
            f"{name}.low": max(0.0, mean - down),
            f"{name}.high": min(1.0, mean + up),
        }

    def _classes(self):
        y, said = self.y, self.said
        matrix = metrics.confusion_matrix(y, said, labels=range(len(self.names)))
        f1_bounds = {}
        for c in range(len(self.names)):
            key = f"class.{c}"
            self.values |= {
                f"{key}.pictures": int((y == c).sum()),
                f"{key}.predicted": int((said == c).sum()),
            }
            self.values |= {f"matrix.{c}.{i}": int(n) for i, n in enumerate(matrix[c])}
            for measure, rows in (("recall", y == c), ("precision", said == c)):
                wrong, n = self._any((y != said)[rows], self.part[rows])
                self._rate(f"{key}.{measure}", n - wrong, n)
            touched = (y == c) | (said == c)
            wrong, n = self._any((y != said)[touched], self.part[touched])
            low, high = exact(n - wrong, n)
            f1 = [None if j is None else 2 * j / (1 + j) for j in (low, high)]
            value = 2 * (n - wrong) / (n - wrong + n) if n else None
            self.values |= {f"{key}.f1": value, f"{key}.f1.low": f1[0], f"{key}.f1.high": f1[1]}
            f1_bounds[c] = f1
        self._means()

    def _means(self):
        """Intervals of means: drawn parts, or exact bounds of the classes, the wider one."""
        random = np.random.default_rng(7)
        _, inverse = np.unique(self.part, return_inverse=True)
        count, classes = inverse.max() + 1, len(self.names)
        drawn = []
        cells = self.y * classes + self.said
        for _ in range(REPLICAS):
            weight = np.bincount(random.integers(0, count, count), minlength=count)[inverse]
            matrix = np.bincount(cells, weight, classes**2).reshape(classes, classes)
            drawn.append(_means_of(matrix))
        for name, measure in (
            ("balanced_accuracy", "recall"),
            ("macro_precision", "precision"),
            ("weighted_precision", "precision"),
            ("weighted_f1", "f1"),
            ("macro_f1", "f1"),
            ("kappa", None),
            ("mcc", None),
        ):
            values = np.array([d[name] for d in drawn])
            self._bounds(name, values[np.isfinite(values)], measure)

    def _bounds(self, name, drawn, measure):
        """The range of each bound, from draws and from exact bounds; none without a value."""
        value = self.values[name]
        if value is None or len(drawn) < FEWEST:
            self.values |= {f"{name}.low": None, f"{name}.high": None}
            return
        is_weighted = name.startswith("weighted_")
        below, above = self._spread(measure, is_weighted) if measure else self._agreement()
        first, last = max(0.0, 0.025 - REACH), 0.025 + REACH
        low, high = np.quantile(drawn, [first, last]), np.quantile(drawn, [1 - last, 1 - first])
        self.values[f"{name}.low"] = tuple(max(-1.0, min(v, value - below)) for v in low)
        self.values[f"{name}.high"] = tuple(min(1.0, max(v, value + above)) for v in high)

    def _spread(self, measure, is_weighted):
        rows = [
            [self.values[f"class.{c}.{measure}{e}"] for e in ("", ".low", ".high")]
            + [(self.y == c).mean() if is_weighted else 1 / len(self.present)]
            for c in self.present
        ]
        kept = np.array([r for r in rows if r[0] is not None], float).reshape(-1, 4)
        weight = kept[:, 3]
        return (
            np.sqrt((weight**2 * (kept[:, 0] - kept[:, 1]) ** 2).sum()),
            np.sqrt((weight**2 * (kept[:, 2] - kept[:, 0]) ** 2).sum()),
        )

    def _agreement(self):
        chance = sum((self.y == c).mean() * (self.said == c).mean() for c in range(len(self.names)))
        value, low, high = (self.values[f"accuracy{e}"] for e in ("", ".low", ".high"))
        return (value - low) / (1 - chance), (high - value) / (1 - chance)

    def _worst(self, verdict):
        """The decision about each part of a verdict: its mildest if defective, else strictest."""
        rows = self.rows[self.rows["true_verdict"] == verdict]
        codes = rows["decision"].map(ORDER).groupby(rows["part"])
        return (codes.min() if verdict == "NOK" else codes.max()).to_numpy(int)

    def _decisions(self):
        if not self.rows["decision"].any():
            return
        nok, ok = self._worst("NOK"), self._worst("OK")
        zones = ("accepted", "person", "rejected")
        for kind, codes in (("ok", ok), ("nok", nok)):
            counts = np.bincount(codes, minlength=3)
            self.values |= {f"zone.{kind}.{z}": int(n) for z, n in zip(zones, counts, strict=True)}
        both = np.concatenate([ok, nok])
        for name, flags in (
            ("escape", nok == 0),
            ("overkill", ok == 2),
            ("automatic", both != 1),
            ("nok_to_person", nok == 1),
            ("ok_to_person", ok == 1),
        ):
            self._rate(name, int(flags.sum()), len(flags))
        for name in ("escape", "overkill"):
            k, n = self.values[f"{name}.k"], self.values[f"{name}.n"]
            upper = 1.0 if k == n else stats.beta.ppf(0.95, k + 1, n - k)
            self.values[f"{name}.upper"] = float(upper) if n else None
            self.values[f"{name}.best"] = 1 - 0.05 ** (1 / n) if n else None
        k, n = self.values["automatic.k"], self.values["automatic.n"]
        lower = stats.beta.ppf(0.05, k, n - k + 1) if k else 0.0
        self.values["automatic.lower"] = float(lower) if n else None
        self.values["ok_nok.left_out"] = int((self.rows["true_verdict"] == "").sum())
        verdict = self.rows["true_verdict"]
        bad = (verdict == "NOK")[verdict != ""]
        if 0 < bad.sum() < len(bad):
            self.values["ok_nok.roc_area"] = float(
                metrics.roc_auc_score(bad, self._nok_probability(self.p)[verdict != ""])
            )
        for rate in self.rule["defect_rates"]:
            self._line(rate)

    def _line(self, rate):
        """PPM at this defect rate; what a person decides wrongly counts, too."""
        key = f"line.{rate:g}"
        names = [f"{key}.{name}" for name in ("ppm", "ppm.low", "ppm.high", "true_rejects")]
        if self.values["escape"] is None or self.values["overkill"] is None:
            self.values |= dict.fromkeys(names)
            return
        seen, low, high = (self._errors(end) for end in ("", ".low", ".high"))
        ends = [ppm for ppm in (_ppm(rate, *low), _ppm(rate, *high)) if ppm is not None]
        ends = (min(ends), max(ends)) if ends else (None, None)
        found = (_ppm(rate, *seen), *ends, _truly_rejected(rate, *seen))
        self.values |= dict(zip(names, found, strict=True))

    def _errors(self, end):
        """Defective parts delivered and good ones thrown away, as seen or at a joint bound."""
        to_person = self.values["ok_to_person.k"] or self.values["nok_to_person.k"]
        has_zone = self.rule["accept_below"] != self.rule["reject_from"]
        looked_at = has_zone or self.rule["class_thresholds"] or to_person
        each = 1 - 0.05 / (4 if looked_at else 2)

        def rate(name):
            if not end:
                return self.values[name]
            return exact(self.values[f"{name}.k"], self.values[f"{name}.n"], each)[end == ".high"]

        escape, overkill = rate("escape"), rate("overkill")
        if looked_at:
            escape += rate("nok_to_person") * self.rule["person_escape"]
            overkill += rate("ok_to_person") * self.rule["person_overkill"]
        return min(1.0, escape), min(1.0, overkill)

    def _nok_probability(self, p):
        """Sum over the classes whose images are NOK; needs every class to have an image."""
        every = pd.concat([self.rows, self.validation])
        verdict = dict(zip(every["true_class"], every["true_verdict"], strict=True))
        columns = [i for cell, i in self.classes.items() if verdict.get(cell) == "NOK"]
        return p[:, columns].sum(axis=1)

    def wrong_decisions(self):
        """Whether the decisions of the table follow from the rule and the probabilities."""
        if not self.rule or self.rule["accept_below"] is None or self.rule["class_thresholds"]:
            return []
        every = pd.concat([self.rows, self.validation])
        if set(every["true_class"]) != set(self.classes):
            return []  # Why: what a class without images stands for is not in the table.
        nok = self._nok_probability(self.p)
        near = np.minimum(abs(nok - self.rule["accept_below"]), abs(nok - self.rule["reject_from"]))
        codes = (nok >= self.rule["accept_below"]).astype(int) + (nok >= self.rule["reject_from"])
        wrong = (codes != self.rows["decision"].map(ORDER)) & (near > 1e-6)
        return [f"decision of row {i} does not follow from the rule" for i in np.flatnonzero(wrong)]

    def _calibration(self):
        promised = self.p.max(axis=1).mean() - (self.y == self.said).mean()
        self.values |= {
            "calibration.ece": _ece(self.p, self.y),
            "calibration.overconfidence": float(promised),
        }
        if not len(self.validation):
            return
        p = self._matrix(self.validation)
        y = self.validation["true_class"].map(self.classes).to_numpy()
        temperature = self._temperature(p, y, self.validation["part"].to_numpy())
        after = None if temperature is None else _ece(_cooled(self.p, temperature), self.y)
        self.values |= {"calibration.temperature": temperature, "calibration.ece_after": after}

    @staticmethod
    def _temperature(p, y, parts):
        """The best temperature, if there are ten errors, no bound, and gain in five folds."""
        wrong = p.argmax(axis=1) != y
        fitted = _fitted_temperature(p, y)
        if wrong.sum() < 10 or not 0.0505 < fitted < 19.8:
            return None
        errors = pd.Series(wrong).groupby(parts).sum().sort_values(ascending=False, kind="stable")
        fold = pd.Series(np.arange(len(errors)) % 5, errors.index).loc[parts].to_numpy()
        gain = 0.0
        for number in np.unique(fold):
            kept, rest = fold != number, fold == number
            if kept.any():
                own = np.log(_fitted_temperature(p[kept], y[kept]))
                gain += (
                    _cooled_loss(p[rest], y[rest], 0) - _cooled_loss(p[rest], y[rest], own)
                ) * (rest.sum())
        return fitted if gain > 0 else None

    def _comparison(self):
        shared = self.rows[self.rows["other_class"] != ""]
        if not len(shared):
            return
        first = shared["other_class"] != shared["true_class"]
        second = shared["predicted_class"] != shared["true_class"]
        self._paired("classes", first, second, shared["part"])
        self.values |= {
            "compare.new_errors": _newly(first, second, shared["part"]),
            "compare.fixed_errors": _newly(second, first, shared["part"]),
        }
        if not shared["other_decision"].any():
            return
        for name, verdict, mistake in (
            ("escapes", "NOK", "accept"),
            ("false_rejects", "OK", "reject"),
        ):
            rows = shared[shared["true_verdict"] == verdict]
            before, after = rows["other_decision"] == mistake, rows["decision"] == mistake
            self._paired(name, before, after, rows["part"])
            self.values[f"compare.new_{name}"] = _newly(before, after, rows["part"])

    def _paired(self, name, first_wrong, second_wrong, part):
        first, second = ~first_wrong.groupby(part).any(), ~second_wrong.groupby(part).any()
        a, b = int((first & second).sum()), int((first & ~second).sum())
        c, d = int((~first & second).sum()), int((~first & ~second).sum())
        p = stats.binomtest(b, b + c).pvalue if b + c else 1.0
        n = a + b + c + d
        difference = ((c - b) / n, *_newcombe(a, c, b, d)) if n else (None, None, None)
        key = f"compare.{name}"
        self.values |= {
            f"{key}.n": n,
            f"{key}.both": a,
            f"{key}.only_first": b,
            f"{key}.only_second": c,
            f"{key}.neither": d,
            f"{key}.p": p,
            **dict(
                zip(
                    [f"{key}.difference{e}" for e in ("", ".low", ".high")], difference, strict=True
                )
            ),
        }


def _newly(before, after, part):
    """Images with the event, of parts that had none before."""
    return int((after & ~part.isin(set(part[before]))).sum())


def _ppm(rate, escape, overkill):
    passed = rate * escape + (1 - rate) * (1 - overkill)
    return 1e6 * rate * escape / passed if passed else None


def _truly_rejected(rate, escape, overkill):
    rejected = rate * (1 - escape) + (1 - rate) * overkill
    return rate * (1 - escape) / rejected if rejected else None


def _newcombe(a, b, c, d):
    """Difference of paired shares (a+b)/n - (a+c)/n: Newcombe 1998, method 10."""
    n = a + b + c + d
    (low1, high1), (low2, high2) = (
        stats.binomtest(k, n).proportion_ci(method="wilson") for k in (a + b, a + c)
    )
    scale = (a + b) * (c + d) * (a + c) * (b + d)
    cross = a * d - b * c
    cross = max(cross - n / 2, 0) if cross > 0 else cross
    phi = cross / np.sqrt(scale) if scale else 0.0
    p1, p2 = (a + b) / n, (a + c) / n
    down = np.sqrt((p1 - low1) ** 2 - 2 * phi * (p1 - low1) * (high2 - p2) + (high2 - p2) ** 2)
    up = np.sqrt((high1 - p1) ** 2 - 2 * phi * (high1 - p1) * (p2 - low2) + (p2 - low2) ** 2)
    return max(-1.0, p1 - p2 - down), min(1.0, p1 - p2 + up)


def _share_bounds(share, decisions):
    """The exact interval of a rate, for a share of so many decisions (Korn and Graubard 1998)."""
    events, others = share * decisions, (1 - share) * decisions
    low = stats.beta.ppf(0.025, events, others + 1) if events > 0 else 0.0
    return low, stats.beta.ppf(0.975, events + 1, others) if others > 0 else 1.0


def _roc_bounds(scores, positive, part):
    """Every positive against every negative; variance between parts (Obuchowski 1997)."""
    difference = scores[positive][:, None] - scores[~positive][None, :]
    won = (difference > 0) + (difference == 0) / 2
    area = won.mean()
    moved = np.empty(len(scores))
    moved[positive] = (won.mean(axis=1) - area) / positive.sum()
    moved[~positive] = (won.mean(axis=0) - area) / (~positive).sum()
    sums = pd.Series(moved).groupby(part).sum()
    variance = len(sums) / max(1, len(sums) - 1) * (sums**2).sum()
    scarcer = min(len(set(part[positive])), len(set(part[~positive])))
    decisions = scarcer
    if variance > NO_SPREAD and scarcer > 1:
        unsure = (stats.norm.ppf(0.975) / stats.t.ppf(0.975, scarcer - 1)) ** 2
        decisions = min(unsure * area * (1 - area) / variance, 3 * scarcer)
    return _share_bounds(area, decisions)


def _ece(p, y, bins=15):
    sure, right = p.max(axis=1), p.argmax(axis=1) == y
    at = np.clip((sure * bins).astype(int), 0, bins - 1)
    gaps = [abs(sure[at == b].sum() - right[at == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(y))


def _fitted_temperature(p, y):
    found = optimize.minimize_scalar(
        lambda log_temperature: _cooled_loss(p, y, log_temperature),
        bounds=(np.log(0.05), np.log(20)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def _cooled_loss(p, y, log_temperature):
    cooled = _cooled(p, np.exp(log_temperature))
    return -np.log(np.clip(cooled[np.arange(len(y)), y], 1e-12, 1)).mean()


def _cooled(p, temperature):
    scores = np.log(np.maximum(p, 1e-12)) / temperature
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _means_of(matrix):
    hits, support, said, n = np.diag(matrix), matrix.sum(1), matrix.sum(0), matrix.sum()
    here = support > 0
    cross = (support * said).sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(said > 0, hits / said, 0)
        return {
            "balanced_accuracy": (hits / support)[here].mean(),
            "macro_precision": precision[here].mean(),
            "macro_f1": (2 * hits / (support + said))[here].mean(),
            "weighted_precision": (precision * support).sum() / n,
            "weighted_f1": (2 * hits * support / np.maximum(support + said, 1)).sum() / n,
            "kappa": (hits.sum() / n - cross / n**2) / (1 - cross / n**2),
            "mcc": (hits.sum() * n - cross)
            / np.sqrt((n**2 - (said**2).sum()) * (n**2 - (support**2).sum())),
        }


if __name__ == "__main__":
    found = mismatches(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(found) or "Every number of the report follows from the table.")
    sys.exit(bool(found))
