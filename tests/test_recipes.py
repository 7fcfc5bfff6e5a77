"""Recipes run the command of the environment that `make` made, or the one on the path."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from torch.distributed.run import get_args_parser

from electra.cli.flags import parse
from electra.config import PretrainConfig

RECIPES = Path(__file__).parents[1] / "recipes"


def write_command(path, says):
    """A command that says who it is and what it was asked."""
    path.parent.mkdir(parents=True)
    path.write_text(f'#!/bin/sh\necho {says} "$@"\n')
    path.chmod(0o755)


def run(recipe, folder, **variables):
    if not (folder / "recipes").exists():
        (folder / "recipes").symlink_to(RECIPES)
    environment = {k: v for k, v in os.environ.items() if k != "ELECTRA"}
    path = f"{folder / 'path'}:{os.environ['PATH']}"
    return subprocess.run(["bash", f"recipes/{recipe}", "text.txt"], cwd=folder, text=True, capture_output=True,
                          env={**environment, "PATH": path, **variables}, check=True).stdout.splitlines()  # fmt: skip


@pytest.mark.parametrize("recipe", ["chinese.sh", "domain_biomedical.sh", "small_on_one_gpu.sh", "paper_sharing.sh"])
def test_a_recipe_runs_the_environment_of_make_first(recipe, tmp_path):
    write_command(tmp_path / "path" / "electra", "path")
    said = run(recipe, tmp_path, INIT="model")
    assert said and all(line.startswith("path ") for line in said)
    write_command(tmp_path / ".venv" / "bin" / "electra", "venv")
    assert run(recipe, tmp_path, INIT="model") == [line.replace("path ", "venv ", 1) for line in said]
    assert run(recipe, tmp_path, INIT="model", ELECTRA="echo mine") == [
        line.replace("path ", "mine ", 1) for line in said
    ]


# -- many processes ----------------------------------------------------------------------------------------------------


def fake(folder, **commands):
    """Commands of shell lines, first on the path."""
    folder.mkdir(exist_ok=True)
    for name, lines in commands.items():
        (folder / name).write_text(f"#!/bin/bash\n{lines}\n")
        (folder / name).chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("code", "restarts", "is_requeued"),
    [(0, 0, False), (2, 0, False), (4, 0, False), (5, 0, False), (6, 0, True), (75, 0, True), (137, 0, True),
     (143, 99, True), (75, 100, False)],
)  # fmt: skip
def test_slurm_requeues_what_can_go_on_and_keeps_the_exit_code(code, restarts, is_requeued, tmp_path):
    scontrol = f'[ "$1" = show ] && echo first && exit; echo "$@" >> {tmp_path}/said'
    srun = f'for r in 0 1; do SLURM_PROCID=$r SLURM_LOCALID=$r SLURM_NTASKS=2 "${{@:3}}"; done; exit {code}'
    electra = f'echo "$RANK/$WORLD_SIZE $LOCAL_RANK $MASTER_ADDR:$MASTER_PORT $OMP_NUM_THREADS $*" >> {tmp_path}/said'
    environment = fake(tmp_path / "path", scontrol=scontrol, srun=srun, electra=electra) | {
        "SLURM_JOB_ID": "20007", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_RESTART_COUNT": str(restarts),
        "ELECTRA": "electra", "SLURM_CPUS_PER_TASK": "8",
    }  # fmt: skip
    words = ["bash", RECIPES / "slurm.sh", "--data", "a folder"]
    assert subprocess.run(words, env=environment).returncode == code
    said = (tmp_path / "said").read_text().splitlines()
    assert said[:2] == [f"{r}/2 {r} first:20007 8 pretrain --data a folder" for r in (0, 1)]
    assert said[2:] == (["requeue 20007"] if is_requeued else [])


@pytest.mark.parametrize("index", [0, 3])
def test_the_pods_of_kubernetes_run_a_command_that_is_understood(index, tmp_path):
    service, job = yaml.safe_load_all((RECIPES / "kubernetes.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    environment = fake(tmp_path / "path", python='printf "%s\\n" "$@"', hostname="echo 10.0.0.7")
    environment |= {v["name"]: v["value"] for v in container["env"]} | {"JOB_COMPLETION_INDEX": str(index)}
    said = subprocess.run([*container["command"], *container["args"]], env=environment, capture_output=True, text=True)
    assert said.returncode == 0 and not said.stderr
    launcher, options = said.stdout.splitlines()[:2], get_args_parser().parse_args(said.stdout.splitlines()[2:])
    verb, *flags = options.training_script_args
    assert launcher == ["-m", "torch.distributed.run"] and options.module
    assert (options.training_script, verb) == ("electra", "pretrain")
    assert (options.nnodes, options.nproc_per_node) == (
        str(job["spec"]["completions"]),
        str(container["resources"]["limits"]["nvidia.com/gpu"]),
    )
    assert job["spec"]["parallelism"] == job["spec"]["completions"] and job["spec"]["completionMode"] == "Indexed"
    assert options.rdzv_conf == f"is_host={'true' if index == 0 else 'false'}" and options.local_addr == "10.0.0.7"
    name, subdomain = options.rdzv_endpoint.partition(":")[0].split(".")
    assert (
        name == f"{job['metadata']['name']}-0"
        and subdomain == service["metadata"]["name"] == job["spec"]["template"]["spec"]["subdomain"]
    )
    assert parse(PretrainConfig, flags, "electra pretrain").out == "/runs/large"
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in job["spec"]["template"]["spec"]["volumes"]}
