"""Small things every test may use."""

import os

import pytest
from matplotlib.figure import Figure

# Test processes side by side would otherwise fight for the cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
SAVEFIG = Figure.savefig


@pytest.fixture(scope="session", autouse=True)
def log():
    """Messages go where the command line sends them, whoever is called."""
    from electra.cli.terminal import show_log

    show_log()


@pytest.fixture(scope="session", autouse=True)
def sketches():
    """Half of a tiny run's seconds are matplotlib's: its figures are made, and drawn where a test asks for `drawn`."""
    from tiny import sketch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", sketch)
        yield


@pytest.fixture
def drawn(monkeypatch):
    """Figures are drawn by matplotlib, as outside of tests."""
    monkeypatch.setattr(Figure, "savefig", SAVEFIG)
