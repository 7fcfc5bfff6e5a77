"""What training costs: operations, parameters, memory, time."""
