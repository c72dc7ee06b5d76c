# Markers for the judge (harness/markers.py says their form), and waiting.
# shellcheck shell=dash

uptime_now() {
  local up
  read -r up _ </proc/uptime
  echo "$up"
}

mark() { echo "@vxs $(uptime_now) $*"; }

# check NAME COMMAND…: reports whether the command succeeded, and how long it took.
check() {
  local name=$1 begin status=0
  shift
  begin=$(uptime_now)
  "$@" || status=$?
  begin=$(awk "BEGIN { print $(uptime_now) - $begin }")
  if [ "$status" -eq 0 ]; then
    mark "check $name ok ($begin s)"
  else
    mark "check $name FAILED (status $status after $begin s)"
  fi
  return "$status"
}

# text NAME: sends standard input to the judge as a file.
text() { sed "s|^|@vxs-text $1 |"; }

# within SECONDS COMMAND…: repeats the command until it succeeds or the time is over.
within() {
  local seconds=$1 end now
  shift
  read -r end _ </proc/uptime
  end=$((${end%.*} + seconds))
  until "$@"; do
    read -r now _ </proc/uptime
    [ "${now%.*}" -lt "$end" ] || return 1
    sleep 0.5
  done
}

not() { ! "$@"; }
