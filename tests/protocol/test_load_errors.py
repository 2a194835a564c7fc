"""Bad protocol files: one `ProtocolError` each, at its line and column, that says how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.errors import ProtocolError
from rigorkd.protocol.load import Protocol, load_protocol

Load = Callable[..., Protocol]

GRID = "    kd: {T: [1, 4], alpha: [0.1, 0.5]}"
TEACHER = "teacher: {model: {name: cnn, channels: [16, 32]}}"
BASELINE = "    baseline: true"

# (text replaced, by what, line, column or None, part of the message, part of the hint)
PAIR = "[main/small/kd-T1-a0.1, main/small/kd-T4-a0.1]"
WEIGHTS = "{weights: {main/small/kd-T1-a0.1: 0, main/small/kd-T4-a0.1: 0}}"

CASES = [
    # values of the wrong kind
    ("rigorkd: 1", "rigorkd: true", 1, 10, "rigorkd must be 1, not true", ""),
    ("name: digits", "name: null", 3, 11, "name has no value", ""),
    ("name: digits", "name: [digits]", 3, 17, "dataset must be text, not a list", ""),
    (
        "model: {name: cnn, channels: [16, 32]}",
        'model: {name: "nets:net", args: {width: [5, 10]}}',
        9,
        None,
        "width must be text, a number, or true or false, not a list",
        "give each value a key of its own",
    ),
    ("seed: 7", "seed: per_sed", 3, None, "a whole number or per_seed, not the text", "'per_seed'"),
    # how much there is
    ("lr: 1e-3", "lr: 1e-3, betas: [0.9]", 5, 45, "betas needs 2 values", ""),
    ("lr: 1e-3", "lr: 1e-3, betas: [0.9, 0.9, 0.9]", 5, None, "takes at most 2 values, but has 3", ""),
    ("study: tiny", f"study: {'x' * 101}", 2, 8, "at most 100 characters, but has 101", ""),
    ("study: tiny", "study: tiny.smoke", 2, 8, "cannot end in '.smoke'", "--smoke"),
    ("epochs: 4", "epochs: 4\n  clip_norm: 0", 9, None, "clip_norm must be greater than 0", ""),
    # nothing to learn, nothing to compare
    ("alpha: [0.1, 0.5]", "ce_weight: 0, kd_weight: 0", 16, None, "nothing would be learned", ""),
    ("seeds: 3", f"analysis: {{contrasts: [{WEIGHTS}]}}", 17, None, "all 0", ""),
    ("seeds: 3", f"analysis: {{contrasts: [{PAIR}, {PAIR}]}}", 17, 72, "there twice", "remove"),
    (
        "seeds: 3",
        "analysis: {contrasts: [{name: a, pair: [main/small/baseline, teacher]},"
        f" {{name: a, pair: {PAIR}}}]}}",
        17,
        None,
        "two contrasts are named 'a'",
        "rename",
    ),
    (
        "seeds: 3",
        "analysis: {contrasts: [{name: 5, pair: [a, b]}]}",
        17,
        None,
        "name must be text, not 5",
        "",
    ),
    # questions and tests that cannot be
    (
        "seeds: 3",
        "analysis: {primary: main/small/kd-T1}",
        17,
        21,
        "unknown cell 'main/small/kd-T1'",
        "kd-T1-",
    ),
    (
        "seeds: 3",
        "analysis: {primary: main/small/baseline}",
        17,
        21,
        "does not distil",
        "analysis.contrasts:",
    ),
    (
        "seeds: 3",
        "analysis: {primary: main/small/kd-T1}",
        17,
        21,
        "unknown cell",
        "its gain over its baseline",
    ),
    ("seeds: 3", "analysis: {primary: [a, b]}", 17, 21, "two cells are compared under analysis.contr", ""),
    ("seeds: 3", "analysis: {primary: {pair: [a, b]}}", 17, None, "and asks for its gain over its bas", ""),
    (
        "seeds: 3",
        "seeds: 2\nanalysis: {test: moderated}",
        18,
        18,
        "or more, and 2 seeds are complete",
        "plan more seeds",
    ),
    ("seeds: 3", "analysis: {looks: [8, 5]}", 17, None, "no planned interim analyses", ""),
    ("seeds: 3", "analysis: {looks: [5, 8], test: moderated}", 17, None, "looks are for the paired test", ""),
    # what a cell's name calls a parameter
    (GRID, "    dkd: {tckd: 2}", 16, 11, "unknown key 'tckd'", "names of cells call 'a'"),
    # keys
    ("epochs: 4", "epoch: 4", 8, 3, "unknown key 'epoch'", "did you mean 'epochs'"),
    ("epochs: 4", "epochs: 4\n  epochs: 5", 9, 3, "duplicate key 'epochs', first on line 8", "keep one"),
    ("name: digits", "nmae: digits", 3, 11, "unknown key 'nmae'", "'name'"),
    ("rigorkd: 1\n", "", 1, 1, "the key 'rigorkd' is missing", ""),
    (GRID, "    kdd: true", 16, 5, "unknown key 'kdd'", "did you mean 'kd'"),
    ("alpha: [0.1", "alfa: [0.1", 16, 21, "unknown key 'alfa'", "did you mean 'alpha'"),
    (BASELINE, "    baseline: {T: 4}", 15, 16, "unknown key 'T'", "lr"),
    (BASELINE, "    views: {trian: []}\n    baseline: true", 15, 13, "unknown key 'trian'", "'train'"),
    # types and limits
    ("epochs: 4", "epochs: 0", 8, 11, "epochs must be at least 1, not 0", ""),
    ("epochs: 4", "epochs: four", 8, 11, "epochs must be a whole number, not the text 'four'", ""),
    ("epochs: 4", "epochs: 4.5", 8, 11, "epochs must be a whole number, not 4.5", ""),
    ("epochs: 4", "epochs:", 8, 3, "epochs has no value", ""),
    ("epochs: 4", "epochs: yes", 8, 11, "epochs must be a whole number, not the text 'yes'", ""),
    ("epochs: 4", "epochs: true", 8, 11, "epochs must be a whole number, not true", ""),
    ("lr: 1e-3", "lr: -1e-3", 5, 32, "lr must be greater than 0, not -0.001", ""),
    ("lr: 1e-3", "lr: '1e-3'", 5, 32, "lr must be a number, not the text", ""),
    ("lr: 1e-3", "lr: .inf", 5, 32, "not finite", ""),
    ("lr: 1e-3", "lr: 1e999", 5, 32, "not finite", ""),
    ("T: [1, 4]", "T: [1, 0]", 16, 17, "T must be greater than 0, not 0", ""),
    ("T: [1, 4]", "T: -2", 16, 13, "T must be greater than 0, not -2", ""),
    ("T: [1, 4]", "T: []", 16, 13, "the list is empty", "at least one"),
    ("alpha: [0.1, 0.5]", "alpha: [0.1, 1.5]", 16, 34, "alpha must be at most 1, not 1.5", ""),
    ("alpha: [0.1, 0.5]", "alpha: -0.1", 16, 28, "alpha must be at least 0, not -0.1", ""),
    ("alpha: [0.1, 0.5]", "alpha: 0.5, kd_weight: 1", 16, 9, "not both", ""),
    ("alpha: [0.1, 0.5]", "ce_weight: 1", 16, 9, "give both ce_weight and kd_weight", ""),
    ("T: [1, 4]", "T: {linear: [4, -1]}", 16, 13, "greater than 0 over the whole ramp", ""),
    ("alpha: [0.1, 0.5]", "alpha: {cosine: [0, 2]}", 16, 28, "between 0 and 1", ""),
    ("T: [1, 4]", "T: {step: {at: [1, 3], values: [4]}}", 16, 20, "at has 2 entries", ""),
    ("T: [1, 4]", "T: {step: {at: [2, 3], values: [4, 1]}}", 16, 20, "start at epoch 1", ""),
    ("cosine", "{name: cosine, min_lr: 1}", 6, 36, "min_lr 1 is above the learning rate 0.001", ""),
    ("cosine", "{name: cosine, warmup_epochs: 4}", 6, 43, "4 warm-up epochs", ""),
    ("study: tiny", "study: Tiny Study", 2, 8, "not a name", "lower-case"),
    ("main:", "Main:", 14, 3, "not a name", "lower-case"),
    ("main:", "start:", 14, 3, "cannot be named 'start'", "rename"),
    # names of things
    ("digits", "digit", 3, 17, "unknown data set 'digit'", "did you mean 'digits'"),
    ("adamw", "adamv", 5, 21, "unknown optimizer 'adamv'", "did you mean"),
    ("cosine", "cosin", 6, 13, "unknown schedule 'cosin'", "did you mean 'cosine'"),
    ("cosine", "{name: MultiStepLR, milestones: [1]}", 6, None, "unknown schedule 'MultiStepLR'", "'step'"),
    ("cosine", "poly", 6, 13, "unknown schedule 'poly'", "did you mean 'polynomial'"),
    ("cosine", "multistep", 6, 13, "the key 'at' is missing", ""),
    (TEACHER, "teacher: {model: resnet81}", 9, 18, "unknown model 'resnet81'", "did you mean 'resnet8'"),
    (TEACHER, "teacher: {model: cnn, start: imagenet1k_v1}", 9, 30, "has no weights", "random"),
    (TEACHER, "teacher: {model: resnet18, start: imagenet1k_v2}", 9, 35, "has no weights", "imagenet1k_v1"),
    (TEACHER, "teacher: {model: resnet18, channels: [8]}", 9, 28, "unknown key 'channels'", ""),
    (TEACHER, "teacher: {model: {name: resnet18, hidden: 8}}", 9, None, "hidden shapes the model 'cnn'", ""),
    (BASELINE, "    students: [smal]\n    baseline: true", 15, 16, "unknown student 'smal'", "'small'"),
    (BASELINE, "    teacher: r50\n    baseline: true", 15, 14, "unknown teacher 'r50'", "teacher"),
    (BASELINE, "    start: imagenet\n    baseline: true", 15, 12, "unknown start 'imagenet'", "imagenet1k"),
    (
        BASELINE,
        "    views: {train: [{rotate: 4}]}\n    baseline: true",
        15,
        21,
        "unknown operation",
        "'rotation'",
    ),
    (BASELINE, "    views: {eval: [horizontal_flip]}\n    baseline: true", 15, 20, "draws at random", ""),
    (
        BASELINE,
        "    views: {train: [{cutout: 9}]}\n    baseline: true",
        15,
        21,
        "a square of 9 pixels does not fit into an image of 8",
        "",
    ),
    (
        BASELINE,
        "    views: {train: [horizontal_flip, fused_geometry]}\n    baseline: true",
        15,
        38,
        "fused_geometry resizes the source itself, so it comes before horizontal_flip",
        "",
    ),
    (
        BASELINE,
        "    views: {train: [horizontal_flip, source_resized_crop]}\n    baseline: true",
        15,
        None,
        "source_resized_crop resizes the source itself, so it comes before horizontal_flip",
        "",
    ),
    (
        BASELINE,
        "    views: {size: 7, train: [fused_geometry: {degrees: 15}]}\n    baseline: true",
        15,
        30,
        "fused_geometry only enlarges: the view has 7 pixels, its source 8",
        "use random_resized_crop",
    ),
    (
        "digits, split: {train: 600, val: 300, test: 600, seed: 7}}",
        "oxford_pets, resolution: 64, split: {val: 300}}\nviews: {eval: [{center_crop: 96}]}",
        4,
        16,
        "a crop of 96 pixels does not fit into an image of 64",
        "",
    ),
    (
        "digits, split: {train: 600, val: 300, test: 600, seed: 7}}",
        "image_folder, download: true, split: {val: 300}}",
        3,
        31,
        "unknown key 'download'",
        "published data sets alone",
    ),
    ("alpha: [0.1, 0.5]", "preset: papre", 16, 29, "unknown preset of kd 'papre'", "did you mean 'paper'"),
    # wholes that do not fit together
    (", test: 600", "", 3, 32, "no test set of its own", "1,797"),
    ("train: 600", "train: 1000", 3, 32, "more than the 1,797 images", ""),
    ("digits, split: {", "cifar10, split: {", 3, None, "test set of its own", "remove"),
    (
        "digits, split: {train: 600, val: 300, test: 600",
        "cifar10, split: {val: 50000",
        3,
        33,
        "leaves no",
        "",
    ),
    (TEACHER + "\n", "", 15, 5, "kd needs a teacher", "declare one"),
    (TEACHER, "teachers: {a: {model: resnet18}, b: {model: resnet34}}", 16, 5, "names none", "teacher: a"),
    (TEACHER, TEACHER + "\nteachers: {a: {model: resnet18}}", 10, 1, "teacher or teachers", ""),
    (TEACHER, "teacher: {model: cnn, train: false, epochs: 5}", 9, 10, "epochs cannot be set", ""),
    ("seed: 7}}", "seed: per_seed}}\nkeep_logits: 1", 4, 14, "keep_logits must be true or false", ""),
    (BASELINE + "\n" + GRID, "    epochs: 5", 14, 3, "the group has no cells", "baseline"),
    ("channels: [8, 16]", "channels: [8]", 15, 15, "the same configuration", "same model and start"),
    (
        "seeds: 3",
        "  other:\n    kd: {T: 4, alpha: 0.5}\nseeds: 3",
        18,
        9,
        "other/small/kd-T4-a0.5 and main",
        "twice",
    ),
    (
        BASELINE,
        "    optimizer: [{name: sgd, lr: 1}, {name: sgd, lr: -1}]\n    baseline: true",
        15,
        53,
        "lr must",
        "",
    ),
    (
        BASELINE,
        "    optimizer: {name: sgd, lr: [1, -1]}\n    baseline: true",
        15,
        36,
        "lr must be greater",
        "",
    ),
    (BASELINE, "    epochs: [3, 0]\n    baseline: true", 15, 17, "epochs must be at least 1", ""),
    (BASELINE, "    baseline: {lr: [1e-3, -1]}", 15, 27, "lr must be greater than 0, not -1", ""),
    (GRID, "    mlkd: true", 16, 11, "weak and a strong view", "views.strong"),
    (
        GRID,
        "    views: {strong: [cutout: 2], teacher: clean}\n    mlkd: true",
        17,
        11,
        "mlkd needs a strong view, and of the clean images there are logits only",
        "teacher: same",
    ),
    (
        GRID,
        "    views: {teacher: clean, mix: {mixup: 1, cutmix: 0}}\n    kd: true",
        17,
        9,
        "mixed images have no clean original",
        "teacher: same",
    ),
    (
        GRID,
        "    views: {teacher: clean}\n    feature: {layers: ['0']}",
        17,
        14,
        "feature needs outputs of layers, and of",
        "teacher: same",
    ),
    (
        GRID,
        "    early_stopping: {monitor: objective, patience: 2}\n    feature: true",
        17,
        14,
        "its objective cannot be watched on the validation images",
        "monitor: ce",
    ),
    (
        GRID,
        "    matched_smoothing: [true, {scope: global, T: {linear: [1, 4]}}]",
        16,
        31,
        "one entropy for the whole training",
        "",
    ),
    (GRID, "    kd: 5", 16, 9, "kd must be true, a mapping or a list of mappings, not 5", ""),
    (
        "seeds: 3",
        "starts: {a: {from: b}, b: {from: a}}\nseeds: 3",
        17,
        None,
        "comes from itself: a → b → a",
        "",
    ),
    (TEACHER, "teacher: {model: cnn, start: w/t.pth}", 9, 30, "unknown start 'w/t.pth'", "{path: w/t.pth}"),
    (TEACHER, "teacher: {model: cnn, start: {path: https://x.y/t.pth}}", 9, None, "is an address: fetch", ""),
    ("seeds: 3", "starts: {a: {from: b}}\nseeds: 3", 17, 20, "unknown start 'b'", "random"),
    ("seeds: 3", "starts: {a: {epochs: 0}}\nseeds: 3", 17, 22, "epochs must be at least 1", ""),
    # seeds
    ("seeds: 3", "seeds: 0", 17, 8, "at least 1 is needed", "5:10"),
    ("seeds: 3", "seeds: a", 17, 8, "does not say which seeds", "5:10"),
    ("seeds: 3", "seeds: [1, 1]", 17, 8, "seed 1 is given twice", "5:10"),
    # analysis
    (
        "seeds: 3",
        "analysis: {contrasts: [[main/small/baseline, main/small/kd-T1]]}",
        17,
        None,
        "unknown cell",
        "kd-T1-a0",
    ),
    (
        "seeds: 3",
        "analysis: {metric: test_top2}",
        17,
        20,
        "unknown metric 'test_top2'",
        "did you mean 'test_top",
    ),
    (
        "seeds: 3",
        "analysis: {contrasts: [{trend: {over: T, group: mian}}]}",
        17,
        49,
        "unknown group",
        "'main'",
    ),
    (
        "seeds: 3",
        "analysis: {contrasts: [{trend: {over: T, group: main}}]}",
        17,
        None,
        "runs over one",
        "small",
    ),
    (
        "seeds: 3",
        "analysis: {contrasts: [{trend: {over: betas, group: main, student: small}}]}",
        17,
        None,
        "needs at least two",
        "",
    ),
    (
        "seeds: 3",
        "analysis: {contrasts: [{trend: {over: T, group: main, student: small}}]}",
        17,
        None,
        "2 arms could be meant (alpha 0.1; alpha 0.5)",
        "such as where: {alpha: 0.1}",
    ),
    ("seeds: 3", "analysis: {contrasts: [[a, b, c]]}", 17, None, "takes at most 2", ""),
    (
        "seeds: 3",
        "analysis: {contrasts: [{all_of: [main/small/baseline, teacher]}]}",
        17,
        None,
        "no gain",
        "",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]}"[:40].strip().replace("\n", " "))
def test_one_message_at_its_place(load: Load, case: tuple[str, str, int, int | None, str, str]) -> None:
    old, new, line, column, message, hint = case
    with pytest.raises(ProtocolError) as caught:
        load((old, new))
    told = str(caught.value)
    assert caught.value.line == line, told
    assert column is None or caught.value.column == column, told
    assert told.startswith(f"{caught.value.file}:{line}:")
    assert message in told
    assert hint in told


def test_an_item_that_is_wrong_is_not_counted_as_missing_too(load: Load) -> None:
    with pytest.raises(ProtocolError) as caught:
        load((GRID, "    mlkd: {temperatures: [0, 1]}"))
    assert str(caught.value).endswith("temperatures[0] must be greater than 0, not 0")


def test_the_version_as_text_is_not_offered_as_its_own_mending(load: Load) -> None:
    with pytest.raises(ProtocolError) as caught:
        load(("rigorkd: 1", "rigorkd: '1'"))
    assert str(caught.value).endswith("rigorkd must be 1, not the text '1'")


def test_teacher_and_teachers_are_refused_at_the_second(load: Load) -> None:
    with pytest.raises(ProtocolError) as caught:
        load(("students:", "teachers: {big: {model: cnn}}\nstudents:"))
    assert "give teacher or teachers, not both" in str(caught.value)
    assert caught.value.line == 10
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("old", "new", "line", "began"),
    [
        ("study: tiny", 'study: "tiny', 2, "on line 2"),
        ("adamw, lr: 1e-3}", "adamw, lr: 1e-3", 5, "on line 5"),
    ],
)
def test_what_was_left_open_is_placed_where_it_began(
    load: Load, old: str, new: str, line: int, began: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        load((old, new))
    assert caught.value.line != line
    assert f"that begins {began}" in str(caught.value)


def test_a_misspelt_key_is_one_problem_not_a_missing_one_too(load: Load) -> None:
    with pytest.raises(ProtocolError) as caught:
        load(("epochs: 4", "epoch: 4"))
    assert "missing" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_every_problem_is_listed_in_the_order_of_the_file(load: Load) -> None:
    with pytest.raises(ProtocolError) as caught:
        load(("epochs: 4", "epochs: 0"), ("T: [1, 4]", "T: [-1, 4]"), ("lr: 1e-3", "lr: -1"))
    lines = str(caught.value).splitlines()
    assert [line.split("tiny.yaml:")[1].split(" ")[0] for line in lines] == ["5:32:", "8:11:", "16:14:"]


RAW = [
    (b"", 1, "the file is empty"),
    (b"# only a comment\n", 1, "the file is empty"),
    (b"\x00\x01\x02", 1, "binary"),
    (b"\x89PNG\r\n\x1a\n\xff", 1, "not UTF-8"),
    (b"rigorkd: 1\nstudy: caf\xe9\n", 2, "not UTF-8"),
    (b"a:\n\t- b", 2, "tab"),
    (b"a: 1\n\tb: 2", 2, "tab"),
    (b"- 1\n- 2", 1, "a mapping of keys to values"),
    (b"hello", 1, "a mapping of keys to values"),
    (b"a: [1, 2", 1, "not valid YAML"),
    (b"a: 'x", 1, "not valid YAML"),
    (b"a: &a [*a]", 1, "no anchor above it"),
    (b"a: !!python/object:os.system x", 1, "tag"),
    (b"a: 1\n---\nb: 2", 2, "second document"),
    (b"[" * 5000, 1, "levels deep"),
    (b"a: " + b"9" * 5000, 1, "digits"),
    (b"? [1]\n: 2", 1, "a key must be a word"),
    (b"<<: 1", 1, "merge keys"),
    (b"a: " + b"x" * 1_100_000, 1, "characters"),
]


@pytest.mark.parametrize(("raw", "line", "message"), RAW, ids=[message for _, _, message in RAW])
def test_files_that_are_no_protocol(tmp_path: Path, raw: bytes, line: int, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(raw)
    with pytest.raises(ProtocolError, match=message) as caught:
        load_protocol(file)
    assert caught.value.line == line


def test_many_aliases_are_bounded(tmp_path: Path) -> None:
    file = tmp_path / "laughs.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    file.write_text("\n".join(lines))
    with pytest.raises(ProtocolError, match="aliases counted in full"):
        load_protocol(file)


def test_anchors_are_fine(load: Load) -> None:
    protocol = load(
        (GRID, "    kd: &grid {T: [1, 4], alpha: 0.5}"),
        ("seeds: 3", "  other: {epochs: 2, kd: *grid}\nseeds: 3"),
    )
    assert protocol.cell("other/small/kd-T4-a0.5").training.epochs == 2


def test_a_missing_file_offers_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "paper.yaml").write_text("")
    with pytest.raises(ProtocolError, match=r"no such file(.|\n)*paper\.yaml"):
        load_protocol(tmp_path / "papr.yaml")


def test_a_folder_offers_its_files(tmp_path: Path) -> None:
    (tmp_path / "paper.yaml").write_text("")
    with pytest.raises(ProtocolError, match=r"folder(.|\n)*paper\.yaml"):
        load_protocol(tmp_path)


def test_a_name_that_cannot_be_a_file() -> None:
    with pytest.raises(ProtocolError, match="cannot be read"):
        load_protocol(Path("a\0b"))


def test_a_byte_order_mark_is_no_error(tmp_path: Path, valid: str) -> None:
    file = tmp_path / "bom.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + valid.replace("\n", "\r\n").encode())
    assert load_protocol(file).study == "tiny"


def test_yaml_1_2_words(load: Load) -> None:
    protocol = load(("study: tiny", "study: no"), ("small:", "on:"), ("main:", "2024:"))
    assert protocol.study == "no"
    assert protocol.cell("2024/on/baseline").training.optimizer.lr == 0.001


def test_places_of_values(load: Load) -> None:
    protocol = load()
    assert (protocol.place(("training", "epochs")).line, protocol.place(("training", "epochs")).column) == (
        8,
        11,
    )
    assert protocol.place(("groups", "main", "kd", "T", 1)).line == 16
