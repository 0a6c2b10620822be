"""Lists of samples: filters, orders, pages."""

import random
from dataclasses import replace

import pytest

from core.domain.datasets import (
    Dataset,
    EditAction,
    Sample,
    SampleFilter,
    SampleOrder,
    SampleState,
    SampleStatus,
)
from core.domain.findings import (
    FeatureInsight,
    Finding,
    FindingKind,
    FindingStatus,
    QualityCheck,
    Severity,
)
from core.domain.splits import Split, SplitStrategy, Subset
from core.errors import NameTakenError
from core.store import datasets, quality, splits, versions
from core.store.database import connect, transaction

COUNT = 30


@pytest.fixture
def db(workspace):
    """Thirty samples with different values, the third excluded, one finding, one split."""
    chance = random.Random(3)
    samples = [
        Sample(
            0,
            f"/p/{n}",
            f"sha{n}",
            n % 3,
            chance.randint(8, 99),
            8,
            "L",
            9,
            group=f"Lot {n % 4}",
            name=f"{chance.randint(100, 999)}/Part_{n}.png",
            modified_at=None if n == 7 else chance.random(),
            sharpness=chance.random(),
            brightness=None if n == 9 else chance.random(),
        )
        for n in range(COUNT)
    ]
    dataset = Dataset("ds-1", "parts", ("a", "b", "c"), "/p", "-", COUNT, 1.0)
    split = Split("split-1", "ds-1", "s", SplitStrategy(), 7, (0.6, 0.2, 0.2), "-", 1.0)
    finding = Finding(FindingKind.NEAR_DUPLICATE, Severity.WARNING, "alike", (2, 5))
    with connect(workspace) as db:
        with transaction(db):
            datasets.insert_dataset(db, dataset, samples)
            states = {3: SampleState(2, None, SampleStatus.EXCLUDED)}
            versions.apply_edit(
                db, datasets.find_dataset(db, "ds-1"), EditAction.EXCLUDE, "-", states
            )
            subsets = {n: Subset.TRAIN if n < 20 else Subset.TEST for n in range(1, COUNT + 1)}
            splits.insert_split(db, split, subsets)
            quality.save_check(db, QualityCheck("ds-1", 2.0, (), 0, 0), [finding])
            quality.save_insights(db, [FeatureInsight(n, n / 100) for n in range(1, 11)])
        yield db


@pytest.mark.parametrize(
    ("chosen", "fits"),
    [
        (SampleFilter(), lambda s: True),
        (SampleFilter(label=1), lambda s: s.label == 1),
        (SampleFilter(split_id="split-1", subset=Subset.TEST), lambda s: s.id >= 20),
        (SampleFilter(finding=FindingKind.NEAR_DUPLICATE), lambda s: s.id in (2, 5)),
        (SampleFilter(finding=FindingKind.OUTLIER), lambda s: False),
        (SampleFilter(text="pART_1"), lambda s: "Part_1" in s.name),
        (SampleFilter(text="lot 2"), lambda s: s.group == "Lot 2"),
        (SampleFilter(text="%"), lambda s: False),
        (SampleFilter(ids=(4, 3, 9, 99)), lambda s: s.id in (4, 9)),
        (
            SampleFilter(label=1, split_id="split-1", subset=Subset.TRAIN, text="lot", ids=(2, 5)),
            lambda s: s.id in (2, 5),
        ),
    ],
)
def test_a_filter_lets_through_what_it_says_and_the_count_agrees(db, chosen, fits):
    everything = versions.samples_at(db, "ds-1")
    expected = [s.id for s in everything if fits(s)]
    assert [s.id for s in datasets.samples_of(db, "ds-1", chosen)] == expected
    assert datasets.count_samples(db, "ds-1", chosen) == len(expected)


def test_excluded_images_are_listed_when_they_are_asked_for(db):
    excluded = SampleFilter(status=SampleStatus.EXCLUDED)
    assert datasets.sample_ids(db, "ds-1", excluded) == [3]
    assert datasets.sample_ids(db, "ds-1", replace(excluded, label=0)) == []


KEYS = {
    SampleOrder.IMPORT: lambda s, _: s.id,
    SampleOrder.NAME: lambda s, _: s.name,
    SampleOrder.SIZE: lambda s, _: s.width * s.height,
    SampleOrder.DATE: lambda s, _: s.modified_at,
    SampleOrder.SHARPNESS: lambda s, _: s.sharpness,
    SampleOrder.BRIGHTNESS: lambda s, _: s.brightness,
    SampleOrder.CONFIDENCE: lambda s, known: known.get(s.id),
}


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", list(SampleOrder))
def test_every_order_sorts_with_unknown_values_last_and_pages_fit_together(db, order, descending):
    samples = versions.samples_at(db, "ds-1")
    known = {s.id: i.confidence for s in samples if (i := quality.insight_of(db, s.id))}
    valued = [s for s in samples if KEYS[order](s, known) is not None]
    unvalued = sorted(s.id for s in samples if KEYS[order](s, known) is None)
    valued.sort(key=lambda s: (KEYS[order](s, known), s.id), reverse=descending)
    expected = [s.id for s in valued] + sorted(unvalued, reverse=descending)
    found = []
    for offset in range(0, COUNT, 7):
        page = datasets.samples_of(
            db, "ds-1", order=order, descending=descending, limit=7, offset=offset
        )
        found += [s.id for s in page]
    assert found == expected


def test_an_ignored_finding_filters_no_more(db):
    finding = quality.list_findings(db, "ds-1", kind=FindingKind.NEAR_DUPLICATE)[0]
    with transaction(db):
        quality.decide_finding(db, "ds-1", finding, FindingStatus.IGNORED)
    assert datasets.sample_ids(db, "ds-1", SampleFilter(finding=FindingKind.NEAR_DUPLICATE)) == []


@pytest.mark.parametrize("typed", ["Prüfteile", "PRÜFTEILE", "Pru\u0308fteile", "prüfteile"])
def test_names_are_found_in_any_case_and_form(workspace, typed):
    # SQLite ignores the case of ASCII letters only.
    with connect(workspace) as db:
        for number, name in enumerate(("Prüfteile", "Pruefteile")):
            dataset = Dataset(f"ds-{number}", name, ("a", "b"), "/p", "-", 1, 1.0)
            sample = Sample(
                0, "/p/1", "sha", 0, 8, 8, "L", 9, name="gro\u0308ße/Ä 1.png", group="Öl"
            )
            datasets.insert_dataset(db, dataset, [sample])
        split = Split("split-1", "ds-0", typed, SplitStrategy(), 7, (0.6, 0.2, 0.2), "-", 1.0)
        splits.insert_split(db, split, {})
        assert datasets.find_dataset(db, typed).id == "ds-0"
        assert datasets.dataset_name_taken(db, typed)
        assert splits.find_split(db, "ds-0", "PRÜFTEILE").id == "split-1"
        with pytest.raises(NameTakenError):
            datasets.rename_dataset(db, "ds-1", typed)
        datasets.rename_dataset(db, "ds-0", typed)
        assert datasets.find_dataset(db, "ds-0").name == typed
        assert datasets.ids_of_names(db, "ds-0", ["Größe/ä 1.png", "x"]) == {
            "Größe/ä 1.png": [1],
            "x": [],
        }
        for text in ("grÖß", "öl"):
            assert datasets.count_samples(db, "ds-0", SampleFilter(text=text)) == 1
