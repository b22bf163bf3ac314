"""Colours that all plots of comparisons share: Okabe and Ito's palette, which colour-blind readers can tell apart."""
OURS, HPA_70, HPA_90 = "#0072b2", "#d55e00", "#e69f00"
KPA, KEDA, CLASSIC, CLAIRVOYANT = "#009e73", "#cc79a7", "#7f7f7f", "#000000"
