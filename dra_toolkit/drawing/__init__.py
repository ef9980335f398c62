"""Curves and similarity maps as SVG: for the dashboard, HTML reports and notebooks alike."""
