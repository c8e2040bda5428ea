"""Names of the exchange-correlation functionals that pw.x knows."""

import re

from flowpot.labelling.espresso.keywords import words
from flowpot.validation import nearest

_SHORT = words(
    """
    pz lda pw vwn-rpa oep kli hf pbe b88 bp pw91 revpbe pbesol blyp optbk88 optb86b pbc
    hcth olyp wc pw86pbe b86bpbe pbeq2d q2d sogga ev93 rpbe pbe0 b86bpbex bhahlyp
    bhandhlyp hse gaup gaupbe b3lyp b3lyp-v1r x3lyp tpss m06l tb09 scan scan0
    rscan r2scan pbe-ah pbesol-ah pz+meta lda+meta pbe+meta beef beef-vdw
    vdw-df vdw-df-c09 vdw-df-obk8 vdw-df-ob86 vdw-df-cx vdw-df-cx0 vdw-df-cx0p
    vdw-df-ahcx vdw-df-c090 vdw-df-c6 vdw-df2 vdw-df2-c09 vdw-df2-b86r vdw-df2-0
    vdw-df2-ah vdw-df2-ahtr vdw-df2-ahbr vdw-df2-br0 vdw-df3-opt1 vdw-df3-opt2
    rvv10 rvv10-scan
    """
)
_TERMS = words(
    """
    nox sla sl1 rxc oep hf pb0x b3lp kzk x3lp kli
    noc pz vwn lyp pw wig hl obz obw gl vwn-rpa b3lpv1r
    nogx b88 ggx pbx rpb revx hcth optx psx wcx hse rw86 pbe c09x sox q2dx gaup pw86
    b86b obk8 ob86 evx b86r cx13 cx0 r860 cx0p ahcx ahf2 ahpb ahps cx14 cx15 br0 cx16
    c090 b86x b88x beex rpbx rpbe hhnx w31x w32x ahtr ahbr ehpb hjpb hjps
    nogc p86 ggc blyp pbc psc q2dc beec
    tpss m06l m6lx m6lc tb09 meta scan sca0
    nonlc vdw1 vdw2 w31c w32c wc6 vv10
    """
)
_LIBXC = re.compile(r"(xc_)?(hyb_)?(lda|gga|mgga)_(x|c|xc|k)_\w+")
_INDICES = re.compile(r"xc(-\d{3}[il]?){6}|index:[\s\d]+")  # libxc's, and old QE files'


def check_functional(where: str, name: str) -> None:
    """
    Refuse the name of a functional that pw.x does not know.

    pw.x itself looks for terms anywhere in a name: "pbee" holds "pbe", for which it
    takes the gradient correction of PBE without its local part.

    Parameters
    ----------
    where
        What holds the name, for the message.
    name
        A short name ("pbesol"), a combination of terms ("sla+pw+pbx+pbc"), or libxc's
        names, in any case.

    Raises
    ------
    ValueError
        If it is none of these; with the nearest short name.
    """
    low = name.lower()
    terms = [term for term in re.split(r"[+\-\s,;]+", low) if term]
    is_known = low in _SHORT or bool(_INDICES.fullmatch(low))
    if is_known or (terms and all(map(_is_term, terms))):
        return
    raise ValueError(
        f"{where} is {name!r}{nearest(low, sorted(_SHORT))}: use a short name of pw.x "
        "such as 'pbesol', terms such as 'sla+pw+psx+psc', or names of libxc"
    )


def _is_term(term: str) -> bool:
    return term in _TERMS or bool(_LIBXC.fullmatch(term))
