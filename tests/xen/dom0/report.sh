# Markers for the judge (harness/markers.py says their form), and waiting.
# shellcheck shell=dash

# Sets `now`, in hundredths of a second. Without another process: each costs much in emulation.
read_clock() {
  read -r now _ </proc/uptime
  now=${now%.*}${now#*.}
}

# seconds HUNDREDTHS
seconds() {
  local fraction=$(($1 % 100 + 100))
  echo "$(($1 / 100)).${fraction#1}"
}

mark() {
  local now
  read_clock
  echo "@vxs $(seconds "$now") $*"
}

# check NAME COMMAND…: reports whether the command succeeded, and how long it took.
check() {
  local name=$1 now begin status=0
  shift
  read_clock
  begin=$now
  "$@" || status=$?
  read_clock
  begin=$(seconds $((now - begin)))
  if [ "$status" -eq 0 ]; then
    mark "check $name ok ($begin s)"
  else
    mark "check $name FAILED (status $status after $begin s)"
  fi
  return "$status"
}

# text NAME: sends standard input to the judge as a file.
text() { sed "s|^|@vxs-text $1 |"; }

# within SECONDS COMMAND…: repeats the command every `pause` (default 1) seconds until it succeeds
# or the time is over.
within() {
  local now end=$(($1 * 100))
  shift
  read_clock
  end=$((now + end))
  until "$@"; do
    read_clock
    [ "$now" -lt "$end" ] || return 1
    sleep "${pause:-1}"
  done
}

not() { ! "$@"; }
