#!/bin/sh
# Print a Python 3.11 to 3.13 of this machine: the environment's own if it is there, else the default one, else the newest.
for candidate in .venv/bin/python python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
        echo "$candidate"
        exit 0
    fi
done
echo "No Python 3.11, 3.12 or 3.13 found. On Debian: apt install python3" >&2
exit 1
