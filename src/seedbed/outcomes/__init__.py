"""The outcomes of tables: one class per task knows everything that depends on the task."""
