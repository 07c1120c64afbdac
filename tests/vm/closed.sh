# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# ./dev vm --closed LIST: a guest that has all of its files in memory from the start, and the caller's stdin as a file,
# so that nothing that the real machine does can reach it. LIST has paths, of files and directories, one a line; what
# programs link against comes along.

# What tests/vm/guest.sh runs, and what anybody expects.
closed_programs=(bash basename busybox cat chrt dirname env grep hostname id insmod ip ln mkdir mkfifo mount rmmod setsid sh sleep
  umount uname)

closed_paths() { # LIST
  type -P "${closed_programs[@]}"
  printf '%s\n' /etc/passwd /etc/group /usr/lib/locale/C.utf8 tests/vm/guest.sh
  cat "$1"
}

# All their libraries, and the one that loads them. Not all are dynamic, which ldd takes for a failure.
closed_libraries() { # ROOT
  (find "$1" -type f \( -perm -u+x -o -name '*.so*' \) -exec ldd {} + || true) 2>/dev/null |
    sed -nE 's/^\t(.* => )?(\/[^ ]+) \(.*/\2/p' | sort -u
}

# At the same path in the guest, whatever that is a link to there.
closed_copy() { # ROOT, paths on stdin
  local path
  while IFS= read -r path; do
    [ "${path:0:1}" = / ] || path=$PWD/$path
    mkdir -p "$1$(dirname "$path")" && cp -aLT "$path" "$1$path" || return 1
  done
}

# The interpreter believes what it once compiled by the time of the source; whatever is built here has another time with
# each build.
closed_times() { # ROOT
  find "$1" -depth ! -path "$1/usr/*.py" -exec touch -h -d @1000000000 {} +
}

closed_add() { # ROOT LIST
  local dir
  for dir in bin sbin lib lib64; do
    mkdir -p "$1/usr/$dir"
    [ -e "$1/$dir" ] && cp -aT "$1/$dir" "$1/usr/$dir" && rm -r "${1:?}/$dir"
    ln -s "usr/$dir" "$1/$dir"
  done
  mkdir -p "$1"/{run,tmp} && chmod 1777 "$1/tmp" && cat >"$1/stdin" &&
    closed_paths "$2" | closed_copy "$1" && closed_libraries "$1" | closed_copy "$1" && closed_times "$1"
}
