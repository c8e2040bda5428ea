"""Namelists of pw.x: checked, merged, written into a folder, read back, changed."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from math import isfinite
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from ase.io.espresso import read_fortran_namelist
from ase.io.espresso_namelist.keys import pw_keys
from ase.io.espresso_namelist.namelist import Namelist


def _words(text: str) -> frozenset[str]:
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

_LOGICAL = _words(
    """
    tstress tprnfor tefield dipfield lelfield lorbm lberry gate twochem lfcp trism
    wf_collect lkpoint_dir nosym nosym_evc noinv no_t_rev force_symmorphic
    use_all_frac one_atom_occupations starting_spin_angle sic_energy noncolin ace
    x_gamma_extrapolation dmft ensemble_energies lforcet lspinorb lgcscf london
    dftd3_threebody ts_vdw_isolated xdm uniqueb rhombohedral relaxz block lda_plus_u
    scf_must_converge adaptive_thr diago_rmm_conv diago_full_acc tqr real_space
    """
)

_INTEGER = _words(
    """
    nstep iprint nberrycyc gdir nppstr nbnd nbnd_cond nr1 nr2 nr3 nr1s nr2s nr3s
    nspin nqx1 nqx2 nqx3 edir esm_nfit dftd3_version report nextffield
    lda_plus_u_kind electron_maxstep exx_maxstep mixing_ndim mixing_fixed_ns
    diago_cg_maxiter diago_ppcg_maxiter diago_david_ndim diago_rmm_ndim
    diago_gs_nblock
    """
)

_TEXT = _words(
    """
    calculation title verbosity restart_mode outdir wfcdir prefix disk_io pseudo_dir
    occupations smearing pol_type input_dft exxdiv_treatment
    constrained_magnetization assume_isolated esm_bc vdw_corr dmft_prefix
    hubbard_parameters u_projection_type vdw_table_name mixing_mode diagonalization
    efield_phase startingpot startingwfc
    """
)

_CHECKED = ("control", "system", "electrons")  # an SCF does not read the others
_POSITIVE = _words(
    """
    ecutwfc ecutrho conv_thr mixing_beta nbnd nspin electron_maxstep mixing_ndim
    diago_david_ndim max_seconds
    """
)

_FROM_FRAME = _words(
    """
    ibrav nat ntyp celldm a b c cosab cosac cosbc space_group origin_choice uniqueb
    rhombohedral
    """
)

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?")
_WORDS = {".true.": True, "true": True, ".false.": False, "false": False}

SECTIONS = tuple(pw_keys)
"""Lower-case names of the namelists, in pw.x's order."""


def known_keys(section: str) -> list[str]:
    """Return the keys of a namelist, including those of older versions."""
    return [*pw_keys[section], *_OLDER.get(section, ())]


def checked_settings(
    settings: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """
    Return namelists with lower-case names, and values of the type that pw.x reads.

    Text that is a number becomes one, as YAML reads ``1e-8``, without a point, as text.

    Parameters
    ----------
    settings
        Keys and values by namelist, in any case.

    Raises
    ------
    ValueError
        If pw.x has no such namelist or key (the nearest one is named), a value has the
        wrong type, or the frame or another field of the Maker decides the key.
    """
    if not isinstance(settings, Mapping):
        raise ValueError(f"user_settings is {settings!r}: {_EXAMPLE}")  # noqa: TRY004  one class for bad fields
    checked: dict[str, dict[str, Any]] = {}
    for section, values in settings.items():
        name = str(section).lower()
        if name not in SECTIONS or not isinstance(values, Mapping):
            raise ValueError(f"user_settings[{section!r}] is {values!r}: {_EXAMPLE}")
        checked[name] = dict(_checked_values(str(section), values))
    return checked


_EXAMPLE = (
    "give namelists, such as "
    "{'SYSTEM': {'ecutwfc': 50}, 'ELECTRONS': {'mixing_beta': 0.2}}"
)


def checked_number(name: str, value: Any, unit: str, *, positive: bool = True) -> float:
    """Return the number that a field of a Maker holds; refuse anything else."""
    number = _number(value)
    if number is None or (positive and number <= 0):
        kind = "a positive number" if positive else "a number"
        raise ValueError(f"{name} is {value!r}: use {kind} ({unit})")
    return number


def _checked_values(
    section: str, values: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a namelist in lower case, with checked values."""
    for key, value in values.items():
        low = str(key).lower().strip()
        base = low.split("(")[0].strip()
        where = f"user_settings[{section!r}][{key!r}]"
        _check_key(where, section, base)
        if base == "starting_magnetization":
            raise ValueError(
                f"user_settings sets {key}: set the maker's magnetic_moments, or the "
                "structure's magmom site property, instead"
            )
        if base == "assume_isolated":
            raise ValueError(
                f"{where} is {value!r}: set the maker's assume_isolated, which leaves "
                "fully periodic frames alone"
            )
        if base in _FROM_FRAME:
            raise ValueError(f"{where} is {value!r}: the frame decides it, remove it")
        checked = value
        if section.lower() in _CHECKED:
            checked = _of_kind(where, base, value)
        if base == "calculation" and checked != "scf":
            raise ValueError(
                f"{where} is {checked!r}: a label is a single point, remove it"
            )
        if base == "tprnfor" and checked is False:
            raise ValueError(f"{where} is {checked!r}: a label has forces, remove it")
        yield low, checked


def _check_key(where: str, section: str, key: str) -> None:
    """Refuse a key that the namelist does not have; name the nearest one."""
    keys = known_keys(section.lower())
    if key in keys:
        return
    homes = [name.upper() for name in SECTIONS if key in known_keys(name)]
    if homes:
        raise ValueError(
            f"{where}: {key} is a key of namelist {' and '.join(homes)}: move it there"
        )
    everywhere = [known for name in SECTIONS for known in known_keys(name)]
    near = get_close_matches(key, keys, 1) or get_close_matches(key, everywhere, 1)
    hint = f"did you mean {near[0]}?" if near else "see pw.x's INPUT_PW for its keys"
    raise ValueError(f"{where}: pw.x has no key {key} in {section.upper()}: {hint}")


def _of_kind(where: str, key: str, value: Any) -> Any:
    """Return a value as the type of the key: logical, integer, text or real."""
    if isinstance(value, str):
        value = value.strip()
    if key in _LOGICAL:
        if isinstance(value, str):
            value = _WORDS.get(value.lower(), value)
        if not isinstance(value, bool):
            raise ValueError(f"{where} is {value!r}: use true or false")
        return value
    if key in _TEXT:
        if not isinstance(value, str):
            raise ValueError(f"{where} is {value!r}: use text")
        return value
    whole = key in _INTEGER
    number = _number(value)
    if number is None or (whole and not float(number).is_integer()):
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{where} is {value!r}: use {kind}")
    if key in _POSITIVE and number <= 0:
        raise ValueError(f"{where} is {value!r}: use a number larger than 0")
    return int(number) if whole else number


def _number(value: Any) -> int | float | None:
    """Return a finite number, also from text as Fortran writes it; None otherwise."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value.lower().replace("d", "e"))
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        return None
    return int(value) if isinstance(value, Integral) else float(value)


INPUT_FILE = "pw.in"

Settings = Mapping[str, Mapping[str, Any]]


def edit_input(folder: Path, changes: Settings) -> None:
    """
    Change keys of an input file.

    Parameters
    ----------
    folder
        Folder of the input file.
    changes
        New values by lower-case namelist and key; None removes a key.
    """
    path = folder / INPUT_FILE
    with path.open() as file:
        namelists, cards = read_fortran_namelist(file)
    for section, values in changes.items():
        for key, value in values.items():
            namelists[section].pop(key, None)
            if value is not None:
                namelists[section][key] = value
    kept = {name: values for name, values in namelists.items() if values}
    path.write_text(Namelist(kept).to_string() + "\n" + "\n".join(cards) + "\n")


def read_parameters(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the namelists of an input file, by lower-case names."""
    with (folder / INPUT_FILE).open() as file:
        namelists, _ = read_fortran_namelist(file)
    return {name: dict(values) for name, values in namelists.items() if values}


def merge_settings(
    defaults: dict[str, dict[str, Any]], user: Settings, dual: float
) -> dict[str, dict[str, Any]]:
    """
    Return namelists in which the user's keys override the defaults.

    Parameters
    ----------
    defaults
        Namelists by lower-case names.
    user
        The user's namelists, in any case. Occupations without smearing remove the
        defaults for smearing.
    dual
        Ratio of ``ecutrho`` to ``ecutwfc`` where the user sets ``ecutwfc`` only.
    """
    lowered = checked_settings(user)
    system = lowered.get("system", {})
    if "ecutwfc" in system and "ecutrho" not in system:
        system["ecutrho"] = dual * system["ecutwfc"]
    if system.get("occupations", "smearing") != "smearing":
        defaults["system"].pop("smearing", None)
        defaults["system"].pop("degauss", None)
    return {
        section: {**defaults.get(section, {}), **lowered.get(section, {})}
        for section in SECTIONS
        if section in defaults or section in lowered
    }
