"""Keys of pw.x's namelists and the values that they take, by its INPUT_PW."""

import re
from collections.abc import Mapping
from typing import Any

from ase.io.espresso_namelist.keys import pw_keys

SECTIONS = tuple(pw_keys)
"""Lower-case names of the namelists, in pw.x's order."""


def words(text: str) -> frozenset[str]:
    """Return the words of a text, each once."""
    return frozenset(text.split())


_OLDER = {
    "control": ("forcecorr",),
    "system": (
        "lda_plus_u",
        "lda_plus_u_kind",
        "hubbard_u",
        "hubbard_j",
        "hubbard_j0",
        "hubbard_v",
        "hubbard_parameters",
        "u_projection_type",
        "vdw_table_name",
        "fcp_mu",
    ),
}  # keys of versions before 7.1, which ASE no longer lists

LOGICAL = words(
    """
    tstress tprnfor tefield dipfield lelfield lorbm lberry gate twochem lfcp trism
    wf_collect lkpoint_dir nosym nosym_evc noinv no_t_rev force_symmorphic
    use_all_frac one_atom_occupations starting_spin_angle sic_energy noncolin ace
    x_gamma_extrapolation dmft ensemble_energies lforcet lspinorb lgcscf london
    dftd3_threebody ts_vdw_isolated xdm uniqueb rhombohedral relaxz block lda_plus_u
    scf_must_converge adaptive_thr diago_rmm_conv diago_full_acc tqr real_space
    """
)
INTEGER = words(
    """
    nstep iprint nberrycyc gdir nppstr nbnd nbnd_cond nr1 nr2 nr3 nr1s nr2s nr3s
    nspin nqx1 nqx2 nqx3 edir esm_nfit dftd3_version report nextffield
    lda_plus_u_kind electron_maxstep exx_maxstep mixing_ndim mixing_fixed_ns
    diago_cg_maxiter diago_ppcg_maxiter diago_david_ndim diago_rmm_ndim
    diago_gs_nblock
    """
)
TEXT = words(
    """
    calculation title verbosity restart_mode outdir wfcdir prefix disk_io pseudo_dir
    occupations smearing pol_type input_dft exxdiv_treatment
    constrained_magnetization assume_isolated esm_bc vdw_corr dmft_prefix
    hubbard_parameters u_projection_type vdw_table_name mixing_mode diagonalization
    efield_phase startingpot startingwfc
    """
)
POSITIVE = words(
    """
    ecutwfc ecutrho conv_thr mixing_beta nbnd nspin electron_maxstep mixing_ndim
    diago_david_ndim max_seconds
    """
)
FROM_FRAME = words(
    """
    ibrav nat ntyp celldm a b c cosab cosac cosbc space_group origin_choice uniqueb
    rhombohedral
    """
)

# As pw.x spells them, in all its versions from 6.0 to 7.5. Of many keys it takes other
# texts for the default, and says so in the middle of its output, if at all.
_SPELLED = {
    "verbosity": "low high debug medium default minimal",
    "restart_mode": "from_scratch restart",
    "disk_io": "low medium high nowf minimal none",
    "occupations": "smearing fixed tetrahedra tetrahedra_lin tetrahedra_opt "
    "tetrahedra-lin tetrahedra-opt",  # from_input needs a card that flowpot lacks
    "smearing": "gaussian methfessel-paxton marzari-vanderbilt fermi-dirac cold gauss "
    "m-p m-v f-d mp mv fd Gaussian Methfessel-Paxton Marzari-Vanderbilt Fermi-Dirac "
    "Gauss M-P M-V F-D MP MV FD",
    "pol_type": "none e h",
    "exxdiv_treatment": "gygi-baldereschi vcut_spherical vcut_ws none gygi-bald g-b",
    "esm_bc": "pbc bc1 bc2 bc3 bc4",
    "vdw_corr": "none grimme-d2 grimme-d3 ts-vdw mbd xdm dft-d dft-d3 ts ts-vdW "
    "tkatchenko-scheffler many-body-dispersion mbd_vdw Grimme-D2 Grimme-D3 DFT-D "
    "DFT-D3 TS MBD XDM",
    "u_projection_type": "atomic ortho-atomic norm-atomic file pseudo",
    "hubbard_parameters": "input file",
    "mixing_mode": "plain TF local-TF",
    "diagonalization": "david cg ppcg paro rmm-davidson rmm-paro davidson rmm rmm-diis "
    "PPCG ParO",
    "efield_phase": "none write read",
    "startingpot": "atomic file",
    "startingwfc": "atomic+random atomic random file",
}
CHOICES: dict[str, tuple[Any, ...]] = {
    **{key: tuple(texts.split()) for key, texts in _SPELLED.items()},
    "constrained_magnetization": (
        *("none", "total", "atomic"),
        *("total direction", "atomic direction"),
    ),
    "nspin": (1, 2, 4),
    "dftd3_version": (2, 3, 4, 5, 6),  # with others the energy is not a number
}
"""All values of the keys for which INPUT_PW lists them."""

_SINCE = {
    "vdw_corr": {
        **dict.fromkeys(("mbd", "MBD", "many-body-dispersion"), (6, 8)),
        "mbd_vdw": (7, 1),
    }
}  # values that earlier versions take for none, without an error


def known_keys(section: str) -> list[str]:
    """Return the keys of a namelist, including those of older versions."""
    return [*pw_keys[section], *_OLDER.get(section, ())]


def version_numbers(version: str) -> tuple[int, int]:
    """
    Return the major and the minor number of a version.

    Raises
    ------
    ValueError
        If the text does not begin with two numbers.

    Examples
    --------
    >>> version_numbers("6.7MaX")
    (6, 7)
    """
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        raise ValueError(f"pw.x states version {version!r}: expected such as 7.3.1")
    return int(numbers.group(1)), int(numbers.group(2))


def needs_version(system: Mapping[str, Any]) -> bool:
    """Whether only some versions of pw.x read the values of SYSTEM as they are."""
    return any(system.get(key) in since for key, since in _SINCE.items())


def check_version(system: Mapping[str, Any], version: str) -> None:
    """
    Refuse values that a version of pw.x ignores.

    Parameters
    ----------
    system
        Keys of SYSTEM, in lower case.
    version
        Version of Quantum ESPRESSO.

    Raises
    ------
    ValueError
        If the version does not know a value, and would calculate without it.
    """
    for key, since in _SINCE.items():
        value = system.get(key)
        if value in since and version_numbers(version) < since[value]:
            major, minor = since[value]
            raise ValueError(
                f"user_settings['SYSTEM'][{key!r}] is {value!r}, which pw.x {version} "
                f"ignores: use version {major}.{minor} or later, or another value"
            )
