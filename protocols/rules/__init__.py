"""The rules, each a job with its arguments and its writer: pools, attack, defend, judging and what evasion cost."""
