"""Cuts: what vanishes, what does not, and that nobody is told."""
from contextlib import ExitStack

import pytest
from places import Way, stream, which_arrive
from testbed.lab import Refused


def passing(lab, pairs):
    """Those of the (source, target) between which a datagram arrives."""
    with ExitStack() as stack:
        ways = [stack.enter_context(Way(lab, *pair)) for pair in pairs]
        arrived = which_arrive(ways)
        assert not any(way.error() for way in ways), "a cut is silent"
        return [pair for pair, way in zip(pairs, ways) if way in arrived]


def both_ways(one, others):
    return [(one, other) for other in others], [(other, one) for other in others]


DIRECTIONS = pytest.mark.parametrize("direction, is_out_cut, is_in_cut", [
    ("out", True, False), ("in", False, True), ("both", True, True)])


def test_a_link_is_cut_in_one_direction(lab):
    cut = lab.cut_link("a", "b", one_way=True)
    assert passing(lab, [("a", "b"), ("b", "a"), ("a", "c")]) == [("b", "a"), ("a", "c")]
    cut.restore()
    assert passing(lab, [("a", "b")])


def test_no_third_site_relays(lab):
    lab.cut_link("a", "b")
    assert passing(lab, [("a", 2), ("b", 1), (1, 2), ("a", 3), (3, "b")]) == [("a", 3), (3, "b")]


def test_a_connection_that_exists_is_cut_and_goes_on_afterwards(lab):
    client, server = stream(lab, "a", "b")
    with client, server:
        cut = lab.cut_link("a", "b", one_way=True)
        client.sendall(b"late")
        server.settimeout(0.3)
        with pytest.raises(TimeoutError):
            server.recv(10)
        cut.restore()
        server.settimeout(10)
        assert server.recv(10) == b"late"


@DIRECTIONS
def test_a_node_is_cut_from_everything(lab, direction, is_out_cut, is_in_cut):
    out, into = both_ways(1, ["a", "b", 2])
    cut = lab.cut_node(1, direction)
    expected = (not is_out_cut) * out + (not is_in_cut) * into + [("a", "b")]
    assert passing(lab, out + into + [("a", "b")]) == expected, "the rest of its site is not"
    cut.restore()
    assert passing(lab, out + into) == out + into


@DIRECTIONS
def test_a_site_is_cut_from_the_others_but_not_within(lab, direction, is_out_cut, is_in_cut):
    lab.cut_site("b", direction)
    out, into = both_ways(2, ["a", "c", 1, 3])
    within = [("b", 2), (2, "b"), ("a", 3)]
    expected = (not is_out_cut) * out + (not is_in_cut) * into + within
    assert passing(lab, out + into + within) == expected


@DIRECTIONS
def test_applications_are_cut_from_their_nodes_while_nodes_meet(lab, direction, is_out_cut,
                                                                is_in_cut):
    lab.cut_applications("a", direction=direction)
    rest = [("a", 2), ("b", 1), (1, 2), (2, 1)]
    expected = (not is_out_cut) * [("a", 1)] + (not is_in_cut) * [(1, "a")] + rest
    assert passing(lab, [("a", 1), (1, "a"), *rest]) == expected


def test_applications_are_cut_from_nodes_of_another_site(lab):
    lab.cut_applications("a", nodes_of="c")
    assert passing(lab, [("a", 3), ("a", 1), ("b", 3)]) == [("a", 1), ("b", 3)]


def test_cuts_add_up_and_each_is_restored_by_itself(lab):
    pairs = [("a", "c"), ("a", "b"), ("a", 2)]
    site, pair, node = lab.cut_site("a"), lab.cut_link("a", "b"), lab.cut_node(2, "in")
    assert passing(lab, pairs) == []
    site.restore()
    assert passing(lab, pairs) == [("a", "c")]
    pair.restore()
    pair.restore()
    assert passing(lab, pairs) == [("a", "c"), ("a", "b")]
    node.restore()
    assert passing(lab, pairs) == pairs


def test_a_cut_shows_in_the_status(lab):
    lab.cut_link("a", "b", one_way=True)
    lab.cut_node(3, "out")
    status = lab.status()
    assert [(link["source"], link["target"]) for link in status["links"] if link["cut"]] == [
        ("a", "b")]
    assert [cut["cut"] for cut in status["cuts"]] == ["a to b", "node 3 out"]


def test_what_can_not_be_cut_is_refused(lab):
    for wrong in (lambda: lab.cut_node(9), lambda: lab.cut_link("a", "a"),
                  lambda: lab.cut_node(1, "sideways"), lambda: lab.cut_applications("z"),
                  lambda: lab.cut([{"what": "moon", "names": []}])):
        with pytest.raises(Refused):
            wrong()
    assert lab.status()["cuts"] == []
