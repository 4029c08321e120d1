"""Trainings on several processes: what they take, and what becomes of them when one is killed."""
