"""What a competent user would write in a page of code, with three popular libraries.

Each counts usage events once by (source, id) into daily counts by event name and by user, in
Postgres with synchronous commits: what is lost or doubled by no crash, as in Tenure. Effect and
position are one transaction, or the effect is idempotent and the position is committed after it.
They run in a virtual environment of their own (`benchmarks/requirements.txt`), so nothing here
imports Tenure.
"""
