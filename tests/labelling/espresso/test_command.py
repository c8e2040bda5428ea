"""How MPI processes share the work: chosen right, and so done by pw.x."""

import gzip
import sys
import time
from pathlib import Path
from shutil import which

import pytest
from ase.build import bulk

from flowpot.labelling.espresso import PreflightError
from flowpot.labelling.espresso.command import PwCommand
from flowpot.labelling.espresso.remedies import check_processes


@pytest.mark.parametrize(
    ("line", "ranks", "added"),
    [
        ("pw.x", 1, ""),
        ("mpirun -np 4 pw.x", 4, "-nk 4 -nd 1"),
        ("mpirun -np 7 pw.x", 7, "-nd 1"),
        ("mpirun -np 4 pw.x -nk 1", 4, ""),
        ("mpirun -np 4 pw.x -ndiag 4", 4, "-nk 4"),
        ("srun --ntasks=6 pw.x", 6, "-nk 3 -nd 1"),
        ("srun pw.x", None, ""),
    ],
)
def test_pools_divide_the_processes(line, ranks, added, monkeypatch):
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    command = PwCommand(line)
    assert command.ranks == ranks
    assert command.argv_for(n_kpoints=5) == f"{line} {added}".split()


def test_no_pool_is_without_a_point():
    for ranks in range(2, 33):
        for n_kpoints in range(1, 40):
            pools = PwCommand(f"srun -n {ranks} pw.x").pools(n_kpoints)
            assert ranks % pools == 0
            assert pools <= n_kpoints


def test_many_bands_are_shared_by_the_largest_square():
    command = PwCommand("srun -n 24 pw.x")
    assert command.argv_for(2, 400)[3:] == ["pw.x", "-nk", "2", "-nd", "1"]
    assert command.argv_for(2, 600)[3:] == ["pw.x", "-nk", "2", "-nd", "9"]
    assert command.argv_for(1, 600)[3:] == ["pw.x", "-nd", "16"]


def test_the_allocation_says_what_the_command_does_not(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "8")
    assert PwCommand("srun pw.x").argv_for(4)[1:] == ["pw.x", "-nk", "4", "-nd", "1"]
    assert PwCommand("srun -n 2 pw.x").ranks == 2


@pytest.mark.parametrize(
    ("line", "ranks"),
    [
        ("srun -n4 pw.x", 4),
        ("srun --exact -n4 -c2 pw.x", 4),
        ("srun -c 2 pw.x", 8),
        ("srun --ntasks-per-node=4 -N1 pw.x", None),
        ("srun -N1 pw.x", None),
        ("mpirun -c 4 pw.x", 4),
        ("mpirun --n 4 pw.x", 4),
        ("mpirun -n 1 -x OMP_NUM_THREADS pw.x", 1),
        ("mpirun --map-by ppr:2:node pw.x", None),
        ("mpiexec -ppn 2 pw.x", None),
        ("mpirun -np 4 --map-by core pw.x", 4),
    ],
)
def test_options_precede_the_allocation(line, ranks, monkeypatch):
    """Where they place processes, nobody knows how many without the launcher."""
    monkeypatch.setenv("SLURM_NTASKS", "8")
    assert PwCommand(line).ranks == ranks


def test_processes_that_share_a_run_are_of_one_mpi(tmp_path, monkeypatch):
    """Whatever the allocation holds; copies of one process each are not."""
    monkeypatch.setenv("SLURM_NTASKS", "8")
    text = "     Program PWSCF v.7.2 starts on\n     Parallel version (MPI), running on"
    (tmp_path / "pw.out").write_text(f"{text}     4 processors\n")
    assert check_processes(tmp_path, PwCommand("srun pw.x"))
    (tmp_path / "pw.out").write_text(f"{text}     1 processors\n")
    with pytest.raises(PreflightError, match="asks for 8 MPI processes"):
        check_processes(tmp_path, PwCommand("srun pw.x"))


@pytest.mark.qe
@pytest.mark.skipif(which("mpirun.openmpi") is None, reason="no Open MPI launcher")
def test_two_processes_share_the_points(pair, cheap, tmp_path, monkeypatch):
    serial = cheap.label_in(pair, tmp_path / "serial")
    line = "mpirun.openmpi --allow-run-as-root --oversubscribe -np 2 pw.x"
    monkeypatch.setenv("FLOWPOT_PW_CMD", line)
    document = cheap.label_in(pair, tmp_path / "mpi")
    assert document.run.n_mpi == 2
    assert document.input.command == f"{line} -nk 2 -nd 1"
    output = gzip.decompress((tmp_path / "mpi" / "pw.out.gz").read_bytes()).decode()
    assert "npool     =       2" in output
    assert document.output.energy == pytest.approx(serial.output.energy, abs=1e-7)


@pytest.mark.qe
@pytest.mark.parametrize("pools", ["", " -nk 1"])
def test_the_mpi_trap(cheap, tmp_path, monkeypatch, pools):
    """
    The mpich wheel's mpirun starts independent copies of an Open MPI pw.x.

    That is found when they have started, not when they have ended.
    """
    launcher = Path(sys.prefix) / "bin" / "mpirun"
    if not launcher.is_file():
        pytest.skip("the mpich wheel is not installed")
    monkeypatch.setenv("FLOWPOT_PW_CMD", f"{launcher} -np 2 pw.x{pools}")
    minutes = bulk("Si", cubic=True) * (2, 2, 2)
    minutes.rattle(0.1, seed=0)
    start = time.monotonic()
    with pytest.raises(PreflightError, match="asks for 2 MPI processes, but") as error:
        cheap.label_in(minutes, tmp_path)
    assert time.monotonic() - start < 20
    assert "mpirun.openmpi -np 2 pw.x" in str(error.value)
