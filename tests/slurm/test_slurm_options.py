"""`--slurm key=value,…`: what it means, and that every mistake is named with its remedy."""

from __future__ import annotations

import pytest

from rigorkd.errors import InputError
from rigorkd.launch.backends.slurm.cluster import SlurmOptions, parse_options


def test_every_key_is_understood() -> None:
    text = (
        "partition=gpu,gpus=2,time=4:00:00,mem=16g,cpus=4,array=8,account=lab,qos=long,"
        "constraint=a100,exclude=n[1-2]"
    )
    assert parse_options(text) == SlurmOptions(
        partition="gpu",
        gpus="2",
        minutes=240,
        mem="16G",
        cpus=4,
        array=8,
        account="lab",
        qos="long",
        constraint="a100",
        exclude="n[1-2]",
    )


@pytest.mark.parametrize(
    ("time", "minutes"),
    [
        ("90", 90),
        ("90:30", 91),
        ("4:00:00", 240),
        ("0:00:01", 1),
        ("2-0", 2880),
        ("1-12", 2160),
        ("1-1:30", 1530),
        ("1-1:30:01", 1531),
    ],
)
def test_times_are_read_as_slurm_reads_them(time: str, minutes: int) -> None:
    assert parse_options(f"time={time}").minutes == minutes


@pytest.mark.parametrize(("minutes", "seconds"), [(1, 10), (10, 60), (50, 300), (240, 300), (10_000, 300)])
def test_the_warning_leaves_most_of_the_time_for_training(minutes: int, seconds: int) -> None:
    assert SlurmOptions(minutes=minutes).stop_seconds == seconds


def test_typed_gpus_and_none() -> None:
    assert parse_options("gpus=a100:2").gpus == "a100:2"
    assert parse_options("gpus=a100:2").gpu_count == 2
    assert parse_options("time=10").gpu_count == 0
    assert parse_options("gpus=0").gpus is None
    assert parse_options("partition=cpu").gpus is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("partiton=gpu", "no key 'partiton'\n  did you mean partition?"),
        ("zzz=1", "no key 'zzz'\n  the keys are partition, gpus, time"),
        ("gpu", "'gpu' is not key=value"),
        ("gpus=", "'gpus=' is not key=value"),
        ("gpus=1,,time=10", "an empty pair"),
        ("gpus=1,gpus=2", "gpus is given twice"),
        ("gpus=one", "gpus=one: not a number of GPUs"),
        ("time=4h", "time=4h: not a time limit"),
        ("time=0:00:00", "a job needs some time"),
        ("mem=lots", "mem=lots: not a size"),
        ("cpus=0", "cpus=0: not a whole number from 1 on"),
        ("array=-3", "array=-3: not a whole number from 1 on"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_options(text)
    assert message in str(caught.value).replace("'an empty pair'", "an empty pair")
    assert str(caught.value).startswith("--slurm: ")
