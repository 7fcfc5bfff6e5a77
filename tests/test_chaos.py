"""A short storm of benchmarks/chaos.py: it must be able to pass, and to fail."""

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import chaos_faults
from chaos import sweep
from storm import STEPS, Storm


@pytest.fixture(scope="module")
def storm(tmp_path_factory):
    made = Storm(tmp_path_factory.mktemp("storm"), seed=0)
    if not made.built:
        pytest.skip("needs Linux and a C compiler")
    assert not made.wrong
    return made


def test_a_run_killed_inside_the_system_calls_of_a_save_ends_as_if_nothing_had_been(storm):
    calls, killed = sweep(storm, every=17), storm.kills
    assert not storm.wrong
    assert calls > 60 and killed > 3


@pytest.mark.parametrize(
    "fault",
    [
        chaos_faults.full_disk,
        chaos_faults.disk_turned_read_only,
        chaos_faults.clock_jumps,
        chaos_faults.folder_vanishes,
        chaos_faults.damaged_shard,
        chaos_faults.two_runs_in_one_folder,
    ],
    ids=lambda fault: fault.__name__,
)
def test_a_run_survives(storm, fault):
    storm.strikes, before = 2, storm.runs
    storm.survive({fault: 1})
    assert not storm.wrong and storm.runs == before + 1


def test_what_is_not_as_it_should_be_is_found(storm):
    """Each of these would be a lie in results/chaos.json."""
    for name in ("metrics.jsonl", f"checkpoints/step-{STEPS:08d}/weights.safetensors", "model/model.safetensors"):
        config, calm = storm.config("other"), Path(storm.calm.out)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(storm, "wrong", [])
            shutil.copytree(calm, config.out, dirs_exist_ok=True)
            file = Path(config.out) / name
            file.write_bytes(spoilt(file))
            storm.begin(config)
            storm.compare(config)
            assert Path(name).stem in storm.wrong[0]


def test_a_run_that_is_given_up_is_not_compared(storm):
    """A storm once told of differing metrics after a partition: of a run that it had itself left at step 13 of 30."""

    def strange(storm, config):
        storm.require(False, "strange")
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storm, "wrong", [])
        storm.survive({strange: 1})
        assert len(storm.wrong) == 1 and "strange" in storm.wrong[0]


def spoilt(file):
    """A line twice, or another last byte."""
    content = file.read_bytes()
    if file.suffix == ".jsonl":
        first = content.splitlines(keepends=True)[0]
        assert json.loads(first)
        return first + content
    return content[:-1] + bytes([content[-1] ^ 1])
