#!/bin/sh
# One load test: runs the plan, keeps samples, log and dashboard in a folder of its own under /results, and fails where
# too many samples did (JMeter itself ends with 0 then).
set -eu
plans=${PLANS:-/plans} results=${RESULTS:-/results}
[ -f "$plans/$PLAN.jmx" ] || {
  echo "JMETER_PLAN=$PLAN: found no such plan; wanted one of: $(cd "$plans" && ls ./*.jmx | sed 's|^\./||; s|\.jmx$||' | tr '\n' ' ')" >&2
  exit 2
}
case $TARGET_HOST in
  127.0.0.1 | localhost | ::1) ;;
  *) [ "${ALLOW_REMOTE_TARGET:-no}" = yes ] || {
    echo "TARGET_HOST=$TARGET_HOST is not this machine: a load test belongs to those who run the target. ALLOW_REMOTE_TARGET=yes says that you may." >&2
    exit 2
  } ;;
esac
case $TARGET_HOST in *:*) address=[$TARGET_HOST]:$TARGET_PORT ;; *) address=$TARGET_HOST:$TARGET_PORT ;; esac
# nginx lets one address ask 20 questions at once and 10 a second after that (200 and 100 in optimized), and a load test is one
# address where users are many: beyond that it would measure the limit. So at most 20 threads ask, each of them every
# 20 / QUESTIONS_PER_S seconds at the earliest, and in t seconds no more than 20 + 9 t ask. LiteLLM itself has no limit.
askers=$THREADS questions=60000000
if wget -q -T 5 -O /dev/null "http://$address/nginx-health"; then
  health=/nginx-health
  [ "$askers" -le 20 ] || askers=20
  questions=$((QUESTIONS_PER_S * 60 / askers))
elif wget -q -T 5 -O /dev/null "http://$address/health/liveliness"; then
  health=/health/liveliness
  [ -n "$TARGET_API_KEY" ] || { echo "TARGET_API_KEY is empty: LiteLLM at $address would be asked nothing. Give it LiteLLM's key." >&2; exit 2; }
else
  echo "found no nginx and no LiteLLM at $address; wanted a stack that is up. Give TARGET_PORT its NGINX_PORT; a stack without nginx (staging) is loaded at its LITELLM_PORT, 4000." >&2
  exit 2
fi
run=$(date -u +%Y%m%dT%H%M%SZ)-$PLAN
mkdir -p "$results/$run"
cd "$results/$run"
properties=$(mktemp)  # not among the arguments, where ps would show the key
cat > "$properties" <<END
host=$TARGET_HOST
port=$TARGET_PORT
key=$TARGET_API_KEY
health=$health
askers=$askers
questions=$questions
threads=$THREADS
few=$(((THREADS + 9) / 10))
duration=$DURATION_S
third=$(((DURATION_S + 2) / 3))
jmeter.save.saveservice.output_format=csv
jmeter.save.saveservice.print_field_names=true
END
echo "$PLAN: $THREADS threads for $DURATION_S s against $address$health"
jmeter -n -t "$plans/$PLAN.jmx" -q "$properties" -l samples.csv -j jmeter.log
rm -f "$properties"
# Fields are found by their names in the first line; a quoted field with a comma comes only after those used here.
awk -F, -v most="$MAX_ERROR_PERCENT" '
  NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
  NF >= at["success"] && $at["success"] ~ /^(true|false)$/ { n++; bad += $at["success"] == "false"; ms += $at["elapsed"]; if ($at["elapsed"] + 0 > worst) worst = $at["elapsed"] + 0 }
  END {
    if (!n) { print "no sample was taken: see jmeter.log"; exit 1 }
    printf "%d samples, %d failed (%.2f %%; at most %s %% may), %.0f ms on average, %.0f ms at worst\n", n, bad, 100 * bad / n, most, ms / n, worst
    exit 100 * bad / n > most + 0
  }' samples.csv > summary.txt || failed=yes
cat summary.txt
# The dashboard came with JMeter 3.0; an older one has the samples alone.
if jmeter -? 2>/dev/null | grep -q -- --reportonly; then jmeter -g samples.csv -o dashboard -j dashboard.log; fi
[ -z "${failed:-}" ] || { echo "too many samples failed: see $run/samples.csv on the results page" >&2; exit 1; }
