"""libtrilog on a later librdkafka than the one that it was built on: that of confluent-kafka's wheel."""

import os
import pathlib

import confluent_kafka
import pytest

from admin_port import clean_environment


def newer_environment(folder):
    """In which programs of this build find it; `folder` is made. Skips where the wheel has none."""
    wheel = pathlib.Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs")
    found = sorted(wheel.glob("librdkafka*.so*"))
    if not found:
        pytest.skip(f"no later librdkafka is in {wheel}")
    folder.mkdir()
    (folder / "librdkafka.so.1").symlink_to(found[0].resolve())
    return {**clean_environment(), "LD_LIBRARY_PATH": str(folder)}


def assert_runs_on_it(process, environment):
    """Asked of the process: a folder that nothing is found in would make all these tests idle."""
    used = (pathlib.Path(environment["LD_LIBRARY_PATH"]) / "librdkafka.so.1").resolve()
    mapped = pathlib.Path(os.path.join("/proc", str(process.pid), "maps")).read_text(encoding="utf-8")
    assert str(used) in mapped
