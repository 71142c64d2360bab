"""One file for each kind of task: `OPTIONS`, `build(spec, sets)` and `run(encoder, task)`; rows of `tasks.TASKS`."""
