"""From what a user asks for to finished evaluations: options, plan, GPU slots, schedule."""
