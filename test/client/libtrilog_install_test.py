"""libtrilog as it is installed: an application that knows only pkg-config compiles against it, links
it both ways, and finds its manual."""

import os
import re
import subprocess

import pytest

from cluster import ROOT, free_port

pytestmark = pytest.mark.trilog_only
PAGE = ROOT / "dc-router" / "client" / "libtrilog.3"
HEADER = ROOT / "dc-router" / "client" / "include" / "trilog" / "trilog.h"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that `make install PREFIX=…` filled."""
    folder = tmp_path_factory.mktemp("installed")
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    subprocess.run(["make", "-s", "install", f"PREFIX={folder}"], cwd=ROOT, check=True, timeout=600,
                   env=environment, stdout=subprocess.DEVNULL)
    return folder


def flags(installed, *words):
    return subprocess.run(["pkg-config", *words, "trilog"], check=True, text=True, capture_output=True,
                          env={**os.environ, "PKG_CONFIG_PATH": str(installed / "lib" / "pkgconfig")}
                          ).stdout.split()


def build(installed, source, program, is_static):
    libraries = flags(installed, "--libs")
    if is_static:  # this library alone; the others as the machine has them
        libraries = [libraries[0], "-l:libtrilog.a", "-lrdkafka", "-lyaml", "-luv", "-pthread"]
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", *flags(installed, "--cflags"), str(source),
                    "-o", str(program), *libraries], check=True)
    return {**os.environ, "LD_LIBRARY_PATH": str(installed / "lib")}


def nowhere(folder):
    config = folder / "client.yaml"
    config.write_text("site: a\nsend_timeout_ms: 300 ms\n"
                      f"bootstrap: ['127.0.0.1:{free_port('127.0.0.1')}']\n", encoding="ascii")
    return {"TRILOG_CLIENT_CONFIG": str(config)}


@pytest.mark.parametrize("is_static", [False, True])
def test_its_examples_compile_and_run(installed, tmp_path, is_static):
    for source in sorted((ROOT / "dc-router" / "client" / "examples").glob("*.c")):
        program = tmp_path / source.stem
        environment = build(installed, source, program, is_static)
        done = subprocess.run([program], env=environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)
        assert done.returncode == 2 and "usage:" in done.stderr


def test_the_example_of_its_manual_compiles_and_says_what_happened(installed, tmp_path):
    text = re.search(r"\.SH EXAMPLE\n\.nf\n(.*?)\.fi\n", PAGE.read_text(encoding="ascii"), re.S).group(1)
    source = tmp_path / "example.c"
    source.write_text(text.replace("\\\\", "\\"), encoding="ascii")
    environment = build(installed, source, tmp_path / "example", False)
    done = subprocess.run([tmp_path / "example"], env={**environment, **nowhere(tmp_path)},
                          capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "not known in time; the record may have been taken, or yet be\n")


def test_its_manual_reads_without_a_warning_and_has_every_function_of_producers(installed):
    page = installed / "share" / "man" / "man3" / "trilog.3"
    shown = subprocess.run(["man", "--warnings", "-l", str(page)], capture_output=True, text=True, check=True,
                           env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
    assert shown.stderr == ""
    functions = set(re.findall(r"TRILOG_API[^;]*?\b(trilog_\w+)\(", HEADER.read_text(encoding="utf-8")))
    text = PAGE.read_text(encoding="ascii").replace("\\fR", "")
    named = set(re.findall(r"\b(trilog_\w+)\(", text))
    assert named <= functions
    of_producers = {f for f in functions if re.search(r"producer|send|flush|spool|failure|site|error", f)}
    assert {f for f in of_producers if "consumer" not in f} <= named
