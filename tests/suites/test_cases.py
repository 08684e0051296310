"""Suites: read in Foreshot's own columns and in HateCheck's, their labels, their pairs, and what is refused."""

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foreshot.data.labels import Classes, find_classes
from foreshot.errors import ConfigError, DataError
from foreshot.results.behaviour import Case
from foreshot.suites.cases import Suite, read_suite

BINARY = find_classes([0, 1], None, source="a.csv")  # written 0 and 1, named benign and toxic
NAMED = find_classes(["civil", "rude"], None, source="a.csv")
DAVIDSON = find_classes([0, 1, 2] * 3, ["0", "1"], source="a.csv")  # 0 and 1 toxic, 2 benign
REVERSED = find_classes([0, 1] * 2, ["0"], source="a.csv")  # 0 toxic, 1 benign
UNCLEAR = find_classes(["a", "b"] * 2, None, source="a.csv")
THREE = find_classes(["a", "b", "c"] * 2, None, source="a.csv")

OWN = """text,label,functionality,group,pair,template,note
"Nobody asked you, fool",toxic,insult,,one,t1,plain
Nobody asked the fool in the play,benign,quoted,,one,t1,
Waiters are lovely,0,group,waiters,,,
"""
HATECHECK = """\
,functionality,case_id,test_case,label_gold,target_ident,direction,focus_words,focus_lemma,\
ref_case_id,ref_templ_id,templ_id,case_templ
0,dislike_h,11,I cannot bear waiters. ,hateful,waiters,general,bear,bear,,,3,I cannot bear [X].
1,dislike_h,12,I cannot bear bakers. ,hateful,bakers,general,bear,bear,,,3,I cannot bear [X].
2,negation_nh,13,I can well bear waiters. ,non-hateful,waiters,,bear,bear,11.0,3.0,4,I can well bear [X].
3,quote_nh,14,'I cannot bear waiters' is no opener. ,non-hateful,waiters,,,,11.0,3.0,5,'I cannot bear [X]' is no opener.
4,caps_h,15,I CANNOT BEAR BAKERS. ,hateful,bakers,general,,,12.0,3.0,6,I CANNOT BEAR [X].
5,things_nh,16,I cannot bear rain. ,non-hateful,,,,,12.0,3.0,7,I cannot bear rain.
6,things_nh,17,I cannot bear Mondays. ,non-hateful,,,,,99.0,9.0,8,I cannot bear Mondays.
"""
MULTILINGUAL = """\
mhc_case_id,functionality,test_case,label_gold,target_ident,ref_case_id,ref_templ_id,templ_id,case_templ,gender_male
german-1,dislike_h,Ich mag keine Bäcker.,hateful,bakers,,,1,Ich mag keine [X].,
german-2,negation_nh,Ich mag Bäcker.,non-hateful,bakers,1.0,1.0,2,Ich mag [X].,
dutch-1,dislike_h,Ik hou niet van bakkers.,hateful,bakers,,,1,,
dutch-2,negation_nh,Ik hou van bakkers.,non-hateful,bakers,1.0,1.0,2,,
"""
HATEMOJI = """\
case_id,templ_id,test_group_id,text,target,functionality,set,label_gold,unrealistic_flags,included_in_test_suite
0,1.0,1,All bakers are 🐌,bakers,swap,orig,1,0,1
1,1.1,1,All trams are 🐌,None,swap,identity_perturb,0,0,1
"""


@pytest.fixture
def write(tmp_path):
    def write(content: str, name: str = "suite.csv") -> str:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return str(tmp_path / name)

    return write


def table(*rows: str, header: str = "text,label,functionality") -> str:
    return "\n".join([header, *rows, ""])


# ---- layouts ----


def test_our_own_columns(write):
    assert read_suite(write(OWN), BINARY).cases == (
        Case(
            text="Nobody asked you, fool",
            label="toxic",
            functionality="insult",
            pair="one",
            template="t1",
            note="plain",
            sealed=True,
        ),
        Case(
            text="Nobody asked the fool in the play",
            label="benign",
            functionality="quoted",
            pair="one",
            template="t1",
            sealed=True,
        ),
        Case(text="Waiters are lovely", label="benign", functionality="group", group="waiters", sealed=True),
    )


def test_three_columns_are_enough_and_others_do_not_matter(write):
    content = table("You fool,1,insult,x", "Hello,0,greeting,y", header="text,label,functionality,annotator")
    assert read_suite(write(content), BINARY).cases == (
        Case(text="You fool", label="toxic", functionality="insult", sealed=True),
        Case(text="Hello", label="benign", functionality="greeting", sealed=True),
    )


def test_other_kinds_of_file(write, tmp_path):
    cases = [
        {"text": "You fool", "label": True, "functionality": "insult", "template": 1.0, "group": None},
        {"text": "Hello", "label": False, "functionality": "greeting", "template": None, "group": "waiters"},
    ]
    expected = (
        Case(text="You fool", label="toxic", functionality="insult", template="1", sealed=True),
        Case(text="Hello", label="benign", functionality="greeting", group="waiters", sealed=True),
    )
    lines = write("\n".join(json.dumps(case) for case in cases), "suite.jsonl")
    assert read_suite(lines, BINARY).cases == expected
    pq.write_table(pa.Table.from_pylist(cases), tmp_path / "suite.parquet")
    assert read_suite(str(tmp_path / "suite.parquet"), BINARY).cases == expected
    tabs = write("text\tlabel\tfunctionality\nYou fool\ttoxic\tinsult\nHi\tbenign\tgreeting\n", "suite.tsv")
    assert [case.text for case in read_suite(tabs, BINARY).cases] == ["You fool", "Hi"]


def test_hatecheck_as_published(write):
    cases = read_suite(write(HATECHECK), BINARY).cases
    assert cases[0] == Case(
        text="I cannot bear waiters.",
        label="toxic",
        functionality="dislike_h",
        group="waiters",
        pair="ref_case_id 11",
        template="3",
        sealed=True,
    )
    assert [case.label for case in cases] == ["toxic", "toxic", "benign", "benign", "toxic", "benign", "benign"]
    assert [case.group for case in cases][4:] == ["bakers", None, None]
    assert [case.template for case in cases] == ["3", "3", "4", "5", "6", "7", "8"]


def test_pairs_of_hatecheck_by_hand(write):
    # 14 would be a second twin of 11, 15 has the label of 12, 99 isn't there.
    twins = [case.pair for case in read_suite(write(HATECHECK), BINARY).cases]
    assert twins == [
        "ref_case_id 11",
        "ref_case_id 12",
        "ref_case_id 11",
        None,
        None,
        "ref_case_id 12",
        None,
    ]


def test_a_case_between_two_others_is_in_one_pair(write):
    header = "case_id,test_case,label_gold,functionality,ref_case_id"
    one, two, three = "1,one,1,f,", "2,two,0,f,1", "3,three,1,f,2"
    suite = read_suite(write(table(one, two, three, header=header)), BINARY)
    assert [case.pair for case in suite.cases] == ["ref_case_id 1", "ref_case_id 1", None]
    assert suite.facts().pairs == 1
    suite = read_suite(write(table(one, three, two, header=header)), BINARY)
    assert [case.pair for case in suite.cases] == [None, "ref_case_id 2", "ref_case_id 2"]


def test_the_multilingual_hatecheck(write):
    cases = read_suite(write(MULTILINGUAL), BINARY).cases
    assert [case.label for case in cases] == ["toxic", "benign"] * 2
    assert cases[0].text == "Ich mag keine Bäcker."
    assert [case.pair for case in cases] == ["ref_case_id german-1"] * 2 + ["ref_case_id dutch-1"] * 2


def test_hatemojicheck(write):
    assert read_suite(write(HATEMOJI), BINARY).cases == (
        Case(text="All bakers are 🐌", label="toxic", functionality="swap", group="bakers", template="1", sealed=True),
        Case(text="All trams are 🐌", label="benign", functionality="swap", template="1.1", sealed=True),
    )


def test_texts_are_normalised_and_keep_what_has_no_width(write):
    content = table("  f\u200boo\u200bl &amp; cafe\u0301  ,1,evasion", "hi,0,greeting")
    assert read_suite(write(content), BINARY).cases[0].text == "f\u200boo\u200bl & caf\u00e9"


# ---- labels ----


@pytest.mark.parametrize("toxic", ["rude", "toxic", "Hateful", "hate", "OFFENSIVE", "1", "1.0", "true", "yes"])
@pytest.mark.parametrize(
    "benign", ["civil", "benign", "non-hateful", "Not Hateful", "not_hate", "none", "Normal", "0", "false", "no"]
)
def test_words_for_toxic_and_benign(write, toxic, benign):
    suite = read_suite(write(table(f"a,{toxic},f", f"b,{benign},f")), NAMED)
    assert [case.label for case in suite.cases] == ["rude", "civil"]


def test_labels_as_the_data_writes_them(write):
    suite = read_suite(write(table("a,0,f", "b,1,f", "c,2,f", "d,hateful,f")), DAVIDSON)
    assert [case.label for case in suite.cases] == ["toxic", "toxic", "benign", "toxic"]


def test_numbers_of_a_published_suite_are_not_those_of_the_data(write):
    # In HatemojiCheck 1 is hateful, whatever the data means by it.
    assert [case.label for case in read_suite(write(HATEMOJI), REVERSED).cases] == ["toxic", "benign"]
    own = table("a,1,f", "b,0,f")
    assert [case.label for case in read_suite(write(own), REVERSED).cases] == ["benign", "toxic"]


def test_the_name_of_a_class_is_no_word_for_another(write):
    classes = Classes(("offensive", "hate"), 1, {"1": "offensive", "2": "hate"}, ())
    path = write(table("a,offensive,f", "b,hate,f", header="text,label_gold,functionality"))
    assert [case.label for case in read_suite(path, classes).cases] == ["offensive", "hate"]


def test_a_mapping_comes_first(write):
    path = write(table("a,0,f", "b,1,f", "c,odd,f"))
    suite = read_suite(path, BINARY, {"0": "toxic", "1.0": "benign", "odd": "1"})  # by name, or as written
    assert [case.label for case in suite.cases] == ["toxic", "benign", "toxic"]
    suite = read_suite(write(HATECHECK), UNCLEAR, {"hateful": "b", "non-hateful": "a"})
    assert [case.label for case in suite.cases] == ["b", "b", "a", "a", "b", "a", "a"]


def test_a_task_of_many_classes(write):
    path = write(table("a,a,f", "b,b,f"))
    assert [case.label for case in read_suite(path, THREE).cases] == ["a", "b"]  # without a case of c
    path = write(HATECHECK)
    with pytest.raises(DataError, match=r"label 'hateful' is none of the classes a, b, c; say .* suite_labels"):
        read_suite(path, THREE)
    assert read_suite(path, THREE, {"hateful": "c", "non-hateful": "a"}).cases[0].label == "c"


# ---- what is refused ----

PAIRED = "text,label,functionality,pair"
NUMBERED = "text,label,functionality,case_id"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "comment,label,functionality\na,1,f\n",
            "{path}: has no column text or test_case; a suite needs text, label and functionality, or as HateCheck "
            "has them test_case, label_gold and functionality (columns: comment, label, functionality)",
        ),
        (
            "test_case,target_ident\na,b\n",
            "{path}: has no column label or label_gold and no column functionality; a suite needs text, label and "
            "functionality, or as HateCheck has them test_case, label_gold and functionality "
            "(columns: test_case, target_ident)",
        ),
        (
            table("a,1,f", "b,-1,f"),
            "{path}, line 3: label '-1' is none of the classes benign, toxic and usually says that nobody labelled the "
            "case; remove it, or say which it means with suite_labels",
        ),
        (
            table("a,1,f", "b,odd,f"),
            "{path}, line 3: label 'odd' is none of the classes benign, toxic; say which it means with suite_labels",
        ),
        (table("a,1,f", "b,,f"), "{path}, line 3: column 'label' is empty; fill it in or remove the row"),
        (table("a,1,f", "b,0, "), "{path}, line 3: column 'functionality' is empty; fill it in or remove the row"),
        (
            table("a,1,f", "  ,0,f"),
            "{path}, line 3: the case's text is empty (column 'text'); give one or remove the row",
        ),
        (
            table("a,1,f", "\u200b,0,f"),
            "{path}, line 3: the case's text is empty (column 'text'); give one or remove the row",
        ),
        (
            table("a,1,f", "b,yes,f"),
            "{path}: no case is benign: the labels 1, yes are all taken for toxic; add cases, or say what the "
            "labels mean with suite_labels",
        ),
        (
            table("a,0,f"),
            "{path}: no case is toxic: the labels 0 are all taken for benign; add cases, or say what the "
            "labels mean with suite_labels",
        ),
        (
            table("a,1,f,7", "b,0,f,8", "c,0,f,7.0", header=NUMBERED),
            "{path}, line 4: case_id '7' is that of line 2 too; give each case its own",
        ),
        (
            table("a,1,f", "b,0,f", "a ,0,g"),
            "{path}, line 4: the text 'a' is benign here and toxic in line 2; remove one",
        ),
        (
            table("a,1,f,7", "a,0,f,8", header=NUMBERED),
            "{path}, line 3: the text 'a' is benign here and toxic in line 2; remove one",
        ),
        (
            table("b,0,f", "a,1,f", "a,1,g", "a,1,f"),
            "{path}, line 5: the same case as line 3 (text, label and functionality); remove one",
        ),
        (
            table("a,1,f,", "b,0,f,p", header=PAIRED),
            "{path}, line 3: pair 'p': cases that name it: 1; a pair is two cases of different labels",
        ),
        (
            table("a,1,f,p", "b,0,f,p", "c,0,f,p", header=PAIRED),
            "{path}, line 2: pair 'p': cases that name it: 3; a pair is two cases of different labels",
        ),
        (
            table("b,0,f,", "a,1,f,p", "c,1,f,p", header=PAIRED),
            "{path}, line 3: pair 'p' has the label toxic twice (again in line 4); a pair is two cases of "
            "different labels",
        ),
        ("text,label,functionality\n", "{path}: holds no rows of data"),
    ],
)
def test_a_bad_suite_is_refused(write, content, message):
    path = write(content)
    with pytest.raises(DataError) as caught:
        read_suite(path, BINARY)
    assert str(caught.value) == message.format(path=path)


def test_a_text_that_is_none_is_refused(write):
    path = write('{"text": 5, "label": 1, "functionality": "f"}\n', "suite.jsonl")
    with pytest.raises(DataError, match=r"suite\.jsonl, line 1: column 'text' holds a value of type int; give a text"):
        read_suite(path, BINARY)


def test_a_case_may_stand_twice_where_its_author_numbered_both(write):
    suite = read_suite(write(table("a,1,f,1", "a,1,f,2", "b,0,f,3", header=NUMBERED)), BINARY)
    assert [case.text for case in suite.cases] == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            {"hateful": "spam"},
            "{path}: suite_labels: 'spam', for 'hateful', is none of the classes benign, toxic",
        ),
        (
            {"awful": "toxic"},
            "{path}: suite_labels: no case has the label 'awful'; the labels are hateful, non-hateful",
        ),
        (
            {"non-hateful": "toxic"},
            "{path}: no case is benign: the labels hateful, non-hateful are all taken for toxic; add cases, or say "
            "what the labels mean with suite_labels",
        ),
        (
            {"non-hateful": "benign", "non-hateful ": "toxic"},
            "{path}: suite_labels: 'non-hateful' can't be both benign and toxic",
        ),
    ],
)
def test_a_bad_mapping_is_refused(write, mapping, message):
    path = write(HATECHECK)
    with pytest.raises(DataError) as caught:
        read_suite(path, BINARY, mapping)
    assert str(caught.value) == message.format(path=path)


OFFENSIVE = Classes(("fine", "offensive", "hateful"), 2, {}, ())  # a model of three classes, of which one is toxic


@pytest.mark.parametrize(
    ("classes", "mapping", "message"),
    [
        (THREE, {"hateful": "c", "non-hateful": "c"}, "no case is a or b: the labels .* are all taken for c;"),
        (OFFENSIVE, {"hateful": "hateful", "non-hateful": "hateful"}, "no case is fine or offensive: "),
        (OFFENSIVE, {"hateful": "offensive", "non-hateful": "fine"}, "'hateful' can't be both hateful and offensive"),
        (
            replace(OFFENSIVE, positive=1),
            {"non-hateful": "fine"},
            "no case is offensive: .* for fine, hateful;",
        ),
        (NAMED, {"hateful": "civil", "non-hateful": "civil"}, "no case is rude: "),
    ],
)
def test_a_mapping_that_no_model_can_fail_is_refused(write, classes, mapping, message):
    with pytest.raises(DataError, match=message):
        read_suite(write(HATECHECK), classes, mapping)


def test_two_labels_of_a_suite_may_be_one_class(write):
    path = write(table("a,hateful,f", "b,offensive,f", "c,fine,f"))
    assert [case.label for case in read_suite(path, NAMED, {"fine": "civil"}).cases] == ["rude", "rude", "civil"]
    assert {case.label for case in read_suite(path, OFFENSIVE).cases} == {"hateful", "offensive", "fine"}


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"missing\.csv: no such file"):
        read_suite(str(tmp_path / "missing.csv"), BINARY)


# ---- the built-in suite ----


@pytest.fixture
def built_in(monkeypatch):
    cases = (
        Case(text="You fool", label="toxic", functionality="insult", pair="1"),
        Case(text="You friend", label="benign", functionality="praise", pair="1"),
    )
    monkeypatch.setattr("foreshot.suites.cases.builtin_cases", lambda: cases)
    return cases


def test_the_built_in_suite_takes_the_names_of_the_data(built_in):
    suite = read_suite("builtin", BINARY)
    assert suite == Suite(name="builtin", cases=built_in)
    assert [case.label for case in read_suite("builtin", NAMED).cases] == ["rude", "civil"]
    first = Classes(("toxic", "benign"), 0, {}, ())
    assert read_suite("builtin", first).cases == built_in


@pytest.mark.parametrize("classes", [THREE, UNCLEAR])
def test_the_built_in_suite_is_refused_in_a_task_of_other_classes(built_in, classes):
    with pytest.raises(ConfigError, match=r"suite: the built-in one is benign or toxic; .* name a file"):
        read_suite("builtin", classes)


def test_the_built_in_suite_takes_no_mapping(built_in):
    with pytest.raises(ConfigError, match="suite: suite_labels is for the labels of a file"):
        read_suite("builtin", BINARY, {"toxic": "benign"})


# ---- facts ----


def test_facts_by_hand(write):
    path = write(OWN)
    suite = read_suite(path, BINARY)
    facts = suite.facts()
    assert facts.name == path
    assert (facts.cases, facts.class_counts, facts.pairs) == (3, {"benign": 2, "toxic": 1}, 1)
    assert facts.fingerprint == suite.fingerprint


def test_a_file_is_sealed_as_a_whole_and_the_built_in_suite_in_part(write):
    assert all(case.sealed for case in read_suite(write(OWN), BINARY).cases)
    assert {case.sealed for case in read_suite("builtin", BINARY).cases} == {True, False}


def test_the_fingerprint_does_not_know_the_seal():
    suite = read_suite("builtin", BINARY)
    opened = replace(suite, cases=tuple(case.model_copy(update={"sealed": False}) for case in suite.cases))
    assert opened.fingerprint == suite.fingerprint == "758275efec28d5cf"  # as runs of earlier versions have it


def test_the_fingerprint_is_that_of_the_cases(write):
    suite = read_suite(write(OWN), BINARY)
    assert read_suite(write(OWN, "copy.csv"), BINARY).fingerprint == suite.fingerprint
    changed = [OWN.replace("plain", "other"), OWN.replace("lovely", "lovely!"), OWN.replace("lovely,0", "lovely,1")]
    prints = {read_suite(write(content), BINARY).fingerprint for content in changed}
    assert len(prints | {suite.fingerprint}) == 4


def test_cases_of_a_disguise_that_is_trained_with_are_no_longer_sealed():
    suite = read_suite("builtin", BINARY)
    sealed = {case.functionality for case in suite.cases if case.sealed}
    assert {"evasion: dots", "evasion: emoji"} <= sealed
    mended = suite.mended_with(["dots", "leet"])
    opened = {"evasion: dots", "evasion: leet"}
    assert {case.functionality for case in mended.cases if case.sealed} & opened == set()
    assert {case.functionality for case in suite.mended_with([]).cases if case.sealed} == sealed
    open_pairs = {case.pair for case in mended.cases if case.functionality in opened} - {None}
    assert open_pairs  # benign twins are disguised likewise
    assert not any(case.sealed for case in mended.cases if case.pair in open_pairs)
    alike = suite.mended_with(["wide letters"])
    assert not any(
        case.sealed for case in alike.cases if case.functionality in {"evasion: homoglyphs", "evasion: emoji"}
    )
    assert mended.fingerprint == suite.fingerprint
    own = replace(suite, name="own.csv")
    assert own.mended_with(["dots"]) is own
