#!/bin/sh
# In place of oqron-bench-process: says that it has done a hundred jobs and that it has 2,000 kB.
[ -n "$OQRON_URL" ] || exit 1
echo up
[ "$1" = drain ] && echo 100
cat >/dev/null
echo stopped 2000
