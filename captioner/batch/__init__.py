"""A folder captioned: what is to be done, doing it, and being told of it."""

from captioner.batch.plan import Failure, Job, Plan, plan_jobs
from captioner.batch.run import Outcome, run_plan

__all__ = ["Failure", "Job", "Outcome", "Plan", "plan_jobs", "run_plan"]
