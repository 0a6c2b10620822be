"""Every form that real image sets have, as trees of names."""

import pytest

from core.data.importing.listing import Listing, plan_import
from core.data.importing.plan import PlanChoiceKind
from core.data.importing.planner import plan_names
from core.data.importing.rules import ImportRules, TableRules, rules_as_dict, rules_from_dict
from core.data.importing.walk import SourceNames, list_names
from core.domain.datasets import LabelSource
from core.domain.splits import Subset
from core.errors import ConfigError, ImportSourceError
from tests.real_data import SHARED_DATA

REAL = SHARED_DATA


def _plan(names, rules=None, **options):
    return plan_names(SourceNames(tuple(sorted(names))), rules or ImportRules(**options))


def _numbered(*folders, count=2, suffix=".jpg"):
    return [f"{folder}/{i}{suffix}" for folder in folders for i in range(count)]


def _kinds(plan):
    return [decision.kind for decision in plan.decisions]


def _sentence(plan, kind):
    return next(d.sentence for d in plan.decisions if d.kind is kind)


@pytest.mark.parametrize("prefix", ["", "set/", "a/b c/images/"])
@pytest.mark.parametrize("words", [("train", "val", "test"), ("Train", "VALID", "Testing")])
def test_ready_subset_folders_are_kept_as_a_split(prefix, words):
    plan = _plan(_numbered(*(f"{prefix}{w}/{c}" for w in words for c in ("ok", "crack"))))
    assert plan.class_counts == {"crack": 6, "ok": 6}
    assert plan.subset_counts == dict.fromkeys(Subset, 4)
    assert "kept as the split 'as delivered'" in _sentence(plan, PlanChoiceKind.READY_SPLIT)


def test_a_ready_split_can_be_ignored():
    names = _numbered("train/a", "test/a", "train/b", "test/b")
    plan = _plan(names, keep_split=False)
    assert (plan.class_counts, plan.subset_counts) == ({"a": 4, "b": 4}, {})
    assert "not kept" in _sentence(plan, PlanChoiceKind.READY_SPLIT)


def test_of_images_that_are_added_a_ready_split_is_not_kept_and_that_is_said():
    # The preview said "kept", and the split was gone.
    names = tuple(_numbered("train/ok", "test/ok", "train/b", "test/b"))
    rules = ImportRules(
        LabelSource.TABLE,
        table=TableRules("\n".join(f"{name},{name[-7]},{name.split('/')[0]}" for name in names)),
    )
    for chosen, source in (
        (ImportRules(), "The folders train and test"),
        (rules, "The table states"),
    ):
        plan = plan_names(SourceNames(names), chosen, adding=True)
        assert plan.subset_counts == {}
        (said,) = [d for d in plan.decisions if d.kind is PlanChoiceKind.READY_SPLIT]
        assert source in said.sentence
        assert "It is not kept, because a split covers a whole dataset" in said.sentence
        assert (said.setting, PlanChoiceKind.OK_CLASSES in _kinds(plan)) == (None, False)


def test_a_ready_split_without_validation_or_with_a_class_missing_works_and_says_so():
    plan = _plan(_numbered("train/good", "test/good", "test/crack"))
    assert plan.subset_counts == {Subset.TRAIN: 2, Subset.TEST: 4}
    assert any("no validation images" in d.sentence for d in plan.decisions)


def test_subset_folders_may_lie_below_the_class_and_hold_a_generic_folder():
    plan = _plan(_numbered("crack/train/img", "crack/test/img", "ok/train/img", "ok/test/img"))
    assert plan.class_counts == {"crack": 4, "ok": 4}
    assert plan.subset_counts == {Subset.TRAIN: 4, Subset.TEST: 4}
    assert PlanChoiceKind.FOLDER_LEVEL in _kinds(plan)


def test_images_outside_the_subset_folders_are_in_no_subset():
    plan = _plan([*_numbered("train/a", "train/b", "test/a", "test/b"), "more/a/x.jpg"])
    assert plan.subset_counts == {Subset.TRAIN: 4, Subset.TEST: 4}
    assert any("1 image belongs to no subset" in d.sentence for d in plan.decisions)


def test_folders_called_train_and_test_without_classes_are_doubted():
    plan = _plan(_numbered("train", "test"))
    assert plan.class_counts == {"test": 2, "train": 2}
    assert PlanChoiceKind.SUBSET_CLASSES in _kinds(plan)
    named = _plan(
        [f"{s}/{c}_{i}.jpg" for s in ("train", "test") for c in "ab" for i in "12"],
        labels=LabelSource.FILE_NAME_REMOVE_INDEX,
    )
    assert named.class_counts == {"a": 4, "b": 4}
    assert named.subset_counts == {Subset.TRAIN: 4, Subset.TEST: 4}


def test_classes_that_are_vehicles_are_no_split():
    plan = _plan(_numbered("train", "bus", "tram"))
    assert (len(plan.class_counts), plan.subset_counts, plan.decisions) == (3, {}, ())


@pytest.mark.parametrize("last", ["Imgs", "images"])
def test_the_folder_above_is_taken_where_all_last_folders_are_called_alike(last):
    plan = _plan(_numbered(f"MT_Free/{last}", f"MT_Crack/{last}"))
    assert plan.class_counts == {"MT_Crack": 2, "MT_Free": 2}
    assert last in _sentence(plan, PlanChoiceKind.FOLDER_LEVEL)
    assert "further up" not in _sentence(plan, PlanChoiceKind.FOLDER_LEVEL)
    deeper = _plan(_numbered(f"ok/raw/{last}", f"nok/raw/{last}", "nok/raw/photos"))
    assert deeper.class_counts == {"nok": 4, "ok": 2}


def test_a_general_name_is_the_class_where_nothing_is_above_or_others_are_not_general():
    assert set(_plan(_numbered("images", "photos")).class_counts) == {"images", "photos"}
    assert set(_plan(_numbered("a/raw", "a/scratched")).class_counts) == {"raw", "scratched"}


def test_a_folder_level_counts_from_both_ends():
    names = _numbered("plant a/ok/cam 1", "plant b/nok/cam 2")
    assert set(_plan(names, labels=LabelSource.FOLDER_LEVEL, level=1).class_counts) == {
        "plant a",
        "plant b",
    }
    assert set(_plan(names, labels=LabelSource.FOLDER_LEVEL, level=-2).class_counts) == {
        "ok",
        "nok",
    }
    deep = _plan(names, labels=LabelSource.FOLDER_LEVEL, level=4)
    assert deep.skipped[0].reason == "The file is less than 4 folders deep."


def test_masks_and_annotations_beside_photographs_are_left_out_and_can_be_kept():
    names = [
        "a/1.jpg",
        "a/1.png",
        "a/1.json",
        "b/2.JPG",
        "b/2_mask.png",
        "b/2.xml",
        "b/3.png",
        "b/4.bmp",
        "b/4_GT.bmp",
    ]
    plan = _plan(names)
    assert {c.path for c in plan.candidates} == {"a/1.jpg", "b/2.JPG", "b/3.png", "b/4.bmp"}
    assert sum(d.count for d in plan.decisions if d.kind is PlanChoiceKind.COMPANIONS) == 5
    assert "It belongs to the image a/1.jpg." in {item.reason for item in plan.skipped}
    kept = _plan(names, keep_companions=True)
    assert len(kept.candidates) == 7
    assert all(
        "They are imported" in d.sentence
        for d in kept.decisions
        if d.kind is PlanChoiceKind.COMPANIONS
    )


def test_masks_in_folders_of_their_own_are_left_out():
    # The form of MVTec's anomaly sets, and of most segmentation sets.
    anomaly = [
        *_numbered("train/good", "test/good", "test/hole", suffix=".png"),
        "ground_truth/hole/0_mask.png",
        "ground_truth/hole/1_mask.png",
    ]
    plan = _plan(anomaly)
    assert plan.class_counts == {"good": 4, "hole": 2}
    assert plan.subset_counts == {Subset.TRAIN: 2, Subset.TEST: 4}
    assert plan.ok_classes == ("good",)
    beside = [*_numbered("ok/images", "bad/images"), *_numbered("bad/masks", suffix=".png")]
    assert _plan(beside).class_counts == {"bad": 2, "ok": 2}


def test_a_class_called_masks_with_the_same_numbers_is_no_companion():
    plan = _plan(_numbered("masks", "no masks"))
    assert plan.class_counts == {"masks": 2, "no masks": 2}
    assert not plan.decisions


def test_mixed_formats_with_names_of_their_own_are_all_images():
    plan = _plan(["a/1.jpg", "a/2.png", "b/1.png", "b/2.jpg", "b/3.jpeg", "b/3.jpg"])
    assert len(plan.candidates) == 6
    assert not plan.decisions


def test_what_a_table_names_is_no_companion():
    rules = ImportRules(LabelSource.TABLE, table=TableRules("a/1.png,x\na/1.jpg,y\na/2.jpg,y"))
    plan = _plan(["a/1.jpg", "a/1.png", "a/2.jpg", "a/2.png"], rules)
    assert {c.path for c in plan.candidates} == {"a/1.jpg", "a/1.png", "a/2.jpg"}


@pytest.mark.parametrize(
    ("folder", "classes", "images"), [("x_sdd", 7, 1360), ("magnetic_tile", 6, 1344)]
)
def test_nothing_of_real_sets_is_taken_for_a_companion(folder, classes, images):
    if not (REAL / folder).is_dir():
        pytest.skip("the real images are not on this machine")
    plan = plan_import(REAL / folder, ImportRules())
    assert (len(plan.class_counts), len(plan.candidates)) == (classes, images)
    assert PlanChoiceKind.COMPANIONS not in _kinds(plan)
    assert plan.ok_classes == (("MT_Free",) if folder == "magnetic_tile" else ())


def test_a_table_gives_split_group_and_attributes_and_says_how_it_was_read():
    text = "\n".join(
        [
            "path label part set camera",
            "a/1 0 p1 train left",
            "a/2.png 1 p1 test left",
            "3.jpg 1 p2 val right",
            "gone.jpg 1 p2 val right",
        ]
    )
    rules = ImportRules(LabelSource.TABLE, table=TableRules(text))
    plan = _plan(["a/1.jpg", "a/2.jpg", "deep/3.jpg", "4.jpg"], rules)
    first = plan.candidates[0]
    assert (first.path, first.label, first.group, first.subset) == (
        "a/1.jpg",
        "0",
        "p1",
        Subset.TRAIN,
    )
    assert first.attributes == (("camera", "left"),)
    assert plan.subset_counts == dict.fromkeys(Subset, 1)
    assert "kept as attributes: camera" in _sentence(plan, PlanChoiceKind.TABLE)
    assert PlanChoiceKind.NUMBER_LABELS in _kinds(plan)
    assert [d.count for d in plan.decisions if d.kind is PlanChoiceKind.TABLE_MATCH] == [2, 1]
    reasons = {item.path: item.reason for item in plan.skipped}
    assert reasons == {
        "4.jpg": "The table has no label for this file.",
        "gone.jpg": "The table lists it, but there is no such file.",
    }


def test_what_is_no_part_of_a_table_is_said_and_listed():
    text = "# line 4\npath,label\n1.png,ok\n2.png,bad\ntotal 2"
    plan = _plan(["1.png", "2.png"], ImportRules(LabelSource.TABLE, table=TableRules(text)))
    assert plan.class_counts == {"bad": 1, "ok": 1}
    assert [(i.path, i.reason) for i in plan.skipped] == [
        ("line 5 of the table", "It has too few columns: total 2")
    ]
    assert "1 comment line above the table" in _sentence(plan, PlanChoiceKind.TABLE)
    assert "1 line with too few columns at the end" in _sentence(plan, PlanChoiceKind.TABLE)


def test_a_label_column_is_never_guessed_silently():
    text = "path,camera,outcome\n1.png,a,x\n2.png,a,y\n3.png,b,x\n4.png,b,y"
    names = [f"{i}.png" for i in range(1, 5)]
    with pytest.raises(ImportSourceError, match="camera, outcome"):
        _plan(names, ImportRules(LabelSource.TABLE, table=TableRules(text)))
    guessed = TableRules(text, label_column="camera", label_guessed=True)
    plan = _plan(names, ImportRules(LabelSource.TABLE, table=guessed))
    assert "'camera' was chosen" in _sentence(plan, PlanChoiceKind.LABEL_COLUMN)
    said = TableRules(text, label_column="camera")
    plan = _plan(names, ImportRules(LabelSource.TABLE, table=said))
    assert PlanChoiceKind.LABEL_COLUMN not in _kinds(plan)


def test_the_class_that_sounds_good_is_proposed_and_can_be_changed():
    names = _numbered("free", "crack", "hole")
    plan = _plan(names)
    assert plan.ok_classes == ("free",)
    assert "The class 'free' counts as OK because of its name" in _sentence(
        plan, PlanChoiceKind.OK_CLASSES
    )
    assert _plan(names, ok_classes=()).ok_classes == ()
    assert _plan(names, ok_classes=("hole",)).ok_classes == ("hole",)
    assert _plan(names, leave_out=("free",)).ok_classes == ()
    with pytest.raises(ConfigError, match="there is no such class"):
        _plan(names, ok_classes=("dent",))


def test_the_preview_shows_some_names_from_everywhere_also_where_nothing_fits():
    names = _numbered(*(f"class {i}" for i in range(10)), count=30)
    rows = _plan(names, labels=LabelSource.PATTERN, pattern=r"(?P<label>class \d)/\d\.").preview
    assert len(rows) == 20
    assert len({row.name.split("/")[0] for row in rows}) == 10
    assert {row.label for row in rows} > {None, "class 1"}
    assert all((row.label is None) == (row.reason is not None) for row in rows)
    hidden_masks = _plan(["a/1.jpg", "a/1.png", "b/2.jpg", "b/2.png", "b/x.txt"]).preview
    assert [row.name for row in hidden_masks] == ["a/1.jpg", "b/2.jpg"]
    nothing = _plan(names, labels=LabelSource.PATTERN, pattern="(?P<label>zzz)").preview
    assert {row.reason for row in nothing} == {"The pattern does not match."}


def test_rules_travel_to_the_worker_unchanged():
    table = TableRules("a,b", class_map=(("0", "ok"),), bins=(0.5,), bin_names=("a", "b"))
    for rules in (
        ImportRules(),
        ImportRules(LabelSource.PATTERN, pattern="(?P<label>x)", leave_out=("a", "b")),
        ImportRules(LabelSource.TABLE, table=table, ok_classes=(), keep_split=False),
    ):
        assert rules_from_dict(rules_as_dict(rules)) == rules
    with pytest.raises(ConfigError, match="cannot be read"):
        rules_from_dict({**rules_as_dict(ImportRules()), "magic": 1})
    with pytest.raises(ConfigError, match="no folder level 0"):
        ImportRules(level=0)


def test_names_are_listed_in_the_background_and_errors_reach_who_asks(class_folders, tmp_path):
    (class_folders / ".DS_Store").write_bytes(b"x")
    listing = Listing(class_folders)
    assert listing.wait(20)
    assert listing.names() == list_names(class_folders)
    assert (len(listing.names().names), listing.names().hidden) == (18, 1)
    with pytest.raises(ImportSourceError, match="does not exist"):
        Listing(tmp_path / "nowhere").names()
