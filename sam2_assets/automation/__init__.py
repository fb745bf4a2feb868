"""What starts runs without a click: sensors, and the jobs they start."""
