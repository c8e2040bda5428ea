"""What is read from outputs: of hybrid functionals, threads, spins, all versions."""

import re
from dataclasses import replace
from shutil import which

import numpy as np
import pytest
from ase.io.espresso import units

from flowpot.labelling.espresso import EspressoStaticMaker, PseudoFamily
from flowpot.labelling.espresso.outputs import read_label, read_report
from flowpot.labelling.espresso.preflight import PseudopotentialError

HEAD = {
    "MPI": "     Parallel version (MPI), running on     4 processors\n",
    "both": (
        "     Parallel version (MPI & OpenMP), running on       8 processor cores\n"
        "     Number of MPI processes:                 2\n"
        "     Threads/MPI process:                     4\n"
    ),
    "threads": "     Serial multi-threaded version, running on    3 processor cores\n",
    "serial": "     Serial version\n",
}
# Formats of report_mag.f90 in 6.7 and in 7.5, of the latter with a constraint, too.
MOMENTS = {
    "6.7": """
     Magnetic moment per site:
     atom:    1    charge:    1.3753    magn:    0.0883    constr:    0.0000
     atom:    2    charge:    1.3730    magn:   -0.0871    constr:    0.0000
""",
    "7.5": """
     Magnetic moment per site  (integrated on atomic sphere of radius R)
     atom   1 (R=0.357)  charge=  1.3753  magn=  0.0883
     atom   2 (R=0.357)  charge=  1.3730  magn= -0.0871
""",
    "constrained": """
     Magnetic moment per site  (integrated on atomic sphere of radius R)
     atom   1 (R=0.357)  charge=  1.3753  magn=  0.0883   constr=  0.5000
     atom   2 (R=0.357)  charge=  1.3730  magn= -0.0871   constr=  0.5000
""",
}
VECTOR = """
 ==============================================================================
     atom number    {} relative position :    0.0000   0.0000   0.0000
     charge :     1.375300  (integrated on a sphere of radius 0.357)
     magnetization :          0.300000   -0.400000    {:.6f}
     magnetization/charge:    0.218134   -0.290845    0.872536
     polar coord.: r, theta, phi [deg] :     1.300000   22.619865   53.130102

 ==============================================================================
"""


@pytest.fixture
def norm_conserving() -> EspressoStaticMaker:
    """PBE0 with a norm-conserving pseudopotential, at the point Gamma."""
    entry = {"filename": "Si.pz-vbc.UPF", "ecutwfc": 12.0, "ecutrho": 48.0}
    folder = "/usr/share/espresso/pseudo"
    return EspressoStaticMaker(
        protocol="fast",
        pseudo_family=PseudoFamily("norm-conserving", folder, {"Si": entry}),
        kspacing=3.0,
        gzip_files=False,
        user_settings={
            "SYSTEM": {"input_dft": "pbe0", "ecutwfc": 12.0},
            "ELECTRONS": {"conv_thr": 1e-10},
        },
    )


@pytest.mark.qe
def test_the_energy_of_a_hybrid_functional_is_the_last_one(
    norm_conserving, pair, tmp_path
):
    """The first one has no exact exchange; the forces are those of the last."""
    energies = {}
    for sign in (0, 1, -1):
        moved = pair.copy()
        moved.positions[1, 0] += 0.01 * sign
        document = norm_conserving.label_in(moved, tmp_path / str(sign))
        energies[sign] = document.output.energy
        if sign == 0:
            force = document.output.forces[1][0]
    text = (tmp_path / "0" / "pw.out").read_text()
    printed = re.findall(r"^(!!?) +total energy += +(\S+)", text, re.MULTILINE)
    assert [mark for mark, _ in printed][-1] == "!!"
    assert energies[0] == pytest.approx(float(printed[-1][1]) * units["Ry"], abs=1e-8)
    assert abs(energies[0] - float(printed[0][1]) * units["Ry"]) > 0.05
    assert force == pytest.approx(-(energies[1] - energies[-1]) / 0.02, abs=2e-3)


@pytest.mark.slow
@pytest.mark.qe
@pytest.mark.skipif(which("mpirun.openmpi") is None, reason="no Open MPI launcher")
def test_pools_are_given_up_for_the_stress_of_a_hybrid_functional(
    norm_conserving, pair, tmp_path, monkeypatch
):
    maker = replace(norm_conserving, kspacing=1.7)
    reference = maker.label_in(pair, tmp_path / "1").output
    launcher = "mpirun.openmpi --allow-run-as-root --oversubscribe -np 2"
    monkeypatch.setenv("FLOWPOT_PW_CMD", f"{launcher} pw.x")
    document = maker.label_in(pair, tmp_path / "2")
    assert document.state == "successful", document.errors
    assert [each.handler for each in document.corrections] == ["PoolsHandler"]
    np.testing.assert_allclose(document.output.stress, reference.stress, atol=0.01)


@pytest.mark.qe
def test_a_hybrid_functional_has_no_forces_with_ultrasoft(cheap, pair, tmp_path):
    """pw.x prints some; its source says that they are not implemented."""
    system = {"ecutwfc": 12.0, "input_dft": "pbe0"}
    cheap.user_settings, cheap.kspacing = {"SYSTEM": system}, 3.0
    cheap.pseudo_family = PseudoFamily(
        "ultrasoft",
        "/usr/share/espresso/pseudo",
        {
            "Si": {
                "filename": "Si.pbe-nl-rrkjus_psl.1.0.0.UPF",
                "ecutwfc": 12.0,
                "ecutrho": 48.0,
            }
        },
    )
    with pytest.raises(PseudopotentialError, match="norm-conserving"):
        cheap.label_in(pair, tmp_path)


def test_exchange_has_to_converge_too(tmp_path):
    inner = "     convergence has been achieved in   7 iterations\n"
    hybrid = f"     EXX-fraction              =        0.25\n{inner}"
    for text, converged in (
        (inner, True),
        (hybrid, False),
        (f"{hybrid}     EXX self-consistency reached\n", True),
    ):
        (tmp_path / "pw.out").write_text(text)
        assert read_report(tmp_path).converged is converged


@pytest.mark.parametrize(
    ("head", "processes", "cores"),
    [("MPI", 4, 4), ("both", 2, 8), ("threads", 1, 3), ("serial", 1, 1)],
)
def test_threads_are_no_processes(tmp_path, head, processes, cores):
    (tmp_path / "pw.out").write_text(f"     Program PWSCF v.7.5 starts\n{HEAD[head]}")
    report = read_report(tmp_path)
    assert (report.n_mpi, report.n_cores) == (processes, cores)


@pytest.fixture
def finished(cheap, pair, tmp_path):
    """Folder of a real output, to which tables can be added."""
    cheap.gzip_files = False
    cheap.label_in(pair, tmp_path)
    return tmp_path


@pytest.mark.qe
def test_moments_of_all_versions(finished):
    path = finished / "pw.out"
    text = path.read_text()
    assert read_label(finished, 2).moments is None
    first = MOMENTS["6.7"].replace("0.0883", "9.9999")  # of an SCF before the last
    for table in MOMENTS.values():
        path.write_text(text + first + table)
        assert read_label(finished, 2).moments == [0.0883, -0.0871]
    path.write_text(text + VECTOR.format(1, 1.2) + VECTOR.format(2, 0.0))
    assert read_label(finished, 2).moments == pytest.approx([1.3, 0.5])


@pytest.mark.qe
def test_the_magnetisation_may_be_a_vector(finished):
    line = "     total magnetization       = {} Bohr mag/cell\n"
    for values, expected in (("    -1.50", -1.5), ("     0.30    -0.40     1.20", 1.3)):
        (finished / "pw.out").write_text(line.format(values))
        assert read_report(finished).total_magnetization == pytest.approx(expected)


@pytest.mark.qe
def test_moments_of_this_version(cheap, pair, tmp_path):
    """Half of an unpaired electron lies in the spheres; their constraint is 0."""
    pair.set_initial_magnetic_moments([1.0, 1.0])
    pair.info["spin"] = 3
    cheap.kspacing = 3.0
    output = cheap.label_in(pair, tmp_path).output
    assert output.total_magnetization == pytest.approx(2.0)
    assert np.min(output.magnetic_moments) > 0.1


def test_an_error_that_the_launcher_lost_is_in_the_file_of_the_crash(tmp_path):
    """mpirun may end before it has handed on what pw.x printed last."""
    (tmp_path / "pw.out").write_text("     Program PWSCF v.6.7MaX starts\n")
    (tmp_path / "pw.err").write_text("[vm:1] ORTE_ERROR_LOG: Data unpack\n")
    rule = "%" * 78
    (tmp_path / "CRASH").write_text(
        f" \n {rule}\n     task #         0\n     from setup : error #         1\n"
        f"     stress for hybrid functionals not available with pools\n {rule}\n"
    )
    report = read_report(tmp_path)
    said = "setup: stress for hybrid functionals not available with pools"
    assert report.errors == [said]
    assert report.explained
    with (tmp_path / "pw.out").open("a") as file:
        file.write("   JOB DONE.\n")
    assert read_report(tmp_path).errors == []
