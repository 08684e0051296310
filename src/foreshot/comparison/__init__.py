"""The main job: a teacher and its students under the same conditions, stage by stage."""
