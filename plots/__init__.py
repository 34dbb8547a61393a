"""The figures: curves of runs, mean curves, pictures below a curve."""
