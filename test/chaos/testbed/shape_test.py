"""Sites, nodes, addresses and configuration files: nothing here needs root or starts anything."""
import difflib
import re

import pytest
from testbed.command import duration_us, percent, rate_bits
from testbed.lab import ROOT
from testbed.links import LinkSettings, queueing_commands
from testbed.settings import parse_assignment, sample_path, settings_of
from testbed.shape import Refused, make_shape
from testbed.wand import Wand


def settings_in(shape, node_id, extra=None):
    node = shape.node(node_id)
    with open(sample_path(ROOT, node.site), encoding="utf-8") as file:
        sample = file.read()
    return sample, settings_of(node, shape, sample, f"/somewhere/{node_id}", extra or {})


def changed_lines(before, after):
    """The settings whose lines differ, by name."""
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines())
             if line[:2] in ("- ", "+ ")]
    return {re.match(r"..\s*(- \{id|[\w.]*)", line).group(1) for line in lines}


@pytest.mark.parametrize("node_id", [1, 2, 3])
def test_the_shipped_files_differ_from_the_labs_in_addresses_only(node_id):
    sample, own = settings_in(make_shape(3, 1, False), node_id)
    assert changed_lines(sample, own) == {"data_directory", "listen", "advertised", "- {id"}
    assert f"listen: 10.{node_id}.0.1:9092\n" in own
    assert f"node_id: {node_id}\n" in own


def test_more_nodes_and_sites_get_ids_and_entries_of_their_own():
    _, own = settings_in(make_shape(5, 2, False), 9)
    assert "node_id: 9\nsite: d\n" in own
    assert len(re.findall(r"(?m)^  - \{id: \d+, site: [a-e], peer: .*\}$", own)) == 10
    assert '  - {id: 9, site: d, peer: "10.4.0.2:9093"}\n' in own
    assert "min.insync.replicas: 3\n" in own


def test_a_setting_of_the_users_replaces_or_adds_a_line():
    _, own = settings_in(make_shape(3, 1, False), 1, {"min.insync.replicas": "1", "gone_ms": "500"})
    assert re.findall(r"(?m)^min.insync.replicas.*$", own) == ["min.insync.replicas: 1"]
    assert own.endswith("\ngone_ms: 500\n")


@pytest.mark.parametrize("sites, nodes", [(0, 1), (6, 1), (3, 0), (3, 21)])
def test_shapes_that_are_not_possible_are_refused(sites, nodes):
    with pytest.raises(Refused):
        make_shape(sites, nodes, False)


def test_no_two_places_have_the_same_address():
    for is_loopback in (False, True):
        shape = make_shape(5, 20, is_loopback)
        hosts = [node.host for node in shape.nodes]
        if not is_loopback:
            hosts += [shape.application_host(site) for site in shape.sites]
            hosts += [shape.gateway(site) for site in shape.sites]
            hosts += [shape.wan_address(*pair) for pair in shape.directions()]
        assert len(set(hosts)) == len(hosts)


def test_times_rates_and_shares_are_read_as_written():
    assert [duration_us(text) for text in ("5ms", "2.5ms", "250us", "1s")] == [
        5_000, 2_500, 250, 1_000_000]
    assert [rate_bits(text) for text in ("5mbit", "1gbit", "unlimited")] == [
        5_000_000, 1_000_000_000, 0]
    assert [percent(text) for text in ("1%", "0.5")] == [1.0, 0.5]


@pytest.mark.parametrize("parse, text", [(duration_us, "5"), (duration_us, "fast"),
                                         (rate_bits, "5mb"), (percent, "half")])
def test_what_is_no_time_rate_or_share_is_refused(parse, text):
    with pytest.raises(Exception, match="is no"):
        parse(text)


@pytest.mark.parametrize("text", ["nothing", "=1", "a b=1", "a=1\nb: 2"])
def test_a_setting_without_name_or_of_two_lines_is_refused(text):
    with pytest.raises(Refused):
        parse_assignment(text)


def test_what_wand_dropped_is_read_from_its_answer():
    class Answers:
        def ask(self, _):
            return ["b delay_us=2500 jitter_us=0 held=3 passed=900 lost=0 dropped=0",
                    "c delay_us=0 dropped=17"]

    assert Wand.dropped(Answers()) == {"b": 0, "c": 17}


def test_with_netem_the_delay_is_above_the_rate():
    commands = queueing_commands("to-b", LinkSettings(delay_us=2_500, jitter_us=100,
                                                      rate_bits=5_000_000), has_netem=True)
    netem, tbf = commands.splitlines()[-2:]
    assert "root handle 1: netem" in netem and "delay 2500us 100us" in netem
    assert "parent 1:1 handle 10: tbf rate 5000000bit" in tbf
    assert "netem" not in queueing_commands("to-b", LinkSettings(delay_us=2_500), has_netem=False)
