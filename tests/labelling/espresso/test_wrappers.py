"""pw.x behind scripts, ``env`` and launchers: their environment is their own."""

import os
import shlex
from pathlib import Path
from shutil import which

import pytest
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.labelling.batches import label_batch
from flowpot.labelling.espresso import PreflightError
from flowpot.labelling.espresso.command import PwCommand
from flowpot.labelling.espresso.preflight import check_command

needs_mpi = pytest.mark.skipif(
    which("mpirun.openmpi") is None, reason="no Open MPI launcher"
)
MPIRUN = "mpirun.openmpi --allow-run-as-root --oversubscribe -np 2"


def script(path: Path, body: str) -> Path:
    """Write a script that may be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("line", "ranks", "launcher"),
    [
        ("pw.x -nk 2", 1, None),
        ("/opt/qe 7/bin/pw.x", None, None),
        ("'/opt/qe 7/bin/pw.x'", 1, None),
        ("env OMP_NUM_THREADS=2 mpirun -np 4 pw.x", None, None),
        ("apptainer exec qe.sif mpirun -np 2 pw.x", None, None),
        ("bash site.sh", None, None),
        ("site-pw.x", None, None),
        ("mpirun -np 4 site.sh", None, None),
        ("mpirun -np 4 apptainer exec qe.sif pw.x", 4, "mpirun"),
        ("mpirun -np 2 pw.x : -np 2 pw.x", None, "mpirun"),
        ("srun -n 6 /opt/qe/bin/pw.x -n 3", 6, "srun"),
        ("srun /opt/qe/bin/pw.x -n 3", None, "srun"),
    ],
)
def test_ranks_are_known_where_the_command_says_them(
    line, ranks, launcher, monkeypatch
):
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    command = PwCommand(line)
    assert (command.ranks, command.launcher) == (ranks, launcher)
    if ranks is None:
        assert command.argv_for(n_kpoints=8, n_bands=900) == command.argv


@pytest.mark.qe
@needs_mpi
@pytest.mark.parametrize("how", ["script", "exec", "bash", "env", "tilde"])
def test_a_site_script_runs_its_own_mpi(pair, cheap, tmp_path, monkeypatch, how):
    """Open MPI's singleton settings would make its ranks crash."""
    path = tmp_path / "my site" / "run pw.sh"
    prefix = "exec " if how == "exec" else "# modules are loaded here\n"
    script(path, f'#!/bin/bash\n{prefix}{MPIRUN} pw.x "$@"\n')
    home = str(tmp_path / "my site")
    monkeypatch.setenv("HOME", home)
    line = {
        "bash": f"bash {shlex.quote(str(path))}",
        "env": f"env QE_SITE=1 {MPIRUN} pw.x",
        "tilde": "'~/run pw.sh'",
    }.get(how, shlex.quote(str(path)))
    monkeypatch.setenv("FLOWPOT_PW_CMD", line)
    document = cheap.label_in(pair, tmp_path / "run")
    assert document.state == "successful", document.errors
    assert document.run.n_mpi == 2


@pytest.mark.qe
def test_the_environment(pair, cheap, tmp_path, monkeypatch):
    """A script's is untouched; pw.x gets one thread, unless the user chose others."""
    noted = tmp_path / "noted"
    note = f'printenv | grep -E "^(OMP|OMPI_MCA)_" > "{noted}"\nexec pw.x "$@"\n'
    for name in [n for n in os.environ if n.startswith(("OMP_", "OMPI_"))]:
        monkeypatch.delenv(name)
    wrapper = script(tmp_path / "wrap.sh", f"#!/bin/sh\n{note}")
    monkeypatch.setenv("FLOWPOT_PW_CMD", str(wrapper))
    assert cheap.label_in(pair, tmp_path / "run").state == "successful"
    assert noted.read_text() == ""

    real = Path(which("pw.x")).resolve()
    shadow = script(
        tmp_path / "bin" / "pw.x",
        f"#!/bin/sh\n{note}".replace("exec pw.x", f"exec {real}"),
    )
    monkeypatch.setenv("FLOWPOT_PW_CMD", str(shadow))
    assert cheap.label_in(pair, tmp_path / "run").state == "successful"
    assert "OMP_NUM_THREADS=1" in noted.read_text()
    assert "OMPI_MCA_ess_singleton_isolated=1" in noted.read_text()

    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("OMPI_MCA_pml", "ucx,ob1")
    cheap.label_in(pair, tmp_path / "run")
    assert "OMP_NUM_THREADS=2" in noted.read_text()
    assert "OMPI_MCA_pml=ucx,ob1" in noted.read_text()


@pytest.mark.qe
def test_a_relative_path_is_of_the_folder_it_was_named_in(
    pair, cheap, clean_dir, monkeypatch
):
    script(clean_dir / "bin" / "site.sh", '#!/bin/sh\nexec pw.x "$@"\n')
    monkeypatch.setenv("FLOWPOT_PW_CMD", "./bin/site.sh")
    assert cheap.label_in(pair, "deeper/run").state == "successful"
    (clean_dir / "job").mkdir()
    monkeypatch.chdir(clean_dir / "job")
    with pytest.raises(PreflightError, match=r"'\./bin/site\.sh' .*its full path"):
        check_command()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mpirun.openmpi -np 2 pwx", r"'pwx' of FLOWPOT_PW_CMD"),
        ("sh -c 'pw.x", "correct its quotes"),
        ("   ", "is empty"),
        ("{folder}/my site.sh", "put quotes around a path with spaces"),
    ],
)
def test_commands_that_cannot_work(line, expected, tmp_path, monkeypatch):
    script(tmp_path / "my site.sh", "#!/bin/sh\n")
    if line.startswith("mpirun") and which("mpirun.openmpi") is None:
        pytest.skip("no Open MPI launcher")
    monkeypatch.setenv("FLOWPOT_PW_CMD", line.format(folder=tmp_path))
    with pytest.raises((PreflightError, ValueError), match=expected):
        check_command()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('exec pw.x "$@"\n', r"names no shell: make that line `#!/bin/sh`, or start"),
        ("", "names no shell"),
        ("#!/nowhere/sh\n", "is a script for '/nowhere/sh', which is not installed"),
    ],
)
def test_a_script_that_nothing_reads(body, expected, tmp_path, monkeypatch):
    path = script(tmp_path / "site.sh", body)
    monkeypatch.setenv("FLOWPOT_PW_CMD", str(path))
    with pytest.raises(PreflightError, match=rf"of FLOWPOT_PW_CMD=.*{expected}"):
        check_command()
    monkeypatch.setenv("FLOWPOT_PW_CMD", f"sh {path}")
    check_command()  # sh reads it


@pytest.mark.qe
def test_a_build_with_threads(pair, cheap, tmp_path, monkeypatch):
    """Its header counts cores before processes."""
    real = Path(which("pw.x")).resolve()
    head = "Parallel version (MPI & OpenMP), running on       2 processor cores"
    head += "\\n     Number of MPI processes:                 1"
    swap = f"s/Parallel version (MPI), running on *1 processors/{head}/"
    shadow = script(
        tmp_path / "bin" / "pw.x",
        f"#!/bin/sh\n{real} \"$@\" | sed '{swap.replace('&', chr(92) + '&')}'\n",
    )
    monkeypatch.setenv("FLOWPOT_PW_CMD", str(shadow))
    document = cheap.label_in(pair, tmp_path / "run")
    assert document.state == "successful", document.errors
    assert document.run.n_mpi == 1
    assert document.run.core_seconds > 1.5 * document.run.wall_seconds


@pytest.mark.qe
def test_an_element_without_pseudopotential_costs_its_own_frames(pair, cheap, tmp_path):
    frames = Dataset.from_atoms([pair, bulk("Al"), bulk("Si", a=5.5)])
    document = label_batch(cheap, frames, tmp_path, parallel=2)
    assert (document.n_labelled, document.n_failed) == (2, 1)
    assert Dataset.load(document).is_labelled.tolist() == [True, False, True]
    assert "no pseudopotential for Al" in document.runs[1].errors[0]
