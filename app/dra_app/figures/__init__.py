"""Figures from plain values, without Gradio and without reading anything."""
