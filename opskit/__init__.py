"""opskit: a notebook operations runbook for the LLM Multimodal Stack."""
