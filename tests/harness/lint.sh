# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# One line a tool; what a tool says is shown only if it complains.

lint_failed=0
lint_passed=0
lint_skipped=0

# linter NAME COMMAND...: an empty file list is the caller's affair; 77: what it needs is not to be had.
linter() {
  local name=$1 output status=0
  shift
  output=$("$@" 2>&1) || status=$?
  case $status in
  0)
    lint_passed=$((lint_passed + 1))
    echo "ok      $name"
    ;;
  77)
    lint_skipped=$((lint_skipped + 1))
    printf 'skipped %s\n%s\n' "$name" "$output"
    ;;
  *)
    lint_failed=$((lint_failed + 1))
    printf 'failed  %s\n%s\n' "$name" "$output"
    ;;
  esac
}

# over 'PATTERN ...' COMMAND...: the command with the tree's files that match.
over() {
  local files
  # shellcheck disable=SC2086
  mapfile -t files < <(tree_files $1)
  shift
  [ ${#files[@]} -eq 0 ] || "$@" "${files[@]}"
}

run_cppcheck() {
  cppcheck --enable=warning,performance,portability --std=c11 --inline-suppr --quiet -j "$(nproc)" \
    --suppressions-list=tests/harness/cppcheck.txt --error-exitcode=1 \
    --include=tests/harness/cppcheck.h -D_GNU_SOURCE -Idaemon -Ibpf -Icli daemon cli
}

# A line a file, so that the output of two at once does not mix.
run_clang_tidy() {
  over 'daemon/*.c cli/*.c' printf '%s\n' |
    xargs -P "$(nproc)" -n 4 clang-tidy -p build --quiet --extra-arg=-Wno-unknown-warning-option
}

run_py_compile() {
  local cache status=0
  cache=$(mktemp -d) || return 1
  PYTHONDONTWRITEBYTECODE='' PYTHONPYCACHEPREFIX=$cache over '*.py' python3 -m py_compile || status=1
  rm -r "$cache"
  return "$status"
}

# What journald makes of it, in a place of its own: an entry that it cannot read is an error, or missing.
run_catalogue() {
  local root status=0 file=packaging/systemd/qosd.catalog
  root=$(mktemp -d) || return 1
  mkdir -p "$root/usr/lib/systemd/catalog" "$root/var/lib/systemd/catalog" &&
    cp "$file" "$root/usr/lib/systemd/catalog" && journalctl --root="$root" --update-catalog &&
    [ "$(journalctl --root="$root" --list-catalog | grep -c ' qosd: ')" -eq "$(grep -c '^-- ' "$file")" ] || status=1
  rm -r "$root"
  return "$status"
}

run_shellcheck() {
  local files
  mapfile -t files < <({ tree_files '*.sh' && tree_files | while IFS= read -r file; do
    head -c 64 "$file" | head -n 1 | tr -d '\0' | grep -qE '^#!/bin/(ba)?sh' && echo "$file"
  done; } | sort -u)
  shellcheck "${files[@]}"
}

lint() {
  linter clang-format over '*.c *.h' clang-format --dry-run -Werror
  linter cppcheck run_cppcheck
  linter clang-tidy run_clang_tidy
  linter shellcheck run_shellcheck
  linter mandoc over 'man/*.[1-8]' mandoc -Tlint -Wwarning
  linter catalogue run_catalogue
  linter yamllint over 'policies/*.yaml packaging/*.yaml .clang-format .clang-tidy' yamllint --strict
  linter python run_py_compile
  linter checkpatch kmod_checkpatch
  linter sparse kmod_sparse
  echo "$lint_passed passed, $lint_failed failed, $lint_skipped skipped"
  [ "$lint_failed" -eq 0 ] && { [ "${CI:-}" != true ] || [ "$lint_skipped" -eq 0 ]; }
}

# The project's own rules: layers, purity, sizes, words.
checks() {
  as_user python3 -B tests/check/run.py build
}
