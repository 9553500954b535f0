#!/bin/sh
# shot.sh page out width height [dark]
exec nice chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=$3,$4 ${5:+--force-dark-mode --blink-settings=preferredColorScheme=0} --virtual-time-budget=4000 --enable-logging=stderr --v=0 --screenshot=$2 file://$1 2>&1 | grep -E "CONSOLE|written"
