"""What `--slurm partition=gpu,gpus=1,time=4:00:00` asks of the cluster."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields

from rigorkd.errors import InputError
from rigorkd.text import nearest

GRAMMAR = "give key=value pairs with commas between, such as partition=gpu,gpus=1,time=4:00:00,mem=16G,cpus=4"
_TIME = "time is minutes, hours:minutes:seconds or days-hours:minutes:seconds"


@dataclass(frozen=True)
class SlurmOptions:
    """One job's resources. `minutes` is its time limit; `array` is how many jobs may run at once.

    `gpus` is a count or `type:count`; `mem` is as Slurm writes it (`16G`). None leaves a choice to Slurm.
    """

    partition: str | None = None
    gpus: str | None = None
    minutes: int = 60
    mem: str | None = None
    cpus: int | None = None
    array: int = 256
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None

    @property
    def gpu_count(self) -> int:
        """GPUs of one job."""
        return int(self.gpus.rpartition(":")[2]) if self.gpus else 0

    @property
    def stop_seconds(self) -> int:
        """How long before its time limit a job is told to stop: a tenth of the limit, from 10 s to 5 minutes.

        Slurm may tell it up to a minute earlier.
        """
        return min(300, max(10, self.minutes * 60 // 10))


KEYS = tuple("time" if field.name == "minutes" else field.name for field in fields(SlurmOptions))


def parse_options(text: str) -> SlurmOptions:
    """The options in a text of `key=value` pairs. Raises InputError, naming the pair and the nearest key."""
    values: dict[str, str] = {}
    for pair in text.split(","):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key or not value:
            raise InputError(f"--slurm: {pair.strip() or 'an empty pair'!r} is not key=value", hint=GRAMMAR)
        if key not in KEYS:
            close = nearest(key, KEYS)
            hint = f"did you mean {close}?" if close else f"the keys are {', '.join(KEYS)}"
            raise InputError(f"--slurm: no key {key!r}", hint=hint)
        if key in values:
            raise InputError(f"--slurm: {key} is given twice", hint=GRAMMAR)
        values[key] = value
    return SlurmOptions(
        partition=values.get("partition"),
        gpus=_gpus(values["gpus"]) if "gpus" in values else None,
        minutes=_minutes(values["time"]) if "time" in values else SlurmOptions.minutes,
        mem=_memory(values["mem"]) if "mem" in values else None,
        cpus=_count("cpus", values["cpus"]) if "cpus" in values else None,
        array=_count("array", values["array"]) if "array" in values else SlurmOptions.array,
        account=values.get("account"),
        qos=values.get("qos"),
        constraint=values.get("constraint"),
        exclude=values.get("exclude"),
    )


def _count(key: str, value: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,5}", value, re.ASCII):
        raise InputError(f"--slurm: {key}={value}: not a whole number from 1 on", hint=GRAMMAR)
    return int(value)


def _gpus(value: str) -> str | None:
    if not re.fullmatch(r"([A-Za-z][\w.-]*:)?(0|[1-9]\d{0,2})", value, re.ASCII):
        raise InputError(
            f"--slurm: gpus={value}: not a number of GPUs", hint="give a number, or type:number as in a100:1"
        )
    return None if value == "0" else value


def _memory(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d*[KMGT]", value, re.ASCII | re.IGNORECASE):
        raise InputError(f"--slurm: mem={value}: not a size", hint="give a number and a unit, such as 16G")
    return value.upper()


def _minutes(value: str) -> int:
    """Minutes of a time limit in Slurm's own notation, seconds rounded up."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", value, re.ASCII)
    if not found:
        raise InputError(f"--slurm: time={value}: not a time limit", hint=_TIME)
    days, first, second, third = (None if part is None else int(part) for part in found.groups())
    if days is not None:  # days-hours, days-hours:minutes, days-hours:minutes:seconds
        seconds = ((days * 24 + (first or 0)) * 60 + (second or 0)) * 60 + (third or 0)
    elif third is not None:  # hours:minutes:seconds
        seconds = ((first or 0) * 60 + (second or 0)) * 60 + third
    else:  # minutes, minutes:seconds
        seconds = (first or 0) * 60 + (second or 0)
    if seconds == 0:
        raise InputError(f"--slurm: time={value}: a job needs some time", hint=_TIME)
    return math.ceil(seconds / 60)
