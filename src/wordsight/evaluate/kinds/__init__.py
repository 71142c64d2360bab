"""One file for each kind of task: `Options`, `build(spec, sets)` and `run(encoder, task)`; rows of `tasks.TASKS`."""
