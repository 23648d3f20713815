"""What every service stands on, and which knows none of them.

Look only down: ``web -> auth -> bus -> db -> observability -> contracts -> kernel``.
"""
