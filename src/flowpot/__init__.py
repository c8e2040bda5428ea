"""flowpot: machine-learned interatomic potentials by active learning, as Makers."""
