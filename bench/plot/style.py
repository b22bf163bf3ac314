"""Colours that all plots of comparisons share: Okabe and Ito's palette, which colour-blind readers can tell apart."""
OURS, HPA_70, HPA_90 = "#0072b2", "#d55e00", "#e69f00"
KPA, KEDA, CLASSIC, PLANNER = "#009e73", "#cc79a7", "#7f7f7f", "#000000"
# For contestants that are not ours, which have no colour of their own.
OTHERS = ("#6a3d9a", "#b15928", "#1b9e77", "#e7298a", "#66a61e", "#a6761d", "#1f78b4", "#fb9a99")
