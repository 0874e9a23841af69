"""The rules, each a job: pools, attack, defend, judging and what evasion cost."""
