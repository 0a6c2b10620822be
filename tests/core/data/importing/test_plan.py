"""Every form that real image sets have, as trees of names."""

import pytest

from core.data.importing.labels import labels_in
from core.data.importing.listing import Listing, plan_import
from core.data.importing.plan import PlanChoiceKind, refuse_empty_import, refuse_open_questions
from core.data.importing.planner import plan_names
from core.data.importing.rules import (
    CombinedLabels,
    DecimalMark,
    ImportRules,
    TableKind,
    TableRules,
    rules_as_dict,
    rules_from_dict,
)
from core.data.importing.tables.table import read_table
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


def test_images_in_no_class_folder_are_counted_and_can_be_one_class():
    names = ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    plan = _plan(names)
    assert (plan.flat, plan.candidates) == (4, ())
    with pytest.raises(ImportSourceError, match="directly in crack, not in class") as caught:
        refuse_empty_import("crack", plan)
    assert "--one-class NAME" in caught.value.hint
    one = _plan(names, labels=LabelSource.ONE_CLASS, class_name="crack")
    assert (one.flat, one.class_counts) == (0, {"crack": 4})
    assert "folder above" not in _sentence(one, PlanChoiceKind.ONE_CLASS)
    assert _plan(names, labels=LabelSource.ONE_CLASS, class_name=" ").candidates == ()
    assert _plan(_numbered("a", "b")).flat == 0


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
        ImportRules(
            LabelSource.TABLE,
            table=TableRules("a,b", kind=TableKind.EXCEL, decimal=DecimalMark.COMMA, sheet="S"),
            combined=CombinedLabels.FIRST,
            zip_encoding="cp932",
        ),
    ):
        assert rules_from_dict(rules_as_dict(rules)) == rules
    stored = rules_as_dict(ImportRules(LabelSource.TABLE, table=table))
    for new in ("combined", "zip_encoding"):  # jobs that an earlier version queued
        del stored[new]
    for new in ("kind", "encoding", "encoding_guessed", "sheet", "decimal"):
        del stored["table"][new]
    assert rules_from_dict(stored) == ImportRules(LabelSource.TABLE, table=table)
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


@pytest.mark.parametrize(
    ("words", "subsets"),
    [
        (("training_set", "test_set"), (Subset.TRAIN, Subset.TEST)),
        (("train_data", "dev_data"), (Subset.TRAIN, Subset.VALIDATION)),
        (("Train-Images", "Validation Images"), (Subset.TRAIN, Subset.VALIDATION)),
        (("trainset", "testset"), (Subset.TRAIN, Subset.TEST)),
        (("train2017", "val2017"), (Subset.TRAIN, Subset.VALIDATION)),
        (("01_train", "02_test"), (Subset.TRAIN, Subset.TEST)),
    ],
)
def test_subset_folders_have_many_names(words, subsets):
    # `training_set` and `test_set` used to be ignored, and their split was lost.
    plan = _plan(_numbered(*(f"{word}/{c}" for word in words for c in ("ok", "crack"))))
    assert plan.class_counts == {"crack": 4, "ok": 4}
    assert plan.subset_counts == dict.fromkeys(subsets, 4)
    assert words[0] in _sentence(plan, PlanChoiceKind.READY_SPLIT)


def test_folders_that_only_begin_like_a_subset_are_none():
    names = _numbered("trained/ok", "testimony/ok", "trained/bad", "testimony/bad")
    assert _plan(names).subset_counts == {}


def test_a_split_that_cannot_be_learned_from_says_so_at_import():
    # Training refused it later, with a wrong cause.
    plan = _plan(_numbered("train/good", "test/good", "test/crack", "val/crack", "val/good"))
    said = [d.sentence for d in plan.decisions if d.kind is PlanChoiceKind.READY_SPLIT]
    assert any("'crack' has no training images" in words for words in said)
    assert any(
        "All training images of the delivered split have the class 'good'" in w for w in said
    )
    fine = _plan(_numbered(*(f"{s}/{c}" for s in ("train", "val", "test") for c in "ab")))
    assert len([d for d in fine.decisions if d.kind is PlanChoiceKind.READY_SPLIT]) == 1


@pytest.mark.parametrize(
    ("name", "others", "parts"),
    [
        ("crack|stain", (), ("crack", "stain")),
        ("a; b", (), ("a", "b")),
        ("crack, stain", ("crack",), ("crack", "stain")),
        ("Crack+dent", ("crack",), ("Crack", "dent")),
        ("good, clean", ("bad",), ("good, clean",)),
        ("rolled-in scale", ("scale",), ("rolled-in scale",)),
        ("|", (), ("|",)),
    ],
)
def test_some_class_names_look_like_several_labels(name, others, parts):
    assert labels_in(name, [name, *others]) == parts


@pytest.mark.parametrize(
    ("combined", "counts"),
    [
        (None, {"crack": 2, "crack|stain": 1, "ok": 2}),
        (CombinedLabels.KEEP, {"crack": 2, "crack|stain": 1, "ok": 2}),
        (CombinedLabels.FIRST, {"crack": 3, "ok": 2}),
        (CombinedLabels.LEAVE_OUT, {"crack": 2, "ok": 2}),
    ],
)
def test_what_looks_like_two_labels_is_asked_about(combined, counts):
    # It became a class of its own without a word.
    names = [f"{i}.png" for i in range(5)]
    labels = ["crack", "ok", "Crack|stain", "ok", "crack"]
    text = "\n".join(f"{n},{c}" for n, c in zip(names, labels, strict=True))
    rules = ImportRules(LabelSource.TABLE, table=TableRules(text), combined=combined)
    plan = _plan(names, rules)
    assert {name.lower(): n for name, n in plan.class_counts.items()} == counts
    assert plan.combined == (() if combined else ("Crack|stain",))
    said = _sentence(plan, PlanChoiceKind.COMBINED_LABELS)
    assert "'Crack|stain'" in said
    if combined is None:
        with pytest.raises(ImportSourceError, match=r"Crack\|stain") as caught:
            refuse_open_questions(plan)
        assert "--combined" in caught.value.hint
    else:
        refuse_open_questions(plan)


@pytest.mark.parametrize(
    ("names", "options", "hint"),
    [
        ([f"{c}_{i}.png" for c in ("ok", "crack") for i in range(9)], {}, "file_name_remove_index"),
        ([f"{c}/{i}{c}.png" for c in ("ok", "bad") for i in range(9)], {}, "--labels last_folder"),
        (
            [f"P{i}_{c}_{i}.png" for i, c in enumerate(["ok", "bad"] * 9)],
            {},
            r"--pattern '(?:^|/)(?:[^/_]*_){1}(?P<label>[^/_.]+)[^/]*$'",
        ),
        (
            [f"ok/{i}.png" for i in range(9)] + [f"bad/{i + 50}.png" for i in range(9)],
            {"labels": LabelSource.PATTERN, "pattern": r"(?P<label>\d+)\."},
            "--labels last_folder",
        ),
        ([f"{i}x.png" for i in range(9)], {}, "--pattern"),
    ],
)
def test_a_rule_that_makes_a_class_of_every_image_names_one_that_works(names, options, hint):
    # 1,344 classes with one image each were stored.
    plan = _plan(names, **({"labels": LabelSource.FILE_NAME} | options))
    with pytest.raises(ImportSourceError, match="a class of its own") as caught:
        refuse_empty_import("set", plan)
    assert hint in caught.value.hint
    if "(?P<label>[^/_.]+)" in hint:  # the pattern that is named works
        pattern = hint.removeprefix("--pattern ").strip("'")
        better = _plan(names, labels=LabelSource.PATTERN, pattern=pattern)
        assert better.class_counts == {"bad": 9, "ok": 9}


def test_a_label_column_that_makes_a_class_of_every_image_names_a_better_one():
    text = "path,serial,state\n" + "\n".join(f"{i}.png,S{i},{'ab'[i % 2]}" for i in range(10))
    rules = ImportRules(LabelSource.TABLE, table=TableRules(text, label_column="serial"))
    plan = _plan([f"{i}.png" for i in range(10)], rules)
    assert "--label-column 'state'" in plan.suggestion


def test_names_of_classes_are_typed_in_any_case():
    names = _numbered("Größe falsch", "Crack", "hole")
    plan = _plan(names, ok_classes=("GRÖSSE FALSCH",), leave_out=("CRACK",))
    assert plan.ok_classes == ("Größe falsch",)
    assert plan.class_counts == {"Größe falsch": 2, "hole": 2}
    with pytest.raises(ConfigError, match="'dent' cannot be left out"):
        _plan(names, leave_out=("dent",))


def test_classes_of_the_dataset_are_known_in_any_case_and_alike_ones_are_said():
    names = SourceNames(tuple(_numbered("CRACK", "hole")))
    plan = plan_names(names, ImportRules(), adding=True, known_classes=("Crack", "ok"))
    assert plan.class_counts == {"Crack": 2, "hole": 2}
    alike = _plan(_numbered("crack", "Crack", "ok"))
    assert len(alike.class_counts) == 3
    assert "'Crack' and 'crack' differ only in" in _sentence(alike, PlanChoiceKind.CLASS_SPELLINGS)


MVTEC = [
    *_numbered("bottle/train/good", count=4, suffix=".png"),
    *_numbered("bottle/test/good", "bottle/test/broken", suffix=".png"),
    "bottle/ground_truth/broken/0_mask.png",
    "bottle/ground_truth/broken/1_mask.png",
    "bottle/license.txt",
]
FIFTYONE = "filepath,tags,ground_truth.label\n" + "".join(
    f"/home/ann/fiftyone/parts/data/{c}/{i}.jpg,,{c}\n" for c in ("ok", "bad") for i in range(2)
)
LABELBOX = "ID,Data Row ID,External ID,Labeled Data,Label,Created By\n" + "".join(
    f"x{c}{i},y,{c}/{i}.jpg,https://storage/{i}?sig=1,{c},ann\n"
    for c in ("ok", "bad")
    for i in "01"
)
ROBOFLOW = "filename, bad, ok\n" + "".join(
    f"{c}_{i}_jpg.rf.0a1b.jpg, {int(c == 'bad')}, {int(c == 'ok')}\n"
    for c in ("ok", "bad")
    for i in "01"
)
PARTS = _numbered("ok", "bad")


def test_the_layout_of_anomaly_sets_is_read_and_its_split_judged():
    plan = _plan(MVTEC)
    assert plan.class_counts == {"broken": 2, "good": 6}
    assert any("All training images" in d.sentence for d in plan.decisions)
    assert {item.path for item in plan.skipped} == set(MVTEC[-3:])


@pytest.mark.parametrize("text", [FIFTYONE, LABELBOX], ids=["fiftyone", "labelbox"])
def test_tables_of_labeling_programs_are_read(text):
    plan = _plan(PARTS, ImportRules(LabelSource.TABLE, table=TableRules(text)))
    assert plan.class_counts == {"bad": 2, "ok": 2}


def test_a_table_with_a_column_per_class_says_what_to_do():
    names = ["ok_0_jpg.rf.0a1b.jpg", "bad_0_jpg.rf.0a1b.jpg"]
    with pytest.raises(ImportSourceError, match="2 columns of 0 and 1"):
        _plan(names, ImportRules(LabelSource.TABLE, table=TableRules(ROBOFLOW)))
    flags = TableRules(ROBOFLOW, label_column="*")
    plan = _plan([*names, "ok_1_jpg.rf.0a1b.jpg"], ImportRules(LabelSource.TABLE, table=flags))
    assert plan.class_counts == {"bad": 1, "ok": 2}
    assert all(item.attributes == () for item in plan.candidates)
    both = TableRules("file,a,b\n1.png,1,1\n2.png,0,0\n3.png,0,1", label_column="*")
    plan = _plan([f"{i}.png" for i in (1, 2, 3)], ImportRules(LabelSource.TABLE, table=both))
    assert (plan.class_counts, plan.combined) == ({"a|b": 1, "b": 1}, ("a|b",))
    with pytest.raises(ConfigError, match="no columns of 0 and 1"):
        read_table(TableRules("file,label\n1.png,x\n2.png,y", label_column="*"))


def test_folders_of_lots_inside_of_classes_keep_the_class_by_level():
    names = _numbered("ok/lot1", "ok/lot2", "bad/lot1", "bad/lot2")
    assert set(_plan(names, labels=LabelSource.FOLDER_LEVEL, level=1).class_counts) == {"ok", "bad"}


def test_of_one_class_a_level_of_folders_that_look_like_classes_is_named():
    names = _numbered(*(f"{a}/{b}/{c}/x" for a in "LM" for b in "AB" for c in ("good", "crack")))
    plan = _plan(names)
    assert (set(plan.class_counts), plan.class_level) == ({"x"}, 3)
    sentence = _sentence(plan, PlanChoiceKind.CLASS_LEVEL)
    assert "The folders 'crack' and 'good' on level 3 look like classes." in sentence
    assert "--level 3" in sentence
    assert "folder above" not in _sentence(plan, PlanChoiceKind.ONE_CLASS)
    chosen = _plan(names, labels=LabelSource.FOLDER_LEVEL, level=3)
    assert set(chosen.class_counts) == {"crack", "good"}
    assert chosen.class_level is None
    wrong = _plan(names, labels=LabelSource.FOLDER_LEVEL, level=4)
    assert wrong.class_level == 3


@pytest.mark.parametrize(
    ("folders", "level"),
    [
        (["crack/x", "dent/x"], 1),  # no name says good: the deepest level
        (["p/good/x", "a/b/crack/x"], -2),  # of different depth
        (["good"], None),
        (["line 1/good", "line 2/good"], None),  # good images of two lines
        (["2024/x", "2025/x"], None),
        (["train/good/x", "test/good/x"], None),
        (["train/good/x", "train/crack/x", "test/good/x", "test/crack/x"], 2),
    ],
)
def test_only_folders_that_can_be_classes_are_named(folders, level):
    plan = _plan(_numbered(*folders, count=4))
    assert len(plan.class_counts) == 1
    assert plan.class_level == level
    if level is not None:
        assert (
            len(
                _plan(
                    _numbered(*folders, count=4), labels=LabelSource.FOLDER_LEVEL, level=level
                ).class_counts
            )
            == 2
        )


def test_images_that_are_added_to_a_class_need_no_other_level():
    names = SourceNames(tuple(_numbered("a/good/x", "a/crack/x")))
    added = plan_names(names, ImportRules(), adding=True, known_classes=["x", "y"])
    assert added.class_level is None
    assert plan_names(names, ImportRules(), adding=True, known_classes=["y"]).class_level == 2
