"""What a command leaves of a run, and what is said of anything else."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from rigorkd.launch.command_files import ResultError
from rigorkd.launch.command_results import UnreadError, read_results
from rigorkd.protocol.trainer import Trainer


def trainer(**more: Any) -> Trainer:
    return Trainer.model_validate(
        {"command": "python t.py {seed} {out}", "metrics": {"accuracy": "max"}, **more}
    )


def metrics(out: Path, made: Trainer | None = None, stdout: str = "") -> dict[str, float]:
    return dict(read_results(made or trainer(), out, stdout, keep_all=False).metrics)


def test_numbers_of_a_file_of_json(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"accuracy": 71, "loss": 1e-3}')
    assert metrics(tmp_path) == {"accuracy": 71.0, "loss": 0.001}
    (tmp_path / "metrics.json").write_text('{"accuracy": 71}', encoding="utf-8-sig")
    assert metrics(tmp_path) == {"accuracy": 71.0}
    (tmp_path / "metrics.json").write_text('{"accuracy": 71}', encoding="utf-16")
    with pytest.raises(ResultError, match=r"metrics\.json is not text in UTF-8"):
        metrics(tmp_path)


def test_a_decimal_comma_is_no_end_of_a_number(tmp_path: Path) -> None:
    words = trainer(result={"file": "stdout", "keys": {"accuracy": "accuracy:"}})
    for said in ("accuracy: 91,5", "accuracy: 1,234 of 2,000"):
        with pytest.raises(ResultError, match="write decimals behind a point"):
            metrics(tmp_path, words, said)
    assert metrics(tmp_path, words, "accuracy: 91, loss: 5") == {"accuracy": 91.0}


def test_words_that_are_not_on_the_output_are_looked_for_on_the_error(tmp_path: Path) -> None:
    words = trainer(result={"file": "stdout", "keys": {"accuracy": "Best val acc ="}})
    logged = "12:00 | INFO | Best val acc = 84.75% at epoch 2"

    def read(stdout: str, stderr: str, made: Trainer = words) -> dict[str, float]:
        return dict(read_results(made, tmp_path, stdout, stderr, keep_all=False).metrics)

    assert read("done", logged) == read("", logged) == {"accuracy": 84.75}
    assert read("Best val acc = 3", logged) == {"accuracy": 3.0}  # the output comes first
    with pytest.raises(ResultError, match="decimals behind a point, and thousands without a comma"):
        read("Best val acc = 1,234.5", logged)
    with pytest.raises(ResultError, match="no number after 'Best val acc ='"):
        read("done", "nothing")
    mend = r"keys: \{accuracy: Accuracy\}\} takes the number"
    with pytest.raises(ResultError, match=mend):
        read("done", "final Accuracy = 3", trainer(result="stdout"))


def test_the_last_number_in_each_column_of_a_log(tmp_path: Path) -> None:
    """As Lightning's, whose rows of validation and training alternate."""
    (tmp_path / "log.csv").write_text("epoch,accuracy,loss,best\n0,50.5,,x\n0,,1.5,y\n1,61.25,,\n")
    log = trainer(result={"file": "log.csv", "keys": {"accuracy": "accuracy"}})
    assert metrics(tmp_path, log) == {"accuracy": 61.25}
    assert metrics(tmp_path, trainer(result="log.csv")) == {"epoch": 1, "accuracy": 61.25, "loss": 1.5}
    with pytest.raises(ResultError, match=r"log\.csv has no acc; it has epoch, accuracy, loss"):
        metrics(tmp_path, trainer(result={"file": "log.csv", "keys": {"accuracy": "acc"}}))


def test_a_log_may_name_its_seed(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("seed,accuracy\n3,50.5\n")
    assert metrics(tmp_path, trainer(result="log.csv")) == {"accuracy": 50.5}


def test_a_number_stands_on_the_line_of_its_words(tmp_path: Path) -> None:
    """Nor is a header taken for the words before the first field below it."""
    (tmp_path / "log.txt").write_text("epoch,accuracy\n0,50.5\n")
    with pytest.raises(ResultError, match=r"log\.txt has no number after 'accuracy'"):
        metrics(tmp_path, trainer(result={"file": "log.txt", "keys": {"accuracy": "accuracy"}}))
    with pytest.raises(
        ResultError, match=r"log\.txt is no JSON object of numbers: '0,50\.5' \(result: \{file: log"
    ):
        metrics(tmp_path, trainer(result="log.txt"))


def test_numbers_of_the_last_line(tmp_path: Path) -> None:
    assert metrics(tmp_path, trainer(result="stdout"), '{"accuracy": 0.5}') == {"accuracy": 0.5}
    said = 'epoch {1}\n{\n  "accuracy": 0.5,\n  "per_class": {\n    "a": 1\n  }\n}\n'
    assert metrics(tmp_path, trainer(result="stdout"), said) == {"accuracy": 0.5}
    said = 'epoch 1\r 50%\n{"accuracy": 0.5}\n{"accuracy": 0.75}\n\n'
    assert metrics(tmp_path, trainer(result="stdout"), said) == {"accuracy": 0.75}


@pytest.mark.parametrize(
    ("said", "key", "value"),
    [
        # The ends of fairseq's (--log-format json and simple), RepDistiller's and Keras' standard output.
        ('INFO | valid | {"epoch": 2, "valid_bleu": "30.12"}\nINFO | done in 3.1 s', "valid_bleu", 30.12),
        ("valid | epoch 002 | bleu 29.5\nvalid | epoch 003 | bleu 30.5 | wps 9\ndone", "bleu", 30.5),
        (" * Acc@1 61.250 Acc@5 88.500\nbest accuracy: tensor(61.25)", "Acc@1", 61.25),
        ("5/5 - 0s - loss: 0.21 - val_accuracy: 0.93\nsaved", "val_accuracy", 0.93),
        ("accuracy info 1\naccuracy=-1.5e-3\naccuracy nanny, accuracy infinite", "accuracy", -0.0015),
    ],
)
def test_numbers_of_what_it_printed(tmp_path: Path, said: str, key: str, value: float) -> None:
    made = trainer(result={"file": "stdout", "keys": {"accuracy": key}})
    assert metrics(tmp_path, made, said) == {"accuracy": value}


def test_numbers_of_a_log_of_json_lines(tmp_path: Path) -> None:
    lines = '{"epoch": 0, "test_acc1": 10.5}\n{"epoch": 1, "test_acc1": 61.25}\n'
    (tmp_path / "log.txt").write_text(lines)
    made = trainer(result={"file": "log.txt", "keys": {"accuracy": "test_acc1"}})
    assert metrics(tmp_path, made) == {"accuracy": 61.25}
    (tmp_path / "log.txt").write_text(f'{lines}{{"event": "finished"}}\n')
    assert metrics(tmp_path, made) == {"accuracy": 61.25}
    (tmp_path / "metrics.json").write_text(lines)
    with pytest.raises(ResultError, match=r"metrics\.json: Extra data"):
        metrics(tmp_path)


def test_numbers_under_other_names(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "all_results.json").write_text(
        '{"eval": {"acc": 0.5}, "name": "x", "eval.f1": 0.25}'
    )
    made = trainer(result={"file": "*/all_results.json", "keys": {"accuracy": "eval.acc", "f1": "eval.f1"}})
    assert metrics(tmp_path, made) == {"accuracy": 0.5, "f1": 0.25}


def test_numbers_of_a_log(tmp_path: Path) -> None:
    text = "epoch: 1\ntest_acc: 10.5\n---\nepoch: 2\ntest_acc: 61.25\nbest_test_acc: 99\nbest_acc\t62.00"
    (tmp_path / "worklog.txt").write_text(text)
    made = trainer(result={"file": "worklog.txt", "keys": {"accuracy": "test_acc"}})
    assert metrics(tmp_path, made) == {"accuracy": 61.25}
    made = trainer(result={"file": "worklog.txt", "keys": {"accuracy": "best_acc"}})
    assert metrics(tmp_path, made) == {"accuracy": 62.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"accuracy": NaN}', "metrics.json: accuracy is NaN"),
        ('{"accuracy": -Infinity}', "metrics.json: accuracy is -Infinity"),
        ('{"accuracy": 1e999}', "metrics.json: 1e999 is too large a number"),
        ('{"accuracy": "71"}', "metrics.json: accuracy is the text '71', not a number"),
        ('{"accuracy": true}', "metrics.json: accuracy is true, not a number"),
        ('{"accuracy": null}', "metrics.json: accuracy is nothing, not a number"),
        ('{"accuracy": {"top1": 3}}', "metrics.json: accuracy is a mapping, not a number"),
        ('{"loss": 1}', "metrics.json lacks accuracy; it has loss"),
        ("{}", "metrics.json lacks accuracy; it has nothing"),
        ("[71]", "metrics.json: it holds no JSON object"),
        ('{"accuracy": 7', "metrics.json: Expecting ',' delimiter: line 1 column 15 (char 14)"),
        ("", "metrics.json: Expecting value: line 1 column 1 (char 0)"),
        (
            '{"test": {"accuracy": 1}, "args": {"lr": 1}}',
            "it has test, args (result: {file: metrics.json, keys: {accuracy: test.accuracy}}",
        ),
        ('{"val_acc": 1, "val_loss": 3}', "keys: {accuracy: val_acc}} takes it from there)"),
        ('{"accuracy": 1, "a\\nb": 3}', "is no name of a metric"),
    ],
)
def test_what_is_no_result_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(ResultError) as error:
        metrics(tmp_path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_result_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"it left no metrics.json in \{out\}"):
        metrics(tmp_path)
    with pytest.raises(ResultError, match="no file matches"):
        metrics(tmp_path, trainer(result="*/x.json"))
    with pytest.raises(
        ResultError, match="the last line that it printed is no JSON object of numbers: 'bye'"
    ):
        metrics(tmp_path, trainer(result="stdout"), "bye")
    with pytest.raises(ResultError, match=r"keys: \{accuracy: accuracy\}\} takes the number after"):
        metrics(tmp_path, trainer(result="stdout"), "Model accuracy: 0.97")
    with pytest.raises(ResultError, match="what it printed has no number after 'acc'"):
        metrics(tmp_path, trainer(result={"file": "stdout", "keys": {"accuracy": "acc"}}), "bye")
    (tmp_path / "log.txt").write_text("acc: none")
    with pytest.raises(ResultError, match=r"log.txt has no number after 'acc'"):
        metrics(tmp_path, trainer(result={"file": "log.txt", "keys": {"accuracy": "acc"}}))


def test_a_result_in_a_folder_of_its_own_is_offered_as_it_may_be_pasted(tmp_path: Path) -> None:
    deep = tmp_path / "2026-11-28_10-00" / "run"
    deep.mkdir(parents=True)
    (deep / "metrics.json").write_text('{"accuracy": 0.5}')
    with pytest.raises(ResultError, match=r"but 2026-11-28_10-00/run/metrics.json") as told:
        metrics(tmp_path)
    offered = re.search(r"\((result: .*?) finds it", str(told.value))
    assert offered is not None
    found = YAML(typ="safe").load(offered[1])
    assert metrics(tmp_path, trainer(**found)) == {"accuracy": 0.5}
    (deep / "metrics.json").write_text('{"test": {"accuracy": 0.5}}')
    with pytest.raises(ResultError) as told:
        metrics(tmp_path, trainer(**found))
    offered = re.search(r"\((result: .*?\}\}) takes it", str(told.value))
    assert offered is not None
    assert metrics(tmp_path, trainer(**YAML(typ="safe").load(offered[1]))) == {"accuracy": 0.5}


def test_beside_what_is_asked_for_there_may_be_anything(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"accuracy": 1, "lr": 0.1, "seed": 3, "model": "x", "a": {}}')
    found = read_results(trainer(), tmp_path, "", keep_all=False)
    assert (found.metrics, found.left_out) == ({"accuracy": 1.0, "lr": 0.1}, ("seed",))
    with pytest.raises(ResultError, match="seed names something else of a run; call the number otherwise"):
        metrics(tmp_path, trainer(metrics={"seed": "max"}))


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("{'loss': 0.5, 'accuracy': 0.93}", 0.93),
        ("{'accuracy': np.float64(0.93)}", 0.93),
        ("| accuracy | 0.93 |", 0.93),
        ("accuracy: \x1b[32m0.93\x1b[0m", 0.93),
    ],
)
def test_ways_in_which_programs_print_a_number(tmp_path: Path, said: str, value: float) -> None:
    made = trainer(result={"file": "stdout", "keys": {"accuracy": "accuracy"}})
    assert metrics(tmp_path, made, f"epoch 1\n{said}\n") == {"accuracy": value}


def test_words_in_another_encoding(tmp_path: Path) -> None:
    made = trainer(result={"file": "stdout", "keys": {"accuracy": "Güte:"}})
    said = "Güte: 0.93".encode("latin-1").decode(errors="replace")
    assert metrics(tmp_path, made, said) == {"accuracy": 0.93}


def test_the_words_that_would_find_a_number_are_offered_with_it(tmp_path: Path) -> None:
    made = trainer(result={"file": "stdout", "keys": {"accuracy": "accuracy"}})
    with pytest.raises(ResultError, match=r"\{accuracy: Accuracy on 200 images is\} would take 93\)"):
        metrics(tmp_path, made, "Accuracy on 200 images is 93% after 5 epochs")
    with pytest.raises(ResultError, match=r"\{accuracy: accuracy over 5 folds\} would take 93\.2\)"):
        metrics(tmp_path, made, "Mean accuracy over 5 folds = 93.2 +/- 1.5")
    assert metrics(tmp_path, trainer(result="stdout"), "done\n0.93") == {"accuracy": 0.93}


def test_numbers_beside_their_names(tmp_path: Path) -> None:
    log = trainer(result="s.csv")
    (tmp_path / "s.csv").write_text("metric,value\naccuracy,61.5\nloss,1\n")
    assert metrics(tmp_path, log) == {"accuracy": 61.5, "loss": 1.0}
    (tmp_path / "s.csv").write_text("accuracy,step\n61.5,1\n62.5,2\n")
    assert metrics(tmp_path, log) == {"accuracy": 62.5, "step": 2.0}


def test_tables_of_other_places_and_the_last_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch;accuracy\n0;50.5 %\n1;61.5%\n")
    assert metrics(tmp_path, trainer(result="log.csv"))["accuracy"] == 61.5
    (tmp_path / "h.json").write_text('{"val": {"acc": [50, 61.5]}}')
    with pytest.raises(ResultError, match=r"val\.acc is a list; val\.acc\.-1 is its last"):
        metrics(tmp_path, trainer(result={"file": "h.json", "keys": {"accuracy": "val.acc"}}))
    made = trainer(result={"file": "h.json", "keys": {"accuracy": "val.acc.-1"}})
    assert metrics(tmp_path, made) == {"accuracy": 61.5}


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_a_result_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "metrics.json"
    if kind == "link":
        path.symlink_to("/etc/hostname")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(ResultError, match=r"metrics\.json"):
        metrics(tmp_path)


def predictions(out: Path) -> dict[str, np.ndarray]:
    (out / "metrics.json").write_text('{"accuracy": 50}')
    content = read_results(trainer(), out, "", keep_all=False).files["predictions.npz"]
    assert isinstance(content, bytes)
    with np.load(io.BytesIO(content)) as archive:
        return dict(archive)


def test_predictions_become_those_of_a_record(tmp_path: Path) -> None:
    (tmp_path / "predictions.csv").write_text("prediction,note,target,top5_hit\n1,x,0,true\n2,y,2,0\n")
    found = predictions(tmp_path)
    assert {name: (array.dtype.name, array.tolist()) for name, array in found.items()} == {
        "target": ("int32", [0, 2]),
        "prediction": ("int32", [1, 2]),
        "top5_hit": ("bool", [True, False]),
    }
    np.savez(tmp_path / "predictions.npz", target=np.array([1, 0], np.uint8), prediction=np.array([1, 1]))
    assert predictions(tmp_path)["target"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("target\n1\n", "predictions.csv has no column prediction"),
        ("target,prediction\n1,cat\n", "predictions.csv:2: prediction is 'cat', not a whole number"),
        ("target,prediction\n1\n", "predictions.csv:2: prediction is '', not a whole number"),
        ("target,prediction\n1,0.5\n", "predictions.csv:2: prediction is '0.5', not a whole number"),
        ("target,prediction\n1,-1\n", "a prediction is no class"),
        ("target,prediction\n", "its predictions are empty"),
    ],
)
def test_predictions_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "predictions.csv").write_text(text)
    with pytest.raises(ResultError, match=message):
        predictions(tmp_path)


def test_an_archive_that_lies_is_refused(tmp_path: Path) -> None:
    (tmp_path / "predictions.npz").write_bytes(b"PK\x03\x04nonsense")
    with pytest.raises(ResultError, match=r"predictions\.npz: it is no archive of arrays"):
        predictions(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss\n1\n", "history.csv: its first line names its columns, one of them epoch"),
        ("epoch,loss\n1,0.5,3\n", "history.csv:2: 3 values for 2 columns"),
        ("epoch,loss\n1,low\n", "history.csv:2: loss is 'low', not a number"),
    ],
)
def test_a_history_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "metrics.json").write_text('{"accuracy": 50}')
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(ResultError, match=message):
        metrics(tmp_path)


def test_a_record_keeps_what_is_asked_for_and_all_of_a_teacher(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"accuracy": 50}')
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"w")
    (tmp_path / "best.bin").symlink_to("model/weights.bin")
    (tmp_path / ".cache").write_text("no")

    def kept(**more: Any) -> list[str]:
        made = trainer(**{key: value for key, value in more.items() if key == "keep"})
        return sorted(read_results(made, tmp_path, "", keep_all=bool(more.get("all"))).files)

    assert kept() == []
    assert kept(keep="*.bin") == ["best.bin", "model/weights.bin"]
    assert kept(all=True) == ["best.bin", "metrics.json", "model/weights.bin"]
    assert kept(all=True, keep="model/*") == ["model/weights.bin"]
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(ResultError, match=r"record\.json"):
        kept(all=True)
    (tmp_path / "record.json").unlink()
    (tmp_path / "out.bin").symlink_to("/etc/hostname")
    with pytest.raises(ResultError, match="a link out of"):
        kept(keep="*.bin")


@pytest.mark.parametrize(
    ("printed", "accuracy"),
    [
        ("Test set: Average loss: 0.4, Accuracy: 653/797 (82%)", 653 / 797),
        ("Accuracy: 653 / 797", 653 / 797),
        ("Accuracy: 82.1% (653/797)", 82.1),
        ("Accuracy: 0/797", 0.0),
        ("Accuracy: 82.5/100.0", 82.5),
    ],
)
def test_a_share_that_is_printed_as_a_fraction(tmp_path: Path, printed: str, accuracy: float) -> None:
    told = trainer(result={"file": "stdout", "keys": {"accuracy": "Accuracy"}})
    assert metrics(tmp_path, told, f"epoch 1/3\n{printed}\n")["accuracy"] == accuracy


def test_an_accuracy_that_none_can_be_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"accuracy": 653, "n_acc": 653}')
    with pytest.raises(
        ResultError, match="accuracy is 653, and accuracies lie between 0 and 100, or 0 and 1"
    ):
        metrics(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tensor(86.75)", 86.75),
        ("\"tensor(0.8675, device='cuda:0', dtype=torch.float64)\"", 0.8675),
        ("tensor(0.8675, device='cuda:0', grad_fn=<DivBackward0>)", 0.8675),  # as an f-string writes it
        ("np.float64(86.75)", 86.75),
        ("array(86.75)", 86.75),
        ("[86.75]", 86.75),
        ("tensor([86.75])", 86.75),
        ("86.75%", 86.75),
    ],
)
def test_a_number_with_its_type_is_that_number(tmp_path: Path, field: str, value: float) -> None:
    """In a table, in a history, on a line of words and in what print shows of a mapping."""
    (tmp_path / "log.csv").write_text(f"epoch,accuracy,last\n1,{field},2\n")
    keyed = {"accuracy": "accuracy"}
    assert metrics(tmp_path, trainer(result={"file": "log.csv", "keys": keyed})) == {"accuracy": value}
    (tmp_path / "pairs.csv").write_text(f"metric,value\naccuracy,{field}\n")
    assert metrics(tmp_path, trainer(result={"file": "pairs.csv", "keys": keyed})) == {"accuracy": value}
    said = field.strip('"')
    for key in ("accuracy", "val accuracy:"):
        made = trainer(result={"file": "stdout", "keys": {"accuracy": key}})
        assert metrics(tmp_path, made, f"val accuracy: {said}, best") == {"accuracy": value}
    assert metrics(tmp_path, trainer(result="stdout"), said) == {"accuracy": value}
    if "(" in said:
        assert metrics(tmp_path, trainer(result="stdout"), f"{{'accuracy': {said}}}") == {"accuracy": value}
        (tmp_path / "metrics.json").write_text(f'{{"accuracy": "{said}"}}')
        assert metrics(tmp_path) == {"accuracy": value}
        with pytest.raises(ResultError, match="accuracy: accuracy"):
            metrics(tmp_path, trainer(result="stdout"), f"val accuracy: {said}\nbye")


def test_a_column_without_numbers_is_not_called_absent(tmp_path: Path) -> None:
    log = trainer(result={"file": "log.csv", "keys": {"accuracy": "acc"}})
    (tmp_path / "log.csv").write_text("epoch,acc\n1,\n2,high\n")
    with pytest.raises(ResultError, match=r"log\.csv has a column acc, .* on line 3 it has 'high'"):
        metrics(tmp_path, log)
    (tmp_path / "log.csv").write_text('epoch,acc\n1,"[86.75, 3]"\n')
    with pytest.raises(ResultError, match=r"on line 2 it has '\[86\.75, 3\]'"):
        metrics(tmp_path, log)
    (tmp_path / "log.csv").write_text("epoch,accuracy\n1,\n")
    with pytest.raises(ResultError, match=r"log\.csv has a column accuracy, and no number in it$"):
        metrics(tmp_path, trainer(result="log.csv"))


def test_what_is_not_found_is_told_from_what_is_no_number(tmp_path: Path) -> None:
    """The first ails every run of a `result`, the second perhaps this run alone."""
    unread = [metrics, lambda out: metrics(out, trainer(result="stdout"), "bye")]
    for read in unread:
        with pytest.raises(UnreadError):
            read(tmp_path)
    for text in ('{"accuracy": NaN}', '{"accuracy": 653}'):
        (tmp_path / "metrics.json").write_text(text)
        with pytest.raises(ResultError) as refused:
            metrics(tmp_path)
        assert not isinstance(refused.value, UnreadError)


def test_a_history_with_types_keeps_its_numbers(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"accuracy": 71}')
    (tmp_path / "history.csv").write_text("epoch,loss\n1,tensor(0.5)\n2,\n")
    kept = read_results(trainer(), tmp_path, "", keep_all=False).files["history.csv"]
    assert kept == b"epoch,loss\r\n1,0.5\r\n2,\r\n"


def test_rows_of_folds_are_averaged_where_it_is_said(tmp_path: Path) -> None:
    """The last fold alone would pass for the run."""
    rows = ["fold,epoch,acc", "0,1,10", "0,2,50", "1,1,20", "1,2,60", "2,1,30", "2,2,tensor(70.)"]
    (tmp_path / "cv.csv").write_text("\n".join(rows) + "\n")
    keyed = {"file": "cv.csv", "keys": {"accuracy": "acc"}}
    with pytest.raises(ResultError, match=r"cv\.csv has rows of 3 values of fold") as refused:
        metrics(tmp_path, trainer(result=keyed))
    told = re.search(r"result: (\{.*\}) takes their mean", str(refused.value))
    assert told
    assert metrics(tmp_path, trainer(result=YAML(typ="safe").load(told[1]))) == {"accuracy": 60.0}
    (tmp_path / "cv.csv").write_text("\n".join([*rows, "mean,,61"]))
    assert metrics(tmp_path, trainer(result=keyed)) == {"accuracy": 61.0}
    assert metrics(tmp_path, trainer(result={**keyed, "average": "fold"})) == {"accuracy": 60.0}
    (tmp_path / "cv.csv").write_text("\n".join([*rows[:-2], "2,1,"]))
    with pytest.raises(ResultError, match=r"cv\.csv has no acc of fold 2"):
        metrics(tmp_path, trainer(result={**keyed, "average": "fold"}))
    with pytest.raises(ResultError, match=r"has no column part to average over; it has fold, epoch, acc"):
        metrics(tmp_path, trainer(result={**keyed, "average": "part"}))
    (tmp_path / "cv.csv").write_text("\n".join(rows[:3]))
    assert metrics(tmp_path, trainer(result=keyed)) == {"accuracy": 50.0}
    with pytest.raises(ValueError, match="average: fold is the column of a CSV"):
        trainer(result={"file": "stdout", "average": "fold"})
