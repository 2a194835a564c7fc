"""Every published study that rigorkd must be able to run parses, and expands to the cells counted by hand."""

from __future__ import annotations

import re

import pytest

from rigorkd.launch.cost import training_images
from rigorkd.protocol.cohorts import cohorts, runs
from tests.conftest import SHIPPED, shipped

# file → (teachers, starts, students, seeds, cohorts, some cells)
STUDIES: dict[str, tuple[int, int, int, int, int, list[str]]] = {
    # 2 teachers; 2 students × (baseline + 2 teachers × (6 methods × 9 temperatures + ctkd + mlkd))
    "temperature/methods_pets": (
        2, 0, 2 * (1 + 2 * (6 * 9 + 2)), 3, 6,
        ["methods/r18/kd-T40-a0-no-t2-vit", "methods/mnv4/dist-tau7-ce0-r50", "methods/r18/baseline"],
    ),
    "temperature/methods_cifar100": (2, 0, 226, 3, 6, ["methods/r18/mlkd-a0-masks-mean-r50"]),
    # 2 optimisers × 2 batch sizes × 5 lengths × 2 students × (baseline + 2 teachers × 9 temperatures
    # + 8 with T², from ResNet-50)
    "temperature/training_pets": (
        2, 0, 2 * 2 * 5 * 2 * (1 + 2 * 9 + 8), 3, 12,
        ["training/r18/kd-T40-a0-no-t2-vit-sgd-bs256-e1024", "training/mnv4/baseline-adamw-bs64-e64"],
    ),
    "temperature/training_cifar100": (
        2, 0, 1080, 3, 12,
        ["training/r18/kd-T1-a0-no-t2-r50-adamw-bs64-e32", "training/r18/kd-T2-a0-r50-sgd-bs64-e32"],
    ),
    # 4 architectures × 4 durations + 3 from random weights; 2 students × (baseline + 19 × 9 temperatures)
    "temperature/teachers_pets": (
        19, 0, 2 * (1 + 19 * 9), 3, 57, ["origin/mnv4/kd-T5-a0-no-t2-regnety-scratch"]
    ),
    "temperature/teachers_cifar100": (19, 0, 344, 3, 57, ["origin/r18/kd-T5-a0-no-t2-vit-tuned100"]),
    # 2 starts that are runs × 4 students; 4 students × 4 starts × (baseline + 2 teachers × 9 temperatures)
    "temperature/starts_pets": (
        2, 2 * 4, 4 * 4 * (1 + 2 * 9), 3, 6,
        ["start/tuned/mnv4", "starts/cnp/baseline-target", "starts/mvit/kd-T10-a0-no-t2-pretrained-vit"],
    ),
    "temperature/starts_cifar100": (2, 8, 304, 3, 6, ["starts/r18/kd-T10-a0-no-t2-random-r50"]),
    # the grid of study B, without T²
    **{f"temperature/granularity_{data}": (
        2, 0, 2 * 2 * 5 * 2 * (1 + 2 * 9), 3, 12, ["granularity/mnv4/kd-T20-a0-no-t2-vit-sgd-bs64-e512"])
       for data in ("cars", "tiny")},
    **{f"temperature/granularity_{data}": (1, 0, 1 + 9, 3, 3, ["granularity/r18/kd-T20-a0-no-t2"])
       for data in ("birds_fine", "birds_coarse")},
    # 2 baselines + 9 temperatures × (4 teachers + 2 × (2 scopes of smoothing + 4 sizes of the kept head))
    "temperature/controls_pets": (
        4, 0, 2 + 9 * (4 + 2 * (2 + 4)), 3, 12,
        ["controls/r18/baseline-ls0.1", "controls/r18/permuted_tail-T4-a0-keep5-no-t2-vit"],
    ),
    "temperature/controls_cifar100": (
        4, 0, 146, 3, 12, ["controls/r18/matched_smoothing-T7-a0-no-t2-peak-teacher-r50"]
    ),
    # 2 students × (2 baselines + 2 teachers × (logits + features)); both students share ResNet-50's cohort
    "capacity_cifar10": (3, 0, 2 * (2 + 2 * 2), 5, 3 * 5, ["large/resnet34/kd-T2-a0.3-r101"]),
    # 2 networks of a teacher's kind, alone; 2 students × (baseline + 2 teachers)
    "capacity_stem_cifar10": (
        2, 0, 2 + 2 * (1 + 2), 5, 3 * 5,
        ["teachers/r50-imagenet-stem/baseline", "stem/imagenet-stem/kd-T4-a0.5-small-stem"],
    ),
    # 2 students × (baseline + inside and outside the clip)
    "capacity_clip_cifar10": (1, 0, 2 * (1 + 2), 5, 5, ["small/resnet18/feature-a0.3-no-clip"]),
    # 2 students × (baseline + both directions)
    "paper_direction": (1, 0, 2 * (1 + 2), 5, 5, ["direction/shufflenetv2/kd-T4-a0.5-reverse"]),
    # baseline + ten methods
    **{f"crd/{pair}": (1, 0, 1 + 10, 5, 5, [f"main/student/{dkd}", "main/student/at-stages"])
       for pair, dkd in {
           "resnet32x4-resnet8x4": "dkd-T4-tckd1-nckd8",
           "wrn_40_2-wrn_16_2": "dkd-T4-tckd1-nckd6",
           "resnet50-mobilenetv2": "dkd-T4-tckd1-nckd8",
       }.items()},
    # baseline + distilled; 4 baselines + 3 teachers + annealed + features + smoothing
    "notebook/cifar10": (
        3, 0, 2 + 4 + 3 + 3, 5, 3 * 5,
        ["main/cnn/kd-T10-a0.2", "same_rule/cnn/kd-T10-a0.2to0.8-r56", "same_rule/cnn/kd-T10-a0.2-untrained"],
    ),
    # baseline + with and without T²; 2 baselines + distilled + smoothing
    "notebook/cifar100_cnn": (
        1, 0, 3 + 4, 5, 5, ["main/cnn/kd-T10-a0.2-no-t2", "same_rule/cnn/matched_smoothing-T10-a0.2"]
    ),
    # 3 stopping rules × (baseline + distilled from clean and from the same view)
    "notebook/cifar100_resnet18": (1, 0, 3 * (1 + 2), 5, 2 * 5, ["same_rule/resnet18/kd-T10-a0.2-clean"]),
}  # fmt: skip


def test_every_published_study_is_counted() -> None:
    files = {file.relative_to(SHIPPED).with_suffix("").as_posix() for file in SHIPPED.rglob("*.yaml")}
    assert files - {
        "calibration",
        "digits",
        "digits-again",
        "digits-confirm",
        "digits-lengths",
        "digits-methods",
        "paper",
    } == set(STUDIES)


@pytest.mark.parametrize("study", STUDIES)
def test_the_cells_counted_by_hand(study: str) -> None:
    teachers, starts, students, seeds, groups, some = STUDIES[study]
    protocol = shipped(SHIPPED / f"{study}.yaml")
    roles = [cell.role for cell in protocol.cells]
    assert (roles.count("teacher"), roles.count("start"), roles.count("student")) == (
        teachers,
        starts,
        students,
    )
    for name in some:
        assert protocol.cell(name).name == name
    assert len(protocol.seeds) == seeds
    assert len(cohorts(protocol.cells, protocol.seeds)) == groups
    fixed = sum(not cell.per_seed for cell in protocol.cells)
    assert len(runs(protocol.cells, protocol.seeds)) == fixed + seeds * (len(roles) - fixed)


def test_the_capacity_studys_pairs_have_their_own_settings() -> None:
    protocol = shipped(SHIPPED / "capacity_cifar10.yaml")
    names = [cell.name for cell in protocol.cells if cell.group == "small"]
    assert names == [
        "small/resnet18/baseline",
        "small/resnet18/baseline-ls0.1",
        "small/resnet18/kd-T2-a0.3-r34",
        "small/resnet18/feature-a0.3-r34",
        "small/resnet18/kd-T4-a0.5-r50",
        "small/resnet18/feature-a0.3-r50",
    ]
    assert not any(cell.per_seed for cell in protocol.cells if cell.role == "teacher")


HEADER = re.compile(
    r"^#   command   rigorkd run protocols/(?P<study>\S+)\.yaml --seeds (?P<seeds>\d+)\n"
    r"#   cost      estimated: (?P<runs>[\d,]+) runs(?:, (?:at most )?(?P<images>\S+) training images"
    r"| × (?P<epochs>\d+) epochs \(teacher (?P<teacher>\d+)\) × (?P<each>[\d,]+) images);"
    r" (?P<hours>[\d,]+) GPU hours at 2,000 images/s(?P<more>.*(?:\n#             .*)*)\n"
    r"#   hardware  .*\n"
    r"#   outcome   \S.*$",
    flags=re.MULTILINE,
)


def counted(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.mark.parametrize("study", [*STUDIES, "paper"])
def test_the_header_says_what_the_command_runs_and_costs(study: str) -> None:
    path = SHIPPED / f"{study}.yaml"
    said = HEADER.search(path.read_text())
    assert said is not None
    protocol = shipped(path)
    planned = runs(protocol.cells, protocol.seeds)
    assert (said["study"], int(said["seeds"])) == (study, len(protocol.seeds))
    assert counted(said["runs"]) == len(planned)
    images = training_images(planned)
    if images is None:  # a folder of images: as many as its header says that it has to have
        students, each = len(planned) - 1, counted(said["each"])
        images = (students * int(said["epochs"]) + int(said["teacher"])) * each
    else:
        assert said["images"] == f"{images:.1e}"
    assert counted(said["hours"]) == round(images / 2000 / 3600)


@pytest.mark.parametrize("study", [study for study in STUDIES if study.startswith("temperature/")])
def test_the_temperature_studys_pretrained_weights_saw_imagenet_1k_alone(study: str) -> None:
    """timm's default weights of an architecture change, and for some have seen more classes."""
    names = {
        cell.model.name for cell in shipped(SHIPPED / f"{study}.yaml").cells if cell.start == "pretrained"
    }
    assert names
    for name in names:
        tag = name.partition(".")[2]
        assert tag.endswith("_in1k"), name
        assert not re.search(r"in\d\dk", tag), name
