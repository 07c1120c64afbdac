# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What a kernel says when something is wrong, whoever provoked it.

judge_bad='BUG: |WARNING: |Oops: |Kernel panic|KASAN: |UBSAN: |general protection fault'
judge_bad+='|rcu: INFO|RCU stall|rcu_.* (detected|self-detected) stall'
judge_bad+='|possible (circular|recursive) locking|possible irq lock inversion|inconsistent lock state'
judge_bad+='|suspicious RCU usage|bad unlock balance|held lock freed|still held'
judge_bad+='|INFO: task .* blocked for more than|hung task|soft lockup|hard LOCKUP'
judge_bad+='|scheduling while atomic|sleeping function called|unreferenced object|ODEBUG:'
judge_bad+='|sched_ext: .* (runtime error|disabled)|kmemleak: .*disabled'

# Prints the lines of a log that fail a run, without those that tests/vm/harmless knows of.
judge() { # KERNEL LOG
  local harmless
  harmless=$(sed -n "s/^$1: //p" tests/vm/harmless)
  tr -d '\r' <"$2" | grep -aE "$judge_bad" | grep -avE "${harmless:-^$}"
}
