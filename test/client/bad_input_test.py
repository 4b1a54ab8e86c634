"""Bad input to every command and every endpoint there is, also to those that come later: a sentence
and the right exit status or code, no crash, nothing changed. Endpoints are read out of the table of
routes, commands out of the command's own help."""

import json
import random
import re
import subprocess

import pytest

from admin_port import ask, clean_environment, post, trilog, trilog_path
from cluster import ROOT, free_port

pytestmark = pytest.mark.trilog_only

ROUTES = re.findall(r'\{"(GET|POST)", "(/[^"]*)"',
                    (ROOT / "cluster/admin/route.c").read_text(encoding="utf-8"))
API = (ROOT / "docs/admin-api.md").read_text(encoding="utf-8")
CODES = set(re.findall(r"`([a-z_]+)`", API.split("| status | codes |")[1].split("\n\n")[0]))
QUERY_TAKERS = set(re.findall(r'"(/[^"]*)"[^}]*ROUTE_QUERY',
                              (ROOT / "cluster/admin/route.c").read_text(encoding="utf-8")))
GETS = [path for method, path in ROUTES if method == "GET"]
POSTS = [path for method, path in ROUTES if method == "POST"]
VALUES = [None, True, -1, 0, 1, 63, 64, 1 << 31, 1 << 62, 1.5, "", "x", "earliest", "offset", "é\n\0",
          "y" * 2000, [], ["x"], [1], {}, {"retention.ms": "1"}, {"x": 1}, "127.0.0.1:1", "[::1]:99999"]


def assert_refused(answer, what):
    """A code of the documentation's table, and a sentence."""
    assert 400 <= answer.status < 600 and answer.status != 500, (what, answer.status, answer.body)
    assert answer.error in CODES, (what, answer.body)
    assert len(answer.json["message"].split()) >= 2, (what, answer.body)


def commands():
    """Of each its words, its operands, and its help."""
    listed = trilog("--help").stdout.split("options of")[0]
    found = []
    for name in re.findall(r"(?m)^  ([a-z-]+(?: [a-z-]+)?)(?: |$)", listed):
        told = trilog(*name.split(), "--help").stdout
        operands = re.match(rf"usage: trilog {name} (.*?)\[options\]", told).group(1)
        found.append((name.split(), operands.split(), told))
    return found


def test_the_tables_are_read():
    assert len(GETS) >= 15 and len(POSTS) >= 8 and len(CODES) >= 20 and len(commands()) >= 20


@pytest.mark.parametrize("method, path", ROUTES)
def test_endpoints_refuse_other_methods_and_strange_arguments(cluster, method, path):
    address = cluster.nodes[0].admin
    wrong = ask(address, path, "POST" if method == "GET" else "GET",
                {} if method == "GET" else None)
    assert wrong.status == 405 and wrong.headers["allow"].split(",")[0] == method
    assert_refused(wrong, path)
    if path not in QUERY_TAKERS:
        strange = ask(address, f"{path}?nonsense=1", method, {} if method == "POST" else None)
        assert (strange.status, strange.error) == (400, "unknown_field")
    for longer in (path + "/", path + "x", path.upper()):
        assert ask(address, longer, method).status == 404


@pytest.mark.parametrize("path", sorted(p for p in QUERY_TAKERS if p.startswith("/v1/")))
@pytest.mark.parametrize("query", ["nonsense=1", "=", "%00", "topic=%ff%fe", "group=%ff", "&&&",
                                   "group", "topic=" + "x" * 5000])
def test_endpoints_that_take_arguments_refuse_garbage(cluster, path, query):
    answer = ask(cluster.nodes[0].admin, f"{path}?{query}")
    assert answer.status == 200 and "=" not in query.strip("=") or answer.status < 500
    if answer.status != 200:
        assert_refused(answer, (path, query))


@pytest.mark.parametrize("path, name, value", [
    ("/v1/what-if", "lose", "a"), ("/v1/recover", "survivor", "a"),
    ("/v1/topics/describe", "topic", "__consumer_offsets"),
    ("/v1/consumer-groups/describe", "group", "g"), ("/v1/consumer-groups/history", "group", "g"),
    ("/v1/consumer-groups/policy", "group", "g")])
def test_endpoints_do_not_answer_for_a_part_of_what_was_asked(cluster, path, name, value):
    """The first of two values, or what stands before a NUL, is another question."""
    address = cluster.nodes[0].admin
    assert ask(address, f"{path}?{name}={value}").error != "invalid_field"
    for query in (f"{name}={value}&{name}=b", f"{name}={value}&{name}={value}",
                  f"{name}={value}%00b", f"{name}={value}%00"):
        answer = ask(address, f"{path}?{query}")
        assert (answer.status, answer.error) == (400, "invalid_field"), query
        assert "must be given once" in answer.json["message"]
    strange = ask(address, f"{path}?{name}%00x={value}")
    assert (strange.status, strange.error) == (400, "unknown_field")


@pytest.mark.parametrize("path", POSTS)
def test_endpoints_refuse_what_is_no_object_or_has_strange_fields(cluster, path):
    address = cluster.nodes[0].admin
    bodies = [b"", b"null", b"[]", b"{", b"{}{}", b"\xff\xfe", b"\0", b"{'a': 1}", b'{"a": NaN}',
              b'{"plan": true, "plan": false}', b'{"a": "\xc3\x28"}', b"[" * 5000,
              b'{"a":' * 5000, b'{"plan": 99999999999999999999}', b'"text"', b"1e999"]
    for body in bodies:
        answer = ask(address, path, "POST", body, {"Content-Type": "application/json"})
        assert_refused(answer, (path, body[:40]))
    assert_refused(post(address, path, {"nonsense_field": 1}), path)
    too_large = b'{"topic": "' + b"x" * (64 << 10) + b'"}'
    answer = ask(address, path, "POST", too_large, {"Content-Type": "application/json"})
    assert (answer.status, answer.error) == (413, "too_large")
    for kind in (None, "text/plain", "application/x-www-form-urlencoded"):
        answer = ask(address, path, "POST", b"{}", {"Content-Type": kind} if kind else {})
        assert (answer.status, answer.error) == (415, "not_json")


@pytest.mark.parametrize("path", POSTS)
def test_endpoints_stand_any_values_in_any_of_their_fields(cluster, path):
    """Planned only: what happens to be sound changes nothing either."""
    fields = sorted(set(re.findall(r"`([a-z_]+)`", API)))
    known = [name for name in fields
             if post(cluster.nodes[0].admin, path, {name: []}).error != "unknown_field"]
    if "plan" not in known:
        return  # what can't be planned is not tried with sound values
    chance = random.Random(path)
    for _ in range(60):
        body = {name: chance.choice(VALUES) for name in known if chance.random() < 0.6}
        answer = post(cluster.nodes[chance.randrange(3)].admin, path, {**body, "plan": True})
        if answer.status >= 400:
            assert_refused(answer, (path, body))
        else:
            assert answer.json.get("begun") in (False, None), (path, body)
    assert ask(cluster.nodes[0].admin, "/livez").status == 200


def test_every_command_refuses_what_it_does_not_take():
    nowhere = {"TRILOG_ADMIN": f"127.0.0.1:{free_port('127.0.0.1')}"}
    for command, operands, _ in commands():
        fewest = ["1"] * sum(not o.startswith("[") for o in operands)
        wrong = [["--nonsense"], ["--output", "xml"], ["--output"], ["--admin", "no-port"],
                 ["--help=1"], ["--token-file", "/nonexistent"], ["--admin", ""], ["-x"]]
        if not any("..." in o for o in operands):
            wrong.append(["1"] * (len(operands) + 1))
        for words in wrong:
            done = trilog(*command, *fewest, *words, environment=nowhere)
            assert done.returncode == 2, (command, words, done.stderr)
            assert done.stdout == "" and done.stderr.startswith("trilog: "), (command, words)
        if fewest:
            assert trilog(*command, *fewest[1:], environment=nowhere).returncode == 2


def test_every_command_stands_garbage_in_its_words_and_options(cluster):
    """With --plan where there is one; what changes something without asking is not among them."""
    admin = cluster.nodes[0].admin
    garbage = ["", "\x01\x1b[2J", "-1", "../../etc", "x" * 5000, "\udcff", "é", "99999999999999999999",
               "a=b=c", "%s%n"]
    for command, operands, words in commands():
        options = re.findall(r"--([a-z-]+) [A-Z]", words.split("\noptions:")[1])
        options = [o for o in options if o not in ("admin", "token-file", "wait")]
        plan = ["--plan"] if "--plan" in words else []
        for bad in garbage:
            fewest = [bad] * max(sum(not o.startswith("[") for o in operands), 0)
            for tried in [[*fewest], *([*fewest, f"--{option}", bad] for option in options)]:
                if not tried or command == ["pages", "write"]:
                    continue
                port = ["-a", admin] if "--admin" in words else []
                done = trilog(*command, *tried, *plan, *port)
                what = (command, tried, done.returncode, done.stderr)
                assert done.returncode in (0, 1, 2, 3), what
                assert done.returncode == 0 or done.stderr.startswith("trilog: "), what
                own = done.returncode == 2  # the operator's own words, before anybody was asked
                assert own or "\x1b" not in done.stdout + done.stderr, what


def test_what_can_not_be_written_is_no_success(cluster):
    for words in (["--help"], ["lag", "--help"], ["lag", "-a", cluster.nodes[0].admin]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([trilog_path(), *words], stdout=full, stderr=subprocess.PIPE,
                                  text=True, env=clean_environment(), timeout=60, check=False)
        assert done.returncode == 1 and "could not be written" in done.stderr, words


def test_a_node_that_answers_nonsense_is_told_from_one_that_does_not_answer(cluster):
    """Every command that only asks, against a port that is no operator's port."""
    address = f"{cluster.nodes[0].host}:{cluster.nodes[0].port}"  # clients' own
    for command, operands, words in commands():
        if "--yes" in words or "--admin" not in words or \
                command in (["pages", "write"], ["disk", "scrub"]):
            continue
        fewest = ["x"] * sum(not o.startswith("[") for o in operands)
        done = trilog(*command, *fewest, "-a", address)
        lacks_option = done.returncode == 2 and "--" in done.stderr
        assert lacks_option or (done.returncode == 4 and address in done.stderr), (command, done)


def test_refusals_reach_scripts_as_json(cluster):
    done = trilog("group", "describe", "not-there", "-o", "json", "-a", cluster.nodes[0].admin)
    assert done.returncode == 1 and json.loads(done.stdout)["error"] == "not_found"
