import pytest

from engine.api import codec
from engine.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ('{"label":["a","b=c"]}', {"label": ("a", "b=c")}),
        ('{"status":{"running":true,"paused":true}}', {"status": ("running", "paused")}),
        ('{"dangling":{"true":true,"false":false}}', {"dangling": ("true",)}),
    ],
)
def test_filters_are_read_in_both_encodings(text, value):
    assert codec.parse_filters(text) == value


@pytest.mark.parametrize("text", ["[", "[]", '{"a":"b"}', '{"a":[1]}', "3"])
def test_filters_of_another_shape_are_refused(text):
    with pytest.raises(InvalidArgument, match="invalid filters"):
        codec.parse_filters(text)


def test_an_unknown_filter_is_named():
    with pytest.raises(InvalidArgument, match="invalid filter 'nope'"):
        codec.check_filters({"nope": ("x",)}, ("label",))


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("true", True), ("True", True), ("0", False), ("", False), ("no", False)]
)
def test_flags_are_read_as_docker_reads_them(text, value):
    assert codec.parse_flag(text) is value


@pytest.mark.parametrize("data", [b"{", b"[1]", b'"x"', b'{"a":NaN}', b"\xff\xfe{", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(data):
    with pytest.raises(InvalidArgument, match="invalid JSON"):
        codec.parse_object(data)


def test_an_empty_or_null_body_is_an_empty_object():
    assert codec.parse_object(b"") == codec.parse_object(b" null ") == {}


@pytest.mark.parametrize(
    ("getter", "value", "message"),
    [
        ("integer", "1", "HostConfig.X: expected an integer, got a string"),
        ("integer", 1.5, "HostConfig.X: expected an integer, got a number"),
        ("integer", True, "HostConfig.X: expected an integer, got a boolean"),
        ("integer", 2**63, "HostConfig.X: 9223372036854775808 is out of range"),
        ("flag", 1, "HostConfig.X: expected a boolean, got an integer"),
        ("text", [], "HostConfig.X: expected a string, got an array"),
        ("texts", "a", "HostConfig.X: expected an array, got a string"),
        ("texts", ["a", 1], "HostConfig.X[1]: expected a string, got an integer"),
        ("texts", [None], "HostConfig.X[0]: expected a string, got null"),
        ("mapping", {"a": 1}, "HostConfig.X.a: expected a string, got an integer"),
        ("keys", {"80/tcp": 1}, "HostConfig.X.80/tcp: expected an object, got an integer"),
        ("table", [], "HostConfig.X: expected an object, got an array"),
        ("tables", [{}, 1], "HostConfig.X[1]: expected an object, got an integer"),
        ("command", {}, "HostConfig.X: expected an array, got an object"),
    ],
)
def test_a_field_of_another_type_is_named(getter, value, message):
    fields = codec.Fields({"X": value}, "HostConfig")
    with pytest.raises(InvalidArgument) as caught:
        getattr(fields, getter)("X")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("getter", "zero"),
    [("integer", 0), ("flag", False), ("text", ""), ("texts", ()), ("mapping", {}), ("tables", []), ("command", None)],
)
def test_null_and_absent_are_zero(getter, zero):
    assert getattr(codec.Fields({"X": None}), getter)("X") == zero
    assert getattr(codec.Fields({}), getter)("X") == zero


def test_names_are_found_in_any_case():
    assert codec.Fields({"image": "a"}).text("Image") == "a"


def test_what_nobody_read_is_named_unless_it_is_zero():
    fields = codec.Fields({"Image": "a", "Foo": 1, "Bar": 0, "Baz": None, "nested": {}}, "Config")
    fields.text("Image")
    assert fields.unread() == ["Config.Foo"]


def test_a_command_may_be_one_string():
    assert codec.Fields({"Cmd": "ls"}).command("Cmd") == ("ls",)
    assert codec.Fields({"Cmd": ["ls", "-l"]}).command("Cmd") == ("ls", "-l")


@pytest.mark.parametrize(
    "text",
    [
        '{"Privileged": false, "Privileged": true}',
        '{"HostConfig": {"Binds": [], "Binds": ["/:/h"]}}',
        '{"Labels": {"a": "1", "a": "2"}}',
    ],
)
def test_a_name_that_occurs_twice_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="twice"):
        codec.parse_object(text.encode())


@pytest.mark.parametrize("name", ["Privileged", "privileged", "PRIVILEGED"])
def test_a_field_in_two_cases_is_refused_and_labels_may_differ_in_case(name: str) -> None:
    body = b'{"Privileged": false, "privileged": true, "Labels": {"a": "", "A": ""}}'
    fields = codec.Fields(codec.parse_object(body))
    with pytest.raises(InvalidArgument, match="more than once"):
        fields.flag(name)
    assert fields.mapping("Labels") == {"a": "", "A": ""}
