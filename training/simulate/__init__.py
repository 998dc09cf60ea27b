"""Simulated samples: Pythia 8, a parametric detector, jets. Needs the extra `generate`.

Only :mod:`processes` can be imported without the extra; the shipped sample needs none of this.
"""
