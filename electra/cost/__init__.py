"""The cost of training: operations, parameters, memory, time."""
