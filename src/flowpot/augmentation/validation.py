"""The checks of :mod:`flowpot.validation`, under the name that they had here."""

from flowpot.validation import at_least, elements, fraction, one_of, positive

__all__ = ["at_least", "elements", "fraction", "one_of", "positive"]
