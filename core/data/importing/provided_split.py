"""The split that came with a source: kept as it is, with a certificate of what leaks."""

from collections.abc import Mapping, Sequence

from core.data.split import count_across, split_digest
from core.domain.datasets import Sample
from core.domain.ids import new_id, utc_now
from core.domain.splits import LeakCertificate, Split, SplitMethod, SplitStrategy, Subset

NAME = "as delivered"


def delivered_split(
    dataset_id: str, samples: Sequence[Sample], subsets: Mapping[int, Subset], *, version: int = 1
) -> Split:
    """A split by what folders or a table said; look-alikes are unknown until somebody looks.

    Args:
        dataset_id: whose split it is.
        samples: of the dataset, stored; groups count where they are known.
        subsets: sample id -> subset; a sample may have none.
        version: of the dataset.
    """
    members = [sample for sample in samples if sample.id in subsets]
    digest = split_digest(subsets, members)
    has_groups = any(sample.group for sample in members)
    groups = {s.id: s.group or f"sample {s.id}" for s in members}
    certificate = LeakCertificate(
        groups_across=count_across(subsets, groups) if has_groups else None,
        exact_across=count_across(subsets, {s.id: s.sha256 for s in members}),
        near_across=None,
        seed=0,
        digest=digest,
    )
    sizes = [sum(subset is one for subset in subsets.values()) for one in Subset]
    total = max(1, sum(sizes))
    return Split(
        id=new_id("split"),
        dataset_id=dataset_id,
        name=NAME,
        strategy=SplitStrategy(SplitMethod.PROVIDED),
        seed=0,
        fractions=(sizes[0] / total, sizes[1] / total, sizes[2] / total),
        digest=digest,
        created_at=utc_now(),
        certificate=certificate,
        version=version,
    )
