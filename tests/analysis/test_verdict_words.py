"""What a verdict is called: one enumeration, whose values are those of the documents."""

from __future__ import annotations

import json
import pickle

import pytest
from rigorkd_analysis import document
from rigorkd_analysis.verdicts import Verdict, directed


def test_the_values_of_the_documents_stay():
    assert [verdict.value for verdict in Verdict] == [
        "better",
        "worse",
        "equivalent",
        "better_negligible",
        "worse_negligible",
        "inconclusive",
    ]
    assert json.dumps(document(Verdict.BETTER_NEGLIGIBLE)) == '"better_negligible"'
    assert type(document(Verdict.BETTER)) is str
    assert pickle.loads(pickle.dumps(Verdict.WORSE)) is Verdict.WORSE


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict_has_its_words(verdict: Verdict):
    assert verdict == verdict.value
    assert verdict.label.startswith(verdict.badge)
    assert verdict.sentence.endswith(".")
    assert verdict.negligible == ("negligible" in verdict.label)
    assert verdict.directed == (verdict.badge in ("better", "worse"))


def test_labels_and_sentences_tell_verdicts_apart():
    assert len({verdict.label for verdict in Verdict}) == len({v.sentence for v in Verdict}) == len(Verdict)


def test_a_direction_is_said_with_its_size():
    assert directed(True) is Verdict.BETTER
    assert directed(False, negligible=True) is Verdict.WORSE_NEGLIGIBLE
